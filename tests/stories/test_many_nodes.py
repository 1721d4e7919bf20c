"""Eight nodes of a real Slurm, each with a network of its own, and every kind of death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ambs_hpc.launcher.supervisor import process_tree
from tests.databases import let_others_enter, wait_until
from tests.slurm.cluster import Cluster, is_installed, networked_cluster, stop_cluster
from tests.stories.commands import Shell
from tests.stories.test_pool import command_of

MODEL = """
import os, pathlib, signal, socket, sys, time
def short(configuration):
    time.sleep(1.0)
    return {"objective": configuration["x"], "host": socket.gethostname()}
def long(configuration):
    time.sleep(4.0)
    return {"objective": configuration["x"], "host": socket.gethostname()}
def on_gpus(configuration):
    time.sleep(1.0)
    return {"objective": configuration["x"], "host": socket.gethostname(), **devices()}
def resumes(configuration):
    file = pathlib.Path(os.environ["AMBS_CHECKPOINT_DIR"]) / "step"
    step = begin = int(file.read_text()) if file.exists() else 0
    def save(*_):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(step))
        sys.exit(1)
    signal.signal(signal.SIGTERM, save)
    for step in range(begin, 300):
        time.sleep(0.1)
    return {"objective": configuration["x"], "begin": begin}
def devices():
    return {"gpus": os.environ["CUDA_VISIBLE_DEVICES"], "cores": sorted(os.sched_getaffinity(0))}
"""
CORE_OF_GPU = {"0": 3, "1": 2, "2": 1, "3": 0}  # reversed, as on Polaris
RANKS = """
echo "rank $SLURM_PROCID of $SLURM_NTASKS on $(hostname)"
sleep 1
[ "$SLURM_PROCID" != 0 ] || echo "AMBS-RESULT: $1"
"""
ENDED = ("ENDED", "VANISHED")

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        (not is_installed() or os.geteuid() != 0) and not os.environ.get("CI"),
        reason="needs root and Debian's slurm-wlm and munge",
    ),
]


@dataclass(frozen=True)
class Centre(Shell):
    """The login node: Slurm's commands, and a private PostgreSQL that the nodes reach over their network."""

    cluster: Cluster

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.cluster.environment, "AMBS_DB": ""}

    @property
    def prefix(self) -> list[str]:
        return self.cluster.on_login

    @property
    def scratch(self) -> Path:
        """Where evaluations write temporary files."""
        return self.folder / "scratch"

    def accused(self) -> set[str]:
        """Nodes on which something went wrong."""
        return {one["node"] for one in json.loads(self.ambs("nodes", "--json"))["events"]}

    def serve(self) -> None:
        """Start the database, or start it again."""
        address = self.cluster.login_address
        self.ambs("db", "start", "--listen", address, "--host", address)

    def problem(self, name: str, objective: str, **settings: str) -> str:
        """A problem file of that name."""
        more = "".join(f", {key}={value}" for key, value in settings.items())
        self.write(
            f"{name}.py",
            "from ambs_hpc import Command, Problem, Resources\n"
            f"problem = Problem(name={name!r}, space={{'x': (0.0, 1.0)}}, objective={objective}{more})\n",
        )
        return f"{name}.py"

    @contextmanager
    def search(self, problem: str, budget: int, slots: int = 32) -> Iterator[subprocess.Popen[str]]:
        """A search beside what the body does; ended with it."""
        options = ["--method", "random", "--max-evaluations", str(budget), "--slots", str(slots)]
        process = self.start("search", problem, *options)
        try:
            wait_until(lambda: self.counts().get("READY", 0) > 0 or process.poll() is not None, 90)
            yield process
        finally:
            process.kill()
            process.communicate()

    def counts(self) -> dict[str, int]:
        """Evaluations by state."""
        process = self.start("sql", "select state, count(*) as n from v_evaluations group by state", "--json")
        out, _ = process.communicate(timeout=60)
        return {row["state"]: row["n"] for row in json.loads(out)} if process.returncode == 0 else {}

    def allocations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ambs("allocations", "--json"))
        return found

    def submit(self, nodes: int, minutes: int = 5) -> None:
        """An allocation; returns when it runs."""
        self.ambs("submit", "-n", str(nodes), "-t", str(minutes))
        wait_until(lambda: self.allocations()[0]["state"] == "RUNNING", 30)

    def end_allocations(self) -> None:
        """Those that would wait for more until their idle time is over."""
        for one in self.allocations():
            if one["state"] not in ENDED:
                self.ambs("allocations", "cancel", str(one["id"]))
        wait_until(lambda: all(one["state"] in ENDED for one in self.allocations()), 60)

    def left_on_nodes(self) -> list[str]:
        """Command lines of processes that are not Slurm's own."""
        lines = []
        for number in range(1, 9):
            for pid in self.cluster.pids_on(f"n{number}"):
                line = command_of(pid).replace(b"\0", b" ").decode()
                if line and "slurmd" not in line and process_tree.state_of(pid) not in "ZX":
                    lines.append(f"n{number}: {line}")
        return lines

    def assert_each_ended_once(self, number: int) -> None:
        """All are there with a value, none failed, none was completed twice."""
        assert self.counts() == {"DONE": number}
        events = "select move, count(*) as n from evaluation_event group by move"
        moves = {row["move"]: row["n"] for row in self.rows(events)}
        assert moves["complete"] == number
        assert "fail" not in moves


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    yield
    stop_cluster()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    let_others_enter(tmp_path)
    made = Centre(tmp_path, "", networked_cluster())
    made.write("model.py", MODEL)
    made.write("ranks.sh", RANKS)
    made.scratch.mkdir()
    made.scratch.chmod(0o1777)
    variables = f"{{AMBS_CONFIG_DIR: {tmp_path / 'config'}, TMPDIR: {made.scratch}}}"
    cores = [str(core) for core in CORE_OF_GPU.values()]
    node = f"{{cores: 4, gpus: 4, gpu_cores: {cores}}}"
    made.write("here.yml", f"extends: slurm\nnode: {node}\nenvironment: {variables}\n")
    made.serve()
    made.ambs("init", "--site", "here")
    yield made
    made.end_allocations()
    made.ambs("db", "stop")


def test_every_node_is_used_and_left_clean(centre: Centre) -> None:
    """Two allocations at once and a third later: one queue serves all, and nothing stays on any node."""
    with centre.search(centre.problem("short", "'model:short'"), 640) as search:
        centre.ambs("submit", "-n", "4", "-t", "5")
        centre.submit(4)
        wait_until(lambda: centre.counts().get("DONE", 0) > 20, 60)
        centre.ambs("allocations", "cancel", "1")
        centre.submit(4)
        assert search.wait(120) == 0
    rows = centre.rows("select node, allocation, metrics from v_evaluations")
    assert {row["node"] for row in rows} == {f"n{number}" for number in range(1, 9)}
    assert all(row["node"] == host_of(row) for row in rows)
    assert len({row["allocation"] for row in rows}) == 3
    centre.assert_each_ended_once(640)
    centre.end_allocations()
    wait_until(lambda: not centre.left_on_nodes(), 20)


def test_all_shapes_share_an_allocation(centre: Centre) -> None:
    """One core, four cores, and two nodes with two ranks each through srun."""
    small = centre.problem("small", "'model:short'")
    large = centre.problem("large", "'model:short'", resources="Resources(cores=4)")
    ranks = centre.problem(
        "ranks", "Command(['sh', 'ranks.sh', '{x}'])", resources="Resources(nodes=2, ranks_per_node=2)"
    )
    with (
        centre.search(small, 40, 16) as first,
        centre.search(large, 8, 4) as second,
        centre.search(ranks, 4, 2) as third,
    ):
        centre.submit(4)
        assert [one.wait(90) for one in (first, second, third)] == [0, 0, 0]
    centre.assert_each_ended_once(52)
    for log in centre.folder.glob("ambs-runs/ranks/*/*/*/stdout"):
        told = sorted(line for line in log.read_text().splitlines() if line.startswith("rank "))
        assert [line.split(" on ")[0] for line in told] == [f"rank {index} of 4" for index in range(4)]
        assert len({line.split(" on ")[1] for line in told}) == 2


@pytest.mark.parametrize("each", [(1,), (2,), (1, 4)], ids=["one", "two", "one and four"])
def test_gpus_are_never_shared(each: tuple[int, ...], centre: Centre) -> None:
    """The nodes are filled, no GPU is given twice at a time, and the cores are those next to it."""
    with ExitStack() as searches:
        begun = []
        for gpus in each:
            resources = f"Resources(cores={gpus}, gpus={gpus})"
            problem = centre.problem(f"of_{gpus}", "'model:on_gpus'", resources=resources)
            slots = 2 * (4 // gpus)
            begun.append(searches.enter_context(centre.search(problem, 4 * slots, slots)))
        centre.submit(2)
        assert [search.wait(90) for search in begun] == [0] * len(each)
    rows = centre.rows("select node, metrics, started_at, finished_at from v_evaluations")
    assert {len(gpus_of(row)) for row in rows} == set(each)
    assert most_gpus_at_once(rows) == 4
    assert_gpus_are_apart(rows)
    assert_cores_are_near(rows)


def kill_launcher(centre: Centre) -> None:
    found = [pid for pid in centre.cluster.pids_on("n1") if is_launcher(pid)]
    os.kill(min(found, key=started_at), signal.SIGKILL)  # its orphan reaper is younger


def cancel(centre: Centre) -> None:
    identity = str(centre.allocations()[0]["scheduler_id"])
    subprocess.run([*centre.prefix, "scancel", identity], env=centre.environment, check=True)


def restart_database(centre: Centre) -> None:
    centre.ambs("db", "stop")
    centre.serve()


@pytest.mark.parametrize("fault", [kill_launcher, cancel, restart_database])
def test_nothing_is_lost(fault: Callable[[Centre], None], centre: Centre) -> None:
    """Nothing is done twice, nothing counts as a failure, and the next allocation finishes the campaign."""
    with centre.search(centre.problem("long", "'model:long'"), 64) as search:
        centre.submit(8)
        wait_until(lambda: centre.counts().get("RUNNING", 0) > 20, 40)
        fault(centre)
        if fault is not restart_database:
            wait_until(lambda: centre.allocations()[0]["state"] in ENDED, 60)
            wait_until(lambda: not centre.left_on_nodes(), 20)
            centre.submit(8)
        assert search.wait(120) == 0
    centre.assert_each_ended_once(64)


def test_walltime_of_slurm_leaves_checkpoints(centre: Centre) -> None:
    """The script ends before Slurm ends it, and the next allocation goes on from what was written."""
    with centre.search(centre.problem("resumes", "'model:resumes'"), 8) as search:
        centre.submit(2, minutes=1)
        wait_until(lambda: centre.allocations()[0]["state"] in ENDED, 70)
        assert "JobState=COMPLETED" in centre.cluster.ended_allocations()[-1]
        wait_until(lambda: not centre.left_on_nodes(), 20)
        centre.submit(2)
        assert search.wait(60) == 0
    centre.assert_each_ended_once(8)
    rows = centre.rows("select metrics, failures, interruptions from v_evaluations")
    assert {(row["failures"], row["interruptions"]) for row in rows} == {(0, 1)}
    assert all(int(str(_metrics(row)["begin"])) > 0 for row in rows)


def test_dead_node_takes_only_its_own_evaluations(centre: Centre) -> None:
    """One without room in its scratch gets none. The last of this file: the nodes stay so."""
    centre.cluster.fill("n6", centre.scratch)
    with centre.search(centre.problem("long", "'model:long'"), 64) as search:
        centre.submit(8)
        wait_until(lambda: centre.counts().get("RUNNING", 0) > 20, 40)
        centre.cluster.kill_node("n5")
        assert search.wait(150) == 0
        assert centre.allocations()[0]["state"] == "RUNNING"
    centre.assert_each_ended_once(64)
    again = centre.rows("select node from v_evaluations where attempt > 1")
    assert 1 <= len(again) <= 8  # four that died, four that never began
    assert "n5" not in {row["node"] for row in again}
    assert not centre.rows("select id from v_evaluations where node = 'n6'")
    centre.end_allocations()
    wait_until(lambda: centre.accused() - {"n1"} == {"n5", "n6"}, 30)  # n1 has no GPUs at all


def is_launcher(pid: int) -> bool:
    return b"ambs_hpc.cli.main\0launch" in command_of(pid)


def started_at(pid: int) -> int:
    """In ticks since the machine came up (proc(5)); numbers of processes begin again at `pid_max`."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def host_of(row: dict[str, object]) -> object:
    return _metrics(row)["host"]


def gpus_of(row: dict[str, object]) -> list[str]:
    return str(_metrics(row)["gpus"]).split(",")


def gpus_beside(row: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """Of those that ran on the node when this one began, its own included."""
    began = row["started_at"]
    there = [one for one in rows if one["node"] == row["node"]]
    return [gpu for one in there if one["started_at"] <= began < one["finished_at"] for gpu in gpus_of(one)]


def most_gpus_at_once(rows: list[dict[str, Any]]) -> int:
    return max(len(gpus_beside(row, rows)) for row in rows)


def assert_gpus_are_apart(rows: list[dict[str, Any]]) -> None:
    """Whenever one begins, no GPU of its node is given twice."""
    for row in rows:
        given = gpus_beside(row, rows)
        assert len(given) == len(set(given))


def assert_cores_are_near(rows: list[dict[str, Any]]) -> None:
    """By the site's map; of those the ones that this machine has, and all of them where it has none."""
    own = os.sched_getaffinity(0)
    for row in rows:
        near = {CORE_OF_GPU[gpu] for gpu in gpus_of(row)}
        assert _metrics(row)["cores"] == sorted(near & own or own)


def _metrics(row: dict[str, object]) -> dict[str, object]:
    told = row["metrics"]
    found: dict[str, object] = json.loads(told) if isinstance(told, str) else told  # type: ignore[assignment]
    return found
