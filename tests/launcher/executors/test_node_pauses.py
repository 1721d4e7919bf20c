"""A node in trouble gets nothing, then one evaluation, then everything again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ambs_hpc.launcher.executors import node_health, node_pauses
from ambs_hpc.launcher.executors.black_hole import MOST_QUICK
from ambs_hpc.launcher.executors.node_pauses import NodePauses
from ambs_hpc.launcher.packing import Node, Packing, Slot
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.states import FailureKind
from tests.databases import wait_until

ONE_CORE = Resources()
NO_SPACE = os.strerror(errno.ENOSPC)


class Disk:
    """A disk that is full until it is not."""

    def __init__(self) -> None:
        self.trouble, self.looks = NO_SPACE, 0

    def obstacle(self, _folder: str, _size_bytes: int, *, is_synced: bool) -> str:
        assert is_synced
        self.looks += 1
        return self.trouble


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(node_health, "obstacle_to_writing", made.obstacle)
    monkeypatch.setattr(node_health, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(node_pauses, "LOOK_SECONDS", 0.01)
    return made


class Nodes:
    """Nodes of four cores, and what runs there."""

    def __init__(self, *names: str) -> None:
        self.packing = Packing([Node(name, (0, 1, 2, 3)) for name in names])
        self.pauses = NodePauses(self.packing)
        self.number = 0

    def start(self) -> tuple[int, Slot] | None:
        self.number += 1
        slot = self.packing.place(ONE_CORE, self.number)
        if slot is None:
            return None
        claim = Claim(self.number, 1, "c", self.number, 1, "t", {}, ONE_CORE, None)
        self.pauses.note_start(claim, slot)
        return self.number, slot

    def end(self, begun: tuple[int, Slot] | None, failure: FailureKind | None = None) -> None:
        assert begun is not None
        number, slot = begun
        objective = 1.0 if failure is None else None
        outcome = Outcome(
            number, 1, "t", 0.0, 1.0, slot.node, objective=objective, failure=failure, error="no"
        )
        self.pauses.note_outcome(slot, outcome)
        self.leave(begun)

    def leave(self, begun: tuple[int, Slot]) -> None:
        self.packing.free(begun[1])
        self.pauses.note_end(begun[0])

    def count(self) -> int:
        self.pauses.look()
        return self.packing.count(ONE_CORE)


def test_nothing_starts_until_there_is_room(disk: Disk) -> None:
    """The reason is told; then one evaluation tries, and all slots follow."""
    nodes = Nodes("n")
    begun = nodes.start()
    assert begun is not None
    nodes.pauses.note_unwritable(begun[1], "/runs/c", NO_SPACE)
    nodes.leave(begun)
    wait_until(lambda: nodes.count() == 0 and disk.looks > 2)
    assert nodes.packing.room() is None
    assert nodes.start() is None
    words = "runs folder /runs/c: No space left on device; nothing is started until there is room"
    assert nodes.pauses.troubles == [words]
    disk.trouble = ""
    wait_until(lambda: nodes.count() == 1)
    trial = nodes.start()
    assert nodes.start() is None
    assert nodes.pauses.troubles == [f"{words}; one evaluation tries it again"]
    nodes.end(trial)
    assert nodes.count() == 4
    assert nodes.pauses.troubles == []


def test_a_trial_need_not_end(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations may take hours: one that goes on for a while shows that its node is well."""
    monkeypatch.setattr(node_pauses, "TRIAL_SECONDS", 0.05)
    disk.trouble = ""
    nodes = Nodes("n")
    begun = nodes.start()
    assert begun is not None
    nodes.pauses.note_unwritable(begun[1], "/runs/c", NO_SPACE)
    wait_until(lambda: nodes.count() == 1)
    assert nodes.start() is not None
    wait_until(lambda: nodes.count() == 2)


def test_a_node_that_alone_cannot_write_is_tried_less_and_less(disk: Disk) -> None:
    """Its mount is stale: this one can write, and each try costs an attempt."""
    nodes = Nodes("n", "m")
    disk.trouble = ""
    stale = os.strerror(errno.ESTALE)
    first, second = nodes.start(), nodes.start()
    assert first is not None
    assert second is not None
    assert first[1].node == second[1].node == "n"
    nodes.pauses.note_unwritable(first[1], "/runs/c", stale)
    nodes.leave(first)
    assert nodes.pauses.troubles == [
        f"node n: runs folder /runs/c: {stale}; nothing is started until it can be written"
    ]
    wait_until(lambda: nodes.count() == 5)  # four of the other node's, one of its own
    nodes.pauses.note_unwritable(second[1], "/runs/c", stale)
    nodes.pauses.note_unwritable(second[1], "/runs/c", stale)  # while it pauses: counted once
    assert nodes.count() == 4
    wait_until(lambda: nodes.count() == 5)


def test_a_black_hole_gets_one_evaluation_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until one does not fail at once."""
    monkeypatch.setattr(node_pauses, "BLACK_HOLE_SECONDS", 0.1)
    nodes = Nodes("n", "m")
    on_n = [nodes.start() for _ in range(4)]
    nodes.end(nodes.start())  # on the other one
    for begun in on_n:
        nodes.end(begun, FailureKind.ERROR)
    for _ in range(MOST_QUICK - 4):
        nodes.end(nodes.start(), FailureKind.ERROR)
    assert nodes.count() == 4
    (told,) = nodes.pauses.troubles
    assert told.startswith("node n: 8 evaluations in a row failed within 5 s")
    full = [nodes.start() for _ in range(4)]
    wait_until(lambda: nodes.count() == 1)
    nodes.end(nodes.start(), FailureKind.ERROR)
    assert nodes.count() == 0
    wait_until(lambda: nodes.count() == 1)
    nodes.end(nodes.start())
    assert nodes.count() == 4
    for begun in full:
        nodes.end(begun)
    assert nodes.pauses.troubles == []


def test_a_lost_node_is_no_trouble_any_more(disk: Disk) -> None:
    """It is told as lost."""
    nodes = Nodes("n", "m")
    begun = nodes.start()
    assert begun is not None
    nodes.pauses.note_unwritable(begun[1], "/runs/c", NO_SPACE)
    nodes.packing.lose("n")
    nodes.pauses.note_lost("n")
    assert nodes.pauses.troubles == []
    nodes.leave(begun)
    nodes.pauses.note_unwritable(begun[1], "/runs/c", NO_SPACE)
    assert nodes.pauses.troubles == []


def test_a_folder_that_can_be_written_is_found_so(tmp_path: Path) -> None:
    """By making and writing a file, of which nothing stays; one that is gone will be made again."""
    for folder in (tmp_path, tmp_path / "gone"):
        probe = node_health.FolderProbe(str(folder))
        wait_until(probe.is_writable)
    assert list(tmp_path.iterdir()) == []


class Clock:
    """The monotonic clock of the pauses."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(node_pauses, "time", made)
    return made


def refused(nodes: Nodes, clock: Clock, *names: str, every: float, times: int) -> None:
    """Others have these nodes whenever they are tried, which takes so many seconds each time."""
    for _ in range(times):
        for name in names:
            nodes.pauses.note_taken(name, "launcher 1")
        clock.now += every
        nodes.pauses.look()


def test_nodes_that_others_have_for_long_are_given_up(clock: Clock) -> None:
    """Also where a supervisor takes long to find that out, and runs as a trial meanwhile."""
    nodes = Nodes("n1", "n2")
    refused(nodes, clock, "n1", "n2", every=20.0, times=3)
    clock.now += 40.0
    nodes.pauses.look()
    assert nodes.packing.nodes
    for _ in range(2):
        begun = nodes.start()
        clock.now += 15.0
        nodes.pauses.look()  # the trial has run for so long that the node counts as well
        assert begun is not None
        refused(nodes, clock, "n1", "n2", every=60.0, times=1)
        nodes.leave(begun)
    assert not list(nodes.packing.nodes)
    (told,) = nodes.pauses.troubles
    assert told == "node n1, n2: launchers of other allocations have it"


def test_a_launcher_with_nothing_to_try_keeps_its_nodes(clock: Clock) -> None:
    """One refusal and then no evaluation for hours says nothing of the node, nor does one refusal more."""
    nodes = Nodes("n1")
    refused(nodes, clock, "n1", every=7200.0, times=3)
    assert list(nodes.packing.nodes) == ["n1"]


def test_a_node_that_was_ours_meanwhile_is_kept(clock: Clock) -> None:
    """Of two nodes one may be taken for as long as others like."""
    nodes = Nodes("n1", "n2")
    for _ in range(5):
        refused(nodes, clock, "n1", "n2", every=20.0, times=4)
        nodes.pauses.note_ours("n2")
    assert list(nodes.packing.nodes) == ["n1", "n2"]


def test_a_node_that_others_have_is_tried_less_and_less(clock: Clock) -> None:
    """Up to a minute; supervisors that were started together count as one try; and anew once it was ours."""
    nodes = Nodes("n1")

    def pauses_for() -> float:
        for _ in range(3):
            nodes.pauses.note_taken("n1", "launcher 1")
        begun = clock.now
        while not nodes.count():
            clock.now += 1.0
        return clock.now - begun

    assert [pauses_for() for _ in range(5)] == [5.0, 10.0, 20.0, 40.0, 60.0]
    nodes.pauses.note_ours("n1")
    assert pauses_for() == 5.0
