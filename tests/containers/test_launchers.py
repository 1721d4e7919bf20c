"""Launchers whose evaluations run in containers, and launchers that are in containers themselves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from ambs_hpc.campaign import SearchSettings
from ambs_hpc.cli.shared.dry_run import print_dry_run
from ambs_hpc.errors import ProblemError
from ambs_hpc.launcher.supervisor.process_tree import all_processes, environment_of
from tests.containers.programs import StandIns, stand_ins
from tests.databases import wait_until
from tests.stories.commands import Shell

PROBLEM = """
from ambs_hpc import Container, Problem
container = Container({image!r}, program="apptainer")
problem = Problem(name={name!r}, space={{"x": (0.0, 1.0)}}, objective="model:measure", container=container)
"""
# The lock is the kernel's, so it is one for all namespaces; it goes with its process.
MODEL = """
import fcntl, os, time
place = os.path.dirname(os.path.abspath(__file__))
with open(place + "/imports", "a") as file: file.write("x")
def measure(configuration):
    name = os.environ["AMBS_ORDINAL"]
    held = open(f"{place}/lock-{name}", "w")
    try: fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: open(f"{place}/twice-{name}", "w").close()
    open(f"{place}/begun-{name}-{os.environ['AMBS_ATTEMPT']}", "w").close()
    while not os.path.exists(f"{place}/go"): time.sleep(0.02)
    return configuration["x"]
"""
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class ContainedShell(Shell):
    """`ambs` with stand-ins on its PATH, perhaps in a PID namespace of its own."""

    programs: StandIns
    has_namespace: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "PATH": self.programs.path}

    @property
    def prefix(self) -> list[str]:
        user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
        space = ["unshare", *user, "--pid", "--fork", "--kill-child", "--mount-proc"]
        return space if self.has_namespace else []

    def begun(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("begun-*"))

    def make(self, name: str) -> None:
        self.write(f"{name}.py", PROBLEM.format(image=self.programs.image, name=name))
        self.write("model.py", MODEL)

    def search(self, name: str, evaluations: int) -> subprocess.Popen[str]:
        """Have evaluations proposed; the search ends when they do."""
        search = self.start("search", f"{name}.py", "--max-evaluations", str(evaluations), "--slots", "9")
        self.wait_for_proposals(search)
        return search


@pytest.fixture
def shell(tmp_path: Path, sqlite_url: str) -> ContainedShell:
    return ContainedShell(tmp_path, sqlite_url, stand_ins(tmp_path / "programs", "apptainer"))


def test_killed_launcher_leaves_nothing_that_runs_twice(shell: ContainedShell) -> None:
    """The next one recovers what the dead one held, and no attempt is still there when the next begins."""
    shell.make("killed")
    search = shell.search("killed", 3)
    launch = ("launch", "--slots", "2", "--idle-exit", "0.5")
    first = shell.start(*launch)
    wait_until(lambda: len(shell.begun()) == 2, PATIENCE_SECONDS)
    inside = [pid for pid in started_by(first.pid) if b"CONTAINER=stand-in" in environment_of(pid)]
    assert inside
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = shell.start(*launch)
    wait_until(lambda: len(shell.begun()) == 4, PATIENCE_SECONDS)
    shell.write("go", "")
    assert search.wait(PATIENCE_SECONDS) == 0
    out, err = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 0, f"{out}\n{err}"
    rows = shell.rows("select state, attempt from v_evaluations order by ordinal")
    assert [row["state"] for row in rows] == ["DONE"] * 3
    assert sum(int(str(row["attempt"])) for row in rows) == 5  # two were begun again, none a third time
    assert not list(shell.folder.glob("twice-*"))
    assert len(shell.programs.calls) == 2  # one for each launcher
    assert (shell.folder / "imports").read_text() == "xx"


def test_launchers_in_two_namespaces_leave_each_other_alone(shell: ContainedShell) -> None:
    """Each is process 1 on a host of the same name: only the namespace tells that the other one may live."""
    shell.make("apart")
    search = shell.search("apart", 2)
    contained = ContainedShell(shell.folder, shell.database, shell.programs, has_namespace=True)
    launch = ("launch", "--slots", "1", "--idle-exit", "0.5")
    launchers: list[subprocess.Popen[str]] = []
    try:
        for number in (1, 2):
            launchers.append(contained.start(*launch))
            wait_until(lambda number=number: len(shell.begun()) == number, PATIENCE_SECONDS)  # type: ignore[misc]
        known = shell.rows("select host, pid, namespace from launcher")
        assert len({(row["host"], row["pid"]) for row in known}) == 1, known
        assert len({row["namespace"] for row in known}) == 2
        # It finds nothing to do, and nobody of whom it could know that he is dead.
        shell.ambs(*launch, "--max-minutes", "0.05", "--grace", "0.5")
        shell.write("go", "")
        assert search.wait(PATIENCE_SECONDS) == 0
        assert [one.wait(PATIENCE_SECONDS) for one in launchers] == [0, 0]
    finally:
        for one in launchers:
            one.kill()
            one.communicate()
    rows = shell.rows("select state, attempt from v_evaluations")
    assert rows == [{"state": "DONE", "attempt": 1}] * 2
    assert not list(shell.folder.glob("twice-*"))


def test_dry_run_says_how_the_container_is_entered(
    shell: ContainedShell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And names what is missing, before a node is asked for."""
    shell.make("tried")
    problem = shell.folder / "tried.py"
    monkeypatch.setenv("PATH", shell.programs.path)
    print_dry_run(problem, SearchSettings(), tries=False, as_json=False)
    assert "container: apptainer exec --bind" in capsys.readouterr().out
    monkeypatch.setenv("PATH", "/nowhere")
    print_dry_run(problem, SearchSettings(), tries=False, as_json=False)
    told = "container: not to be started here: None of apptainer is on the PATH here"
    assert told in capsys.readouterr().out
    (shell.programs.folder / "image").rmdir()
    with pytest.raises(ProblemError, match=r"container\.image: there is no file or folder .*/programs/image"):
        print_dry_run(problem, SearchSettings(), tries=False, as_json=False)


def started_by(pid: int) -> list[int]:
    owner = re.compile(rb"AMBS_LAUNCHER=[^:]*:%d:" % pid)
    return [one for one in all_processes() if any(map(owner.match, environment_of(one)))]
