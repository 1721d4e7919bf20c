"""A node is looked at before its first evaluation, and with trouble there others do the work."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.launcher.executors import node_health, node_log, node_pauses
from ambs_hpc.launcher.executors.node_log import CLOCK_FACT, NodeLog
from ambs_hpc.launcher.executors.node_probes import is_of_node_alone
from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.records import Claim, NewNodeEvent, Outcome, Resources
from ambs_hpc.states import NodeEventKind
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

CORE = min(os.sched_getaffinity(0))
MODULE = """
import time
time.sleep(0.2)
def value(configuration):
    return 1
def sleeps(configuration):
    time.sleep(600)
"""
PROBED, PROBE_FAILED, IMPORTED = (
    NodeEventKind.PROBED,
    NodeEventKind.PROBE_FAILED,
    NodeEventKind.IMPORTED,
)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """The scratch of a node, without room."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    subprocess.run(["dd", "if=/dev/zero", f"of={folder}/fill"], capture_output=True, check=False)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ProcessExecutor]]:
    """Makes executors whose nodes have the scratch folders that are named with them."""
    monkeypatch.setattr(node_log, "HOLD_SECONDS", 0.0)
    (tmp_path / "probed_module.py").write_text(MODULE)
    executors: list[ProcessExecutor] = []

    def make(log: NodeLog, scratch: dict[str, Path | None], cores: int = 1) -> ProcessExecutor:
        def launch_on(node: str) -> Sequence[str]:
            return ("env", f"PRETENDED_NODE={node}", *([f"TMPDIR={scratch[node]}"] if scratch[node] else []))

        nodes = tuple(Node(name, (CORE,) * cores) for name in scratch)
        node_pool = replace(NodePool(nodes, "CUDA_VISIBLE_DEVICES"), launch_on=launch_on)
        executors.append(ProcessExecutor(Packing(nodes), node_pool, 0.5, log))
        return executors[-1]

    yield make
    for one in executors:
        one.close()


def work(folder: Path, number: int, function: str | None = "value") -> Prepared:
    claim = Claim(number, 1, "c", number, 1, f"token.{number}", {}, Resources(), None)
    named = None if function is None else f"probed_module:{function}"
    arguments = ["echo", "AMBS-RESULT: 1"] if function is None else None
    return prepared(claim, arguments, named, str(folder), f"{folder}/runs/000/{number}-1", {})


def ended(executor: ProcessExecutor, number: int) -> list[Ended]:
    found: list[Ended] = []
    wait_until(lambda: found.extend(executor.poll(0.05)) or len(found) >= number, 20)
    return found


def events(log: NodeLog, kind: NodeEventKind) -> list[NewNodeEvent]:
    return [one for one in log.due() if one.kind is kind]


def test_a_node_with_a_full_scratch_gets_nothing(
    made: Callable[..., ProcessExecutor], full_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was sent there never began and runs elsewhere; the node is named, and tried again later."""
    monkeypatch.setattr(node_pauses, "UNFIT_SECONDS", 2.0)
    log = NodeLog(["bad", "good"])
    executor = made(log, {"bad": full_disk, "good": None}, 2)
    for number in (1, 2, 3, 4):
        assert executor.start(*work(tmp_path, number))
    said = ended(executor, 4)
    bounced = [one for one in said if isinstance(one, Interrupted)]
    assert len(bounced) == 2
    assert all(one.started is False for one in bounced)
    assert bounced[0].reason.startswith(f"bad is unfit: scratch {full_disk} cannot be written: No space left")
    assert {one.node for one in said if isinstance(one, Outcome)} == {"good"}
    assert executor.count(Resources()) == 2
    (trouble,) = executor.troubles
    assert trouble.startswith(f"node bad: scratch {full_disk} cannot be written")
    (failed,) = events(log, PROBE_FAILED)
    assert (failed.node, failed.is_failure) == ("bad", True)
    (well,) = events(log, PROBED)
    assert well.node == "good"
    assert set(well.facts) >= {"scratch", "scratch_free_gib", "runs", "seconds", CLOCK_FACT}
    (full_disk / "fill").unlink()
    wait_until(lambda: executor.poll(0.05) == [] and executor.count(Resources()) == 3)
    for number in (5, 6, 7):
        assert executor.start(*work(tmp_path, number))
    assert {one.node for one in ended(executor, 3) if isinstance(one, Outcome)} == {"good", "bad"}
    assert {one.node for one in events(log, PROBED)} == {"good", "bad"}
    assert executor.troubles == []
    assert executor.count(Resources()) == 4


def test_nodes_that_all_have_trouble_are_used(
    made: Callable[..., ProcessExecutor], full_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evaluations may never touch the scratch; nobody is accused."""
    monkeypatch.setattr(node_log, "HOLD_SECONDS", 60.0)
    log = NodeLog(["n1", "n2"])
    executor = made(log, {"n1": full_disk, "n2": full_disk})
    for number in (1, 2):
        assert executor.start(*work(tmp_path, number))
    assert all(isinstance(one, Interrupted) for one in ended(executor, 2))
    wait_until(lambda: executor.poll(0.05) == [] and executor.count(Resources()) == 2)
    for number in (3, 4):
        assert executor.start(*work(tmp_path, number))
    assert {one.node for one in ended(executor, 2) if isinstance(one, Outcome)} == {"n1", "n2"}
    told = [one for one in log.last(was_stopped=False) if one.kind is PROBE_FAILED]
    assert [one.is_failure for one in told] == [False, False]


def test_a_single_node_is_used_whatever_is_wrong(
    made: Callable[..., ProcessExecutor], full_disk: Path, tmp_path: Path
) -> None:
    """It is told, with what was measured; an import is timed where it happens anyway, once."""
    log = NodeLog(["n1"])
    executor = made(log, {"n1": full_disk})
    for number, function in ((1, None), (2, "value"), (3, "value")):
        assert executor.start(*work(tmp_path, number, function))
        (said,) = ended(executor, 1)
        assert isinstance(said, Outcome)
    assert [one.node for one in events(log, PROBE_FAILED)] == ["n1"]
    assert events(log, PROBED) == []
    wait_until(lambda: executor.poll(0.05) == [] and events(log, IMPORTED))
    (imported,) = events(log, IMPORTED)
    assert imported.facts["function"] == "probed_module:value"
    assert 0.2 <= imported.facts["import_seconds"] < 10.0


def test_a_lost_supervisor_counts_against_its_node(
    made: Callable[..., ProcessExecutor], tmp_path: Path
) -> None:
    """The third failure in a day has the node used no more, and what runs elsewhere goes on."""
    log = NodeLog(["n1", "n2", "n3"], failures={"n1": 2})
    executor = made(log, {"n1": None, "n2": None, "n3": None})
    assert executor.start(*work(tmp_path, 1, "sleeps"))
    wait_until(lambda: executor.poll(0.05) == [] and events(log, IMPORTED))
    node = events(log, PROBED)[0].node
    assert node == "n1"
    (supervisor,) = executor._supervisors.values()
    os.kill(supervisor.pid, 9)
    (said,) = ended(executor, 1)
    assert isinstance(said, Interrupted)
    wait_until(lambda: executor.poll(0.05) == [] and executor.count(Resources()) == 2)
    assert executor.troubles == ["n1 left out: 3 infrastructure failures in a day, see `ambs nodes n1`"]
    (lost,) = events(log, NodeEventKind.SUPERVISOR_LOST)
    assert (lost.node, lost.is_failure) == ("n1", True)


def test_only_the_first_look_at_a_folder_tells_whose_trouble_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that all found full, and that somebody has cleared since, is no node's own."""
    monkeypatch.setattr(node_health, "LOOK_SECONDS", 0.01)
    full = ["No space left on device"]
    said: list[str] = []

    def obstacle(*_: object, **__: object) -> str:
        words = "".join(full)
        said.append(words)
        return words

    monkeypatch.setattr(node_health, "obstacle_to_writing", obstacle)
    probe, facts = node_health.FolderProbe("/runs"), {"runs": "/runs", "runs_error": "full"}
    common = is_of_node_alone(facts)
    wait_until(lambda: len(said) >= 2)
    full.clear()
    wait_until(probe.is_writable)
    its_own = is_of_node_alone(facts)
    assert common is not None
    assert its_own is not None
    wait_until(its_own)
    assert not probe.was_writable()
    assert not common()
