"""What counts against a node, what does not, and when a node is left out."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ambs_hpc.clock import SystemClock
from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.database_calls import CallsAtOnce
from ambs_hpc.launcher.exchange import ALLOCATION_OVER, ExchangeOrder, LauncherDatabase, Utilisation
from ambs_hpc.launcher.executors import node_log, node_probes
from ambs_hpc.launcher.executors.node_log import CLOCK_FACT, NodeLog, usable_nodes, with_clock
from ambs_hpc.launcher.executors.node_pauses import NodePauses
from ambs_hpc.launcher.executors.node_probes import NodeProbes, expected_gpus
from ambs_hpc.launcher.idle_reason import Moment
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.runtime_estimate import RunTimeBounds
from ambs_hpc.launcher.supervisor.messages import NodeProbed
from ambs_hpc.queue import (
    forgive_node,
    last_launcher,
    node_events,
    note_submitted,
    prepare_allocation,
    reading,
    record_node_events,
    register_launcher,
    transaction,
)
from ambs_hpc.records import NewLauncher, NewNodeEvent, Resources
from ambs_hpc.states import NodeEventKind
from tests.queue import stock

LOST, BLACK_HOLE, UNWRITABLE = (
    NodeEventKind.NODE_LOST,
    NodeEventKind.BLACK_HOLE,
    NodeEventKind.UNWRITABLE,
)
NAMES = ["n1", "n2", "n3", "n4"]


@pytest.fixture(autouse=True)
def _no_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_log, "HOLD_SECONDS", 0.0)


def counted(log: NodeLog) -> list[tuple[str, bool]]:
    return [(one.node, one.is_failure) for one in log.due()]


def test_the_third_failure_leaves_a_node_out_at_once() -> None:
    """Two of earlier allocations and one of this one; it is told once."""
    log = NodeLog(NAMES, failures={"n2": 2})
    assert log.newly_left_out() == []
    log.note_failure("n2", LOST, "gone")
    assert log.newly_left_out() == ["n2"]
    assert log.left_out_words == ["n2 left out: 3 infrastructure failures in a day, see `ambs nodes n2`"]
    log.note_failure("n2", BLACK_HOLE, "all fail")
    assert log.newly_left_out() == []


def test_the_same_trouble_again_is_one_incident(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that pauses again and again is not left out within a minute."""
    log = NodeLog(NAMES)
    for _ in range(5):
        log.note_failure("n1", UNWRITABLE, "full")
    assert counted(log) == [("n1", True)]
    monkeypatch.setattr(node_log, "INCIDENT_SECONDS", 0.0)
    log.note_failure("n1", UNWRITABLE, "full")
    assert counted(log) == [("n1", True)] * 2


def test_what_all_nodes_have_is_no_nodes_fault() -> None:
    """A cancelled allocation ends what runs on all of them; this machine cannot tell of itself."""
    log = NodeLog(NAMES, here="n1")
    for node in NAMES[1:]:
        log.note_failure(node, LOST, "gone")
    assert counted(log) == [("n2", False), ("n3", False), ("n4", False)]
    assert log.due()[0].detail == "gone (not this node's alone, so that it does not count)"


def test_what_this_node_cannot_write_either_is_no_nodes_fault() -> None:
    """The runs folder is full for all of them."""
    log = NodeLog(NAMES)
    log.note_failure("n1", UNWRITABLE, "full", is_of_node=lambda: False)
    log.note_failure("n2", UNWRITABLE, "stale", is_of_node=lambda: True)
    assert counted(log) == [("n1", False), ("n2", True)]


def test_what_is_lost_while_a_launcher_is_stopped_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler ends its steps before it ends the launcher."""
    monkeypatch.setattr(node_log, "HOLD_SECONDS", 60.0)
    for was_stopped in (True, False):
        log = NodeLog(NAMES)
        log.note_failure("n1", LOST, "gone")
        assert log.due() == []
        told = log.last(was_stopped=was_stopped)
        assert [one.is_failure for one in told] == [not was_stopped]
        assert ("shortly before the launcher was stopped" in told[0].detail) == was_stopped


def test_events_stay_until_they_are_stored(any_engine: Engine) -> None:
    """An answer that was lost has them sent again, and they count once."""
    log = NodeLog(NAMES, site="polaris")
    log.note("n1", NodeEventKind.PROBED, "", {CLOCK_FACT: 0.0})
    log.note_failure("n2", LOST, "gone")
    due = log.due()
    with transaction(any_engine) as connection:
        launcher_id = register_launcher(connection, NewLauncher("h", 1, 1, 1))
        log.store(connection, launcher_id, due)
        log.store(connection, launcher_id, log.due())
    log.forget(due)
    assert log.due() == []
    with reading(any_engine) as connection:
        probed, lost = node_events(connection)
    assert (probed.node, probed.site, probed.launcher_id) == ("n1", "polaris", launcher_id)
    assert abs(probed.facts[CLOCK_FACT]) < 5.0
    assert (lost.node, lost.kind, lost.is_failure) == ("n2", LOST, True)


def test_a_launcher_stores_them_with_its_heartbeats_and_at_its_end(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the database had forgotten it, or did not answer; what is held back is told at the end."""
    log = NodeLog(NAMES)
    clock = SystemClock()
    with transaction(any_engine) as connection:
        launcher_id = register_launcher(connection, NewLauncher("h", 1, 1, 1))
    database = LauncherDatabase(any_engine, launcher_id, Campaigns(None, clock), CallsAtOnce())
    database.node_log = log
    log.note("n1", NodeEventKind.PROBED)
    database.begin_exchange(ORDER).result()
    database.begin_exchange(ORDER).result()
    assert log.due() == []
    monkeypatch.setattr(node_log, "HOLD_SECONDS", 60.0)
    log.note_failure("n2", LOST, "gone")
    database.begin_exchange(ORDER).result()
    with reading(any_engine) as connection:
        assert [one.node for one in node_events(connection)] == ["n1"]
    database.say_end(Utilisation(None, 0.0, Moment(1.0, RunTimeBounds(), False, None, False, ()), "idle"))
    with reading(any_engine) as connection:
        assert [(one.node, one.is_failure) for one in node_events(connection)] == [
            ("n1", False),
            ("n2", True),
        ]


@pytest.mark.parametrize(
    ("ended", "is_failure"),
    [
        ("stopped", False),
        ("time limit", False),
        (f"{ALLOCATION_OVER}: slurm allocation 7 is ended by the scheduler (COMPLETING)", False),
        ("no node left", True),
    ],
)
def test_the_end_of_an_allocation_blames_no_node(any_engine: Engine, ended: str, *, is_failure: bool) -> None:
    """The scheduler ends its steps on the nodes before anybody here knows."""
    clock = SystemClock()
    with transaction(any_engine) as connection:
        launcher_id = register_launcher(connection, NewLauncher("h", 1, 1, 1))
    database = LauncherDatabase(any_engine, launcher_id, Campaigns(None, clock), CallsAtOnce())
    database.node_log = NodeLog(NAMES)
    database.node_log.note_failure("n2", LOST, "gone")
    database.say_end(Utilisation(None, 0.0, Moment(1.0, RunTimeBounds(), False, None, False, ()), ended))
    with reading(any_engine) as connection:
        assert [one.is_failure for one in node_events(connection)] == [is_failure]


def test_a_launcher_that_has_ended_waits_for_nothing(any_engine: Engine) -> None:
    """`ended (stopped); what waits does not fit beside what runs` stood in the status for days."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
        launcher_id = register_launcher(connection, NewLauncher("h", 1, 1, 1))
    database = LauncherDatabase(any_engine, launcher_id, Campaigns(None, SystemClock()), CallsAtOnce())
    moment = Moment(float("inf"), RunTimeBounds(), False, None, True, ("n2 is lost",))
    database.say_end(Utilisation(None, 0.0, moment, "stopped"))
    with reading(any_engine) as connection:
        last = last_launcher(connection)
    assert last is not None
    assert last.idle == "ended (stopped); n2 is lost"


ORDER = ExchangeOrder([], [], [], 0, None, None, False, 1.0, RunTimeBounds(), None)


def test_a_clock_that_is_off_is_told_and_counts_against_nobody() -> None:
    """Evaluations there are right, their times are not."""
    event = NewNodeEvent("n1", NodeEventKind.PROBED, facts={CLOCK_FACT: 5.0})
    (same,) = with_clock(event, -1.0)
    assert same.facts[CLOCK_FACT] == 4.0
    told, off = with_clock(event, -600.0)
    assert told.facts[CLOCK_FACT] == -595.0
    assert (off.kind, off.is_failure) == (NodeEventKind.CLOCK_OFF, False)
    assert off.detail == "its clock is 595 s behind the database's: times of evaluations there are wrong"


def test_an_allocation_is_used_without_the_nodes_that_are_left_out(any_engine: Engine) -> None:
    """Whoever asked for it; a forgiven node is used again."""
    with transaction(any_engine) as connection:
        number = prepare_allocation(connection, "polaris", "pbs", {})
        note_submitted(connection, number, "7.pbs")
        well = [NewNodeEvent(node, NodeEventKind.PROBED) for node in NAMES]
        failed = [NewNodeEvent("n3", LOST, is_failure=True) for _ in range(3)]
        record_node_events(connection, "polaris", None, [*well, *failed])
        record_node_events(connection, "", None, [*well, *failed])
    pool = NodePool(tuple(Node(name, (0,)) for name in NAMES), "CUDA_VISIBLE_DEVICES", allocation_id=number)
    left, log = usable_nodes(any_engine, pool)
    assert [one.name for one in left.nodes] == ["n1", "n2", "n4"]
    assert log.left_out_words == ["n3 left out: 3 infrastructure failures in a day, see `ambs nodes n3`"]
    assert log.site == "polaris"
    with transaction(any_engine) as connection:
        forgive_node(connection, "n3", "me")
    assert len(usable_nodes(any_engine, pool)[0].nodes) == 4
    by_hand = NodePool((Node("n3", (0,)),), "CUDA_VISIBLE_DEVICES")
    assert usable_nodes(any_engine, by_hand)[0] == by_hand


def probes_of(names: list[str]) -> tuple[NodeProbes, NodeLog]:
    packing = Packing([Node(name, (0,)) for name in names])
    log = NodeLog(names)
    return NodeProbes(packing, [Node(name, (0,)) for name in names], NodePauses(packing), log), log


def found(node: str, trouble: str = "", *, is_binding: bool = True) -> NodeProbed:
    return NodeProbed(node, is_binding, 0.0, trouble, {})


def test_trouble_binds_only_while_another_node_may_be_better() -> None:
    """A scratch that is full on all nodes must not end a campaign that never uses it."""
    probes, log = probes_of(["n1", "n2"])
    assert probes.are_binding
    assert probes.note(found("n1", "full"))
    assert probes.are_binding
    assert not probes.are_all_troubled
    assert probes.note(found("n2", "full"))
    assert probes.are_all_troubled
    assert not probes.are_binding
    assert not probes.note(found("n1", "full", is_binding=False))
    assert not probes.note(found("n2"))
    assert probes.are_binding
    assert [one.kind for one in log.due()].count(NodeEventKind.PROBE_FAILED) == 2
    single, _ = probes_of(["n1"])
    assert not single.are_binding


@pytest.mark.parametrize(
    ("names", "expected"),
    [((), 0), (("0", "1"), 2), (("0.0", "0.1", "1.0"), 2), (("MIG-a", "MIG-b"), 0), (("GPU-1", "0"), 0)],
)
def test_names_of_gpus_say_how_many_there_should_be(names: tuple[str, ...], expected: int) -> None:
    """Tiles are counted by their card; parts of a card have names that do not tell."""
    assert expected_gpus(names) == expected


def test_where_this_machine_has_fewer_gpus_the_description_is_doubted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not every other node: a campaign would have none left. It is told once, and counts against nobody."""
    monkeypatch.setattr(node_probes, "gpus", lambda: 2)
    four = [Node(name, (0,), ("0", "1", "2", "3")) for name in ("n1", "n2")]
    for here, expected in (("n1", 2), ("", 4)):
        packing, log = Packing(four), NodeLog(["n1", "n2"], here)
        probes = NodeProbes(packing, four, NodePauses(packing), log)
        assert [probes.expected(one.name) for one in four] == [expected, expected]
        words = "2 GPUs are there instead of 4, taken as what all have"
        assert [(one.node, one.detail, one.is_failure) for one in log.due()] == [("n1", words, False)][
            : bool(here)
        ]


def test_pauses_are_told_and_left_out_nodes_are_lost_to_the_packing() -> None:
    """Nothing more begins there, and evaluations of several nodes do not wait for it."""
    packing = Packing([Node(name, (0,)) for name in NAMES])
    log = NodeLog(NAMES, failures={"n4": 2})
    pauses = NodePauses(packing, log)
    pauses.note_unfit("n1", "2 GPUs are there instead of 4")
    assert pauses.troubles == ["node n1: 2 GPUs are there instead of 4"]
    assert packing.count(Resources()) == 3
    pauses.use_unfit()
    assert packing.count(Resources()) == 4
    log.note_failure("n4", LOST, "gone")
    pauses.look()
    assert packing.nodes == ["n1", "n2", "n3"]
    assert pauses.troubles == log.left_out_words
