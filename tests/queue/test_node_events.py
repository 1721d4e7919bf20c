"""What happened on nodes is remembered between allocations, and decides which nodes are left out."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, update

from ambs_hpc.queue import (
    forgive_node,
    is_left_out,
    node_events,
    node_verdicts,
    note_submitted,
    prepare_allocation,
    reading,
    record_node_events,
    site_of_allocation,
    transaction,
)
from ambs_hpc.queue.schema.tables import node_event
from ambs_hpc.records import NewNodeEvent
from ambs_hpc.states import NodeEventKind
from tests.queue import stock


def failure(node: str, kind: NodeEventKind = NodeEventKind.NODE_LOST) -> NewNodeEvent:
    return NewNodeEvent(node, kind, is_failure=True, detail="gone")


def well(*nodes: str) -> list[NewNodeEvent]:
    return [NewNodeEvent(node, NodeEventKind.PROBED, facts={"gpus": 4}) for node in nodes]


def left_out(connection: Connection, site: str | None = None) -> list[str]:
    return [one.node for one in node_verdicts(connection, site) if one.is_left_out]


def test_three_failures_in_a_day_leave_a_node_out(any_engine: Engine) -> None:
    """Not two, not those of yesterday, not those of another site's node of the same name."""
    with transaction(any_engine) as connection:
        record_node_events(connection, "polaris", None, [*well("n1", "n2", "n3", "n4"), failure("n1")])
        record_node_events(connection, "sophia", None, well("n1", "n2"))
        record_node_events(connection, "polaris", None, [failure("n1")])
        assert left_out(connection) == []
        record_node_events(connection, "polaris", None, [failure("n1", NodeEventKind.PROBE_FAILED)])
        assert left_out(connection) == left_out(connection, "polaris") == ["n1"]
        assert left_out(connection, "sophia") == []
        connection.execute(update(node_event).values(at=node_event.c.at - 86400))
        assert node_verdicts(connection) == []
        record_node_events(connection, "polaris", None, [failure("n1"), failure("n1"), *well("n2")])
        assert left_out(connection) == []


def test_a_forgiven_node_starts_anew(any_engine: Engine) -> None:
    """What happened stays listed; later failures count again."""
    with transaction(any_engine) as connection:
        record_node_events(connection, "s", None, [*well("n2"), *[failure("n1")] * 2, failure("n1")])
        record_node_events(connection, "s", None, [failure("n1")])
        # A list with one value twice stands for an answer that was lost: its uid counts once.
        assert {one.node: one.failures for one in node_verdicts(connection)} == {"n1": 3, "n2": 0}
        assert left_out(connection) == ["n1"]
        assert forgive_node(connection, "n1", "me@login") == ["s"]
        assert forgive_node(connection, "other", "me@login") == []
        assert {one.node: one.failures for one in node_verdicts(connection)} == {"n1": 0, "n2": 0}
        told = node_events(connection, nodes=["n1"])
        assert [one.kind.value for one in told] == ["NODE_LOST"] * 3 + ["FORGIVEN"]
        assert told[-1].detail == "by me@login"
        record_node_events(connection, "s", None, [failure("n1"), failure("n1"), failure("n1")])
        assert left_out(connection) == ["n1"]


def test_old_news_of_well_nodes_are_removed(any_engine: Engine) -> None:
    """Each launcher tells them of each node; troubles, and what is told of others, stay."""
    with transaction(any_engine) as connection:
        imported = NewNodeEvent("n1", NodeEventKind.IMPORTED)
        trouble = NewNodeEvent("n1", NodeEventKind.CLOCK_OFF)
        record_node_events(connection, "s", None, [*well("n1", "n2"), imported, trouble, failure("n1")])
        record_node_events(connection, "t", None, well("n1"))
        forgive_node(connection, "n1", "me@login")
        connection.execute(update(node_event).values(at=node_event.c.at - 86400))
        record_node_events(connection, "s", None, well("n1"))
        connection.execute(update(node_event).values(at=node_event.c.at - 6 * 86400))
        record_node_events(connection, "s", None, [failure("n1")])
        assert len(node_events(connection)) == 10
        record_node_events(connection, "s", None, well("n1"))
        kept = [(one.site, one.node, one.kind.value) for one in node_events(connection)]
        assert kept == [
            ("s", "n2", "PROBED"),
            ("s", "n1", "CLOCK_OFF"),
            ("s", "n1", "NODE_LOST"),
            ("t", "n1", "PROBED"),
            ("s", "n1", "FORGIVEN"),
            ("t", "n1", "FORGIVEN"),
            ("s", "n1", "PROBED"),
            ("s", "n1", "NODE_LOST"),
            ("s", "n1", "PROBED"),
        ]
        assert {(one.site, one.node): one.failures for one in node_verdicts(connection)} == {("s", "n1"): 1}


@pytest.mark.parametrize(
    ("failures", "failing", "seen", "expected"),
    [(3, 1, 8, True), (3, 4, 8, True), (3, 5, 8, False), (2, 1, 8, False), (9, 1, 1, False), (3, 1, 2, True)],
)
def test_where_most_nodes_fail_none_is_to_blame(
    failures: int, failing: int, seen: int, expected: bool
) -> None:
    """A file system that all of them share is full, or the site file is wrong."""
    assert is_left_out(failures, failing, seen) is expected


def test_events_are_told_with_their_allocation(any_engine: Engine) -> None:
    """As the support of a site needs it."""
    with transaction(any_engine) as connection:
        number = prepare_allocation(connection, "polaris", "pbs", {"nodes": 2})
        note_submitted(connection, number, "123.pbs")
        launcher_id = stock.launcher(connection, allocation_id=number)
        site = site_of_allocation(connection, number)
        assert site == "polaris"
        lost = NewNodeEvent(
            "n1", NodeEventKind.NODE_LOST, is_failure=True, detail="no\0answer", age_seconds=30
        )
        record_node_events(connection, site, launcher_id, [*well("n1"), lost])
    with reading(any_engine) as connection:
        (told,) = node_events(connection, 3600.0, failures_only=True)
        everything = node_events(connection)
    assert (told.node, told.site, told.scheduler, told.allocation) == ("n1", "polaris", "pbs", "123.pbs")
    assert (told.kind, told.detail, told.is_failure) == (NodeEventKind.NODE_LOST, "no\ufffdanswer", True)
    assert everything[0].facts == {"gpus": 4}
    assert 29.0 < everything[0].at - told.at < 31.0
    assert node_events_of_nobody(any_engine) == []


def node_events_of_nobody(engine: Engine) -> list[object]:
    with reading(engine) as connection:
        return list(node_events(connection, nodes=["nobody"]))
