"""Evaluations on other nodes: one supervising process each, through the site's launch command."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.errors import NodesApart, ShapeNeverFits
from ambs_hpc.launcher.executors import node_health, node_pauses, process
from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted, Unloadable
from ambs_hpc.launcher.node_pool import NodePool, on_no_nodes
from ambs_hpc.launcher.packing import Node, Packing, Share
from ambs_hpc.launcher.supervisor import client, process_tree
from ambs_hpc.launcher.supervisor.messages import NO_CONTAINER
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.states import FailureKind
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

CORE = min(os.sched_getaffinity(0))
ONE_CORE = Resources()
RANKS = Resources(nodes=2, ranks_per_node=3)
MODULE = """
import os, time
print("printed by the import")
def where(configuration):
    return {"objective": 1, "node": os.environ.get("PRETENDED_NODE", "here"), "parent": os.getppid()}
def waits(configuration):
    with open("pid", "w") as file: file.write(str(os.getpid()))
    time.sleep(600)
"""


# Of Slurm 22.05, where less of a node was granted than its site file says.
SRUN = """srun: error: Unable to create step for job 7: More processors requested than permitted
srun: cluster configuration lacks support for cpu binding
"""


def launch_on(node: str) -> Sequence[str]:
    """As srun does: start a program elsewhere, forward its standard streams; `broken` is out of reach."""
    if node == "broken":
        return ("false",)
    if node.startswith("refused"):
        return ("sh", "-c", f"printf '{SRUN}' >&2; exit 1")
    return () if node == "here" else ("env", f"PRETENDED_NODE={node}")


def launch_ranks(shares: Sequence[Share], per_node: int, _variables: Collection[str]) -> Sequence[str]:
    """As srun does: one copy of the program is enough here."""
    return ("env", f"PRETENDED_RANKS={len(shares) * per_node} on {','.join(share.node for share in shares)}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere_module.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def executor(request: pytest.FixtureRequest) -> Iterator[ProcessExecutor]:
    made = make(getattr(request, "param", ("here", "there")))
    yield made
    made.close()


def make(names: Sequence[str], **different: object) -> ProcessExecutor:
    nodes = tuple(Node(name, (CORE,)) for name in names)
    node_pool = replace(NodePool(nodes, "CUDA_VISIBLE_DEVICES", launch_on, launch_ranks), **different)  # type: ignore[arg-type]
    return ProcessExecutor(Packing(nodes), node_pool, 0.5)


def work(
    folder: Path,
    number: int,
    function: str | None,
    arguments: list[str] | None = None,
    resources: Resources = ONE_CORE,
) -> Prepared:
    claim = Claim(number, 1, "c", number, 1, f"token.{number}", {}, resources, None)
    full = None if function is None else f"elsewhere_module:{function}"
    attempt = folder / f"attempt-{number}"
    return prepared(claim, arguments, full, str(folder), str(attempt), {})


def ended(executor: ProcessExecutor, number: int) -> list[Ended]:
    found: list[Ended] = []
    wait_until(lambda: found.extend(executor.poll(0.05)) or len(found) >= number, 20)
    return found


def test_evaluations_run_on_every_node(executor: ProcessExecutor, folder: Path) -> None:
    """Functions from a warm process of their node, and what they print never gets among the messages."""
    assert executor.count(Resources()) == 2
    for number in (1, 2):
        assert executor.start(*work(folder, number, "where"))
    assert not executor.start(*work(folder, 3, "where"))
    said = ended(executor, 2)
    assert all(isinstance(one, Outcome) and one.objective == 1.0 for one in said)
    assert {one.metrics["node"] for one in said if isinstance(one, Outcome)} == {"here", "there"}
    assert {one.node for one in said if isinstance(one, Outcome)} == {"here", "there"}


def test_commands_run_elsewhere_too(executor: ProcessExecutor, folder: Path) -> None:
    """Their output is in the attempt's folder, which all nodes see."""
    for number in (1, 2):
        executor.start(
            *work(folder, number, None, ["sh", "-c", "echo AMBS-RESULT: 3; echo $PRETENDED_NODE >&2"])
        )
    assert all(isinstance(one, Outcome) and one.objective == 3.0 for one in ended(executor, 2))
    stderr = {(folder / f"attempt-{number}" / "stderr").read_text() for number in (1, 2)}
    assert stderr == {"\n", "there\n"}


@pytest.mark.parametrize("executor", [("broken", "there")], indirect=True)
def test_unreachable_node_is_given_up(executor: ProcessExecutor, folder: Path) -> None:
    """Its evaluation never started, and runs on a node that is left."""
    executor.start(*work(folder, 1, "where"))
    executor.start(*work(folder, 2, "where"))
    said = ended(executor, 2)
    interrupted = [one for one in said if isinstance(one, Interrupted)]
    assert len(interrupted) == 1
    assert interrupted[0].started is False
    assert "broken" in interrupted[0].reason
    assert executor.count(Resources()) == 1
    executor.start(*work(folder, interrupted[0].id, "where"))
    (again,) = ended(executor, 1)
    assert isinstance(again, Outcome)
    assert again.node == "there"


@pytest.mark.parametrize("executor", [("refused1", "refused2")], indirect=True)
def test_a_launch_command_that_starts_nothing_is_told_in_its_own_words(
    executor: ProcessExecutor, folder: Path
) -> None:
    """Two "lost" nodes would have a person ask the centre about its nodes; no evaluation comes to harm."""
    for number in (1, 2):
        executor.start(*work(folder, number, "where"))
    said = ended(executor, 2)
    assert [isinstance(one, Interrupted) and not one.started for one in said] == [True, True]
    (told,) = executor.troubles
    assert told.startswith("nothing starts on refused")
    assert told.endswith(f": {SRUN.splitlines()[0]}")
    assert "lost" not in told


def in_container(prepared_: Prepared, *words: str) -> Prepared:
    claim, request = prepared_
    return claim, replace(request, within=[*words, sys.executable])


def launch_with_fuse(node: str) -> Sequence[str]:
    """Containers of `sh -c $FUSE` start where FUSE is the command to do so."""
    return ("env", 'FUSE=exec "$@"' if node == "well" else "FUSE=echo no fuse >&2; exit 1")


CONTAINER = ("sh", "-c", 'eval "$FUSE"', "container")


def test_a_node_without_a_containers_needs_is_left_alone(folder: Path) -> None:
    """The launch command works there, and the container starts elsewhere: no campaign is refused."""
    executor = make(("bad", "well"), launch_on=launch_with_fuse)
    try:
        for number in (1, 2):
            assert executor.start(*in_container(work(folder, number, None, ["true"]), *CONTAINER))
        said = ended(executor, 2)
        assert {type(one) for one in said} == {Outcome, Interrupted}
        (interrupted,) = [one for one in said if isinstance(one, Interrupted)]
        assert not interrupted.started
        told = "node bad: no supervising process starts in a container: no fuse"
        wait_until(lambda: not executor.poll(0.05) and list(executor.troubles) == [told])
        assert executor.count(ONE_CORE) == 1
    finally:
        executor.close()


def test_a_container_that_starts_on_no_node_is_to_blame(folder: Path) -> None:
    """Its evaluations are refused, and the nodes serve others."""
    executor = make(("bad", "worse"), launch_on=launch_with_fuse)
    try:
        for number in (1, 2):
            assert executor.start(*in_container(work(folder, number, None, ["true"]), *CONTAINER))
        said = ended(executor, 3)
        (told,) = [one for one in said if isinstance(one, Unloadable)]
        assert told.what == NO_CONTAINER
        assert told.error.endswith("said: no fuse")
        assert executor.troubles == []
        assert executor.count(ONE_CORE) == 2
    finally:
        executor.close()


@pytest.mark.parametrize("executor", [("there", "further")], indirect=True)
def test_a_supervisor_that_the_system_does_not_start_ends_nothing(
    executor: ProcessExecutor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node pauses, and the evaluation waits or goes to another one."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as context:
        context.setattr(client.subprocess, "Popen", refuse)
        assert not executor.start(*work(folder, 1, "where"))
    (told,) = executor.troubles
    assert told.partition(": ")[2] == f"no supervising process can be started: [Errno 24] {os.strerror(24)}"
    assert executor.count(ONE_CORE) == 1
    assert executor.start(*work(folder, 1, "where"))
    (outcome,) = ended(executor, 1)
    assert isinstance(outcome, Outcome)


@pytest.mark.parametrize("executor", [("there",)], indirect=True)
def test_killed_supervisor_costs_interruptions(executor: ProcessExecutor, folder: Path) -> None:
    """What ran there is given back, nothing of it stays, and the node is used again."""
    executor.start(*work(folder, 1, "waits"))
    file = folder / "attempt-1" / "pid"
    wait_until(lambda: file.exists() and file.read_text())
    pid = int(file.read_text())
    template = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    supervisor = int(Path(f"/proc/{template}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    (said,) = ended(executor, 1)
    assert said == Interrupted(1, 1, "node there: supervising process died")
    wait_until(lambda: process_tree.state_of(pid) in "ZX")
    wait_until(lambda: not executor.poll(0.05) and executor.start(*work(folder, 2, "where")))
    (after,) = ended(executor, 1)
    assert isinstance(after, Outcome)


def test_node_is_not_used_while_it_is_in_doubt(folder: Path) -> None:
    """What started there would be lost with it."""
    os.mkfifo(folder / "reachable")
    asked: list[str] = []

    def slow_reach(node: str) -> Sequence[str]:
        asked.append(node)
        is_probe = len(asked) == 3  # after the choice of the supervisor and its start
        wait = f"read line < {folder}/reachable; " if is_probe else ""
        return ("sh", "-c", wait + 'exec "$@"', "sh")

    executor = make(("there",), launch_on=slow_reach)
    executor.start(*work(folder, 1, "waits"))
    file = folder / "attempt-1" / "pid"
    wait_until(lambda: file.exists() and file.read_text())
    (supervisor,) = supervisors()
    os.kill(supervisor, signal.SIGKILL)
    ended(executor, 1)
    assert executor.count(Resources()) == 0
    assert not executor.start(*work(folder, 2, "where"))
    (folder / "reachable").write_text("\n")
    wait_until(lambda: not executor.poll(0.05) and executor.start(*work(folder, 2, "where")))
    executor.close()


@pytest.mark.parametrize("executor", [("there",)], indirect=True)
def test_silent_node_is_lost(
    executor: ProcessExecutor, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine without power ends no connection: what it ran is given back when it has not beaten."""
    monkeypatch.setattr(client, "SILENCE_SECONDS", 1.0)
    executor.start(*work(folder, 1, "waits"))
    file = folder / "attempt-1" / "pid"
    wait_until(lambda: file.exists() and file.read_text())
    (supervisor,) = supervisors()
    (client_there,) = executor._supervisors.values()
    wait_until(lambda: not executor.poll(0.05) and client_there.has_greeted)
    os.kill(supervisor, signal.SIGSTOP)
    monkeypatch.setattr(process, "AWAY_SECONDS", 0.2)
    wait_until(lambda: client_there.is_silent and time.monotonic() > executor._listen_at + 0.2)
    assert executor.poll(0.0) == []  # a launcher that was stopped itself hears first what they say
    (said,) = ended(executor, 1)
    assert said == Interrupted(1, 1, "node there: supervising process died")
    assert process_tree.state_of(supervisor) in "ZX"


@pytest.mark.parametrize("executor", [("there",)], indirect=True)
def test_closing_ends_what_runs_elsewhere(executor: ProcessExecutor, folder: Path) -> None:
    """The end of its standard input is the supervisor's end."""
    executor.start(*work(folder, 1, "waits"))
    file = folder / "attempt-1" / "pid"
    wait_until(lambda: file.exists() and file.read_text())
    executor.close()
    assert process_tree.state_of(int(file.read_text())) in "ZX"


def command(text: str) -> list[str]:
    return ["sh", "-c", text]


def test_ranks_have_their_nodes_to_themselves(executor: ProcessExecutor, folder: Path) -> None:
    """The launch command is told where and how many; nothing else runs there meanwhile."""
    os.mkfifo(folder / "go")
    told = command(f"echo $PRETENDED_RANKS; read line < {folder}/go; echo AMBS-RESULT: 5")
    executor.start(*work(folder, 1, None, told, RANKS))
    assert executor.count(Resources()) == 0
    (folder / "go").write_text("\n")
    (said,) = ended(executor, 1)
    assert isinstance(said, Outcome)
    assert (said.objective, said.node) == (5.0, "here+1")
    assert (folder / "attempt-1" / "stdout").read_text().startswith("6 on here,there\n")
    assert executor.count(Resources()) == 2


@pytest.mark.parametrize("executor", [("there", "broken")], indirect=True)
def test_ranks_that_fail_with_a_node_were_interrupted(executor: ProcessExecutor, folder: Path) -> None:
    """A launch command fails alike for a program's mistake and for a dead node: the nodes are asked."""
    executor.start(*work(folder, 1, None, command("exit 1"), RANKS))
    (said,) = ended(executor, 1)
    assert said == Interrupted(1, 1, "node broken lost")
    assert executor.count(Resources()) == 1


@pytest.mark.parametrize("executor", [("there", "too")], indirect=True)
def test_ranks_that_fail_on_living_nodes_have_failed(executor: ProcessExecutor, folder: Path) -> None:
    """With what they said."""
    executor.start(*work(folder, 1, None, command("echo no such file >&2; exit 3"), RANKS))
    (said,) = ended(executor, 1)
    assert isinstance(said, Outcome)
    assert said.failure is FailureKind.ERROR
    assert "exit status 3\nno such file" in said.error
    assert executor.count(RANKS) == 1


def test_ranks_need_a_launch_command(folder: Path) -> None:
    """It is told, instead of one lonely rank that computes something else."""
    executor = make(("here", "there"), launch_ranks=on_no_nodes)
    with pytest.raises(ShapeNeverFits, match=r"ranks_per_node=3.*launch command"):
        executor.start(*work(folder, 1, None, command("true"), RANKS))
    assert executor.count(Resources()) == 2


def test_nodes_that_take_one_launch_command_get_one(folder: Path) -> None:
    """As with aprun: an idle supervisor makes way, a busy one is waited for."""
    executor = make(("there",), packs=False)
    ranks = Resources(ranks_per_node=1, nodes=1, whole_node=True)
    executor.start(*work(folder, 1, None, command("echo AMBS-RESULT: 1")))
    (said,) = ended(executor, 1)
    assert isinstance(said, Outcome)
    before = supervisors()
    executor.start(*work(folder, 2, "where", resources=ranks))
    (said,) = ended(executor, 1)
    assert isinstance(said, Outcome)
    assert len(before) == len(supervisors()) == 1
    assert before != supervisors()
    executor.close()


def test_launch_commands_are_not_too_many(folder: Path) -> None:
    """Some sites refuse more than a thousand at a time."""
    executor = make(("a", "b"), most_at_once=1)
    assert executor.start(*work(folder, 1, "waits"))
    assert not executor.start(*work(folder, 2, "where"))
    executor.cancel([1], 0.0)
    ended(executor, 1)
    assert executor.start(*work(folder, 2, "where"))
    assert isinstance(ended(executor, 1)[0], Outcome)
    executor.close()


def test_probes_are_launch_commands_too(folder: Path) -> None:
    """Where one may run at a time, nothing starts elsewhere while a node is in doubt."""
    executor = make(("a", "b"), most_at_once=1)
    try:
        executor._losses._doubt("a")
        assert not executor.start(*work(folder, 1, None, ["true"]))
        wait_until(lambda: not (executor.poll(0.05) or executor._losses.probes))
        assert executor.start(*work(folder, 1, None, ["true"]))
    finally:
        executor.close()


def test_a_probe_that_the_system_does_not_start_ends_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node in doubt pauses; ranks that failed have failed."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    executor = make(("there", "further"))
    try:
        monkeypatch.setattr(node_health, "_start", refuse)
        executor._losses._doubt("there")
        assert executor._losses.probes == []
        (told,) = executor.troubles
        assert os.strerror(errno.EAGAIN) in told
        executor._pauses.note_lost("there")
        executor._packing.limit("there", None)
        assert executor.start(*work(folder, 1, None, command("exit 3"), RANKS))
        (outcome,) = ended(executor, 1)
        assert isinstance(outcome, Outcome)
        assert outcome.exit_status == 3
        assert executor.count(ONE_CORE) == 2
    finally:
        executor.close()


def test_a_probe_of_which_a_part_starts_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The launch commands of the other nodes end, and one that hangs in the kernel is not waited for."""
    monkeypatch.setattr(node_health, "DEATH_SECONDS", 0.1)
    begun = [Undying(), Undying()]
    left = list(begun)

    def start(*_: object) -> Undying:
        if not left:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return left.pop()

    monkeypatch.setattr(node_health, "_start", start)
    with pytest.raises(OSError, match="open files"):
        node_health.Probe(launch_on, ["n1", "n2", "n3"])
    assert all(one.is_killed for one in begun)
    assert not process_tree.waited_for & {Undying.pid}


class Undying:
    """A process in a system call that does not return."""

    pid, is_killed = 2**22 + 5, False

    def poll(self) -> None:
        return None

    def kill(self) -> None:
        self.is_killed = True

    def wait(self, timeout: float) -> None:
        raise subprocess.TimeoutExpired("srun", timeout)


def supervisors() -> set[int]:
    """Living supervisors that this process started; tests before this one may have left other children."""
    program = b"-m\0ambs_hpc.launcher.supervisor\0"
    return {
        pid
        for pid in process_tree.children()
        if process_tree.state_of(pid) not in "ZX" and program in Path(f"/proc/{pid}/cmdline").read_bytes()
    }


def test_a_node_on_which_everything_fails_does_not_eat_the_queue(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbour shows that the program is well; it gets one evaluation now and then, and is told."""
    monkeypatch.setattr(node_pauses, "BLACK_HOLE_SECONDS", 0.2)
    text = f'[ "$PRETENDED_NODE" != bad ] || [ -e {folder}/mended ] || {{ echo no GPU >&2; exit 1; }}'
    command = ["sh", "-c", f"{text}; sleep 0.05; echo AMBS-RESULT: 1"]
    executor, numbers = make(("good", "bad")), itertools.count(1)
    said: list[Outcome] = []

    def run_one_more() -> bool:
        while executor.count(ONE_CORE):
            assert executor.start(*work(folder, next(numbers), None, command))
        said.extend(one for one in executor.poll(0.05) if isinstance(one, Outcome))
        return bool(executor.troubles)

    wait_until(run_one_more, 20)
    (told,) = executor.troubles
    assert told.startswith("node bad: 8 evaluations in a row failed within 5 s")
    assert "(no GPU)" in told
    assert sum(one.failure is not None for one in said) == 8
    (folder / "mended").touch()
    wait_until(lambda: not run_one_more(), 20)
    wait_until(lambda: not run_one_more() and {one.node for one in said[-4:]} == {"good", "bad"}, 20)
    assert sum(one.failure is not None for one in said) == 8
    executor.close()


def test_launch_commands_may_say_what_they_like(folder: Path) -> None:
    """Tools of a site print to the output of every program, before it and after it."""
    noisy = 'echo XALT tracking enabled; printf "loading... "; "$@"; echo Application 7 resources: utime ~0s'
    executor = make(("there",), launch_on=lambda _node: ("sh", "-c", noisy, "launch"))
    executor.start(*work(folder, 1, "where"))
    (said,) = ended(executor, 1)
    assert isinstance(said, Outcome)
    assert said.objective == 1.0
    executor.close()


def test_ranks_wait_for_neighbours_and_are_refused_where_none_are_left(folder: Path) -> None:
    """Free nodes that lie apart say nothing against the evaluation, as long as the one between only works."""

    def neighbours_only(shares: Sequence[Share], per_node: int, variables: Collection[str]) -> Sequence[str]:
        places = [int(share.node[1:]) for share in shares]
        if max(places) - min(places) >= len(places):
            raise NodesApart("only neighbours")
        return launch_ranks(shares, per_node, variables)

    executor = make(("n1", "n2", "n3"), launch_ranks=neighbours_only)
    prints = ["sh", "-c", "echo AMBS-RESULT: 1"]
    try:
        for number in (1, 2, 3):
            waits = f"until [ -e {folder}/go-{number} ]; do sleep 0.02; done; {prints[2]}"
            assert executor.start(*work(folder, number, None, ["sh", "-c", waits]))
        for number in (1, 3):
            (folder / f"go-{number}").touch()
        ended(executor, 2)
        ranks = work(folder, 4, None, prints, RANKS)
        assert not executor.start(*ranks)
        (folder / "go-2").touch()
        ended(executor, 1)
        assert executor.start(*ranks)
        ended(executor, 1)
        executor._packing.lose("n2")
        with pytest.raises(ShapeNeverFits, match="only neighbours"):
            executor.start(*work(folder, 5, None, prints, RANKS))
    finally:
        executor.close()
