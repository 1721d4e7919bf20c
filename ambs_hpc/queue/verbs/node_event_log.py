"""What happened on nodes is stored, and forgiven; none of it is ever changed, and no trouble removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, select

from ambs_hpc.queue.reads.node_verdicts import WELL, WELL_SECONDS
from ambs_hpc.queue.schema.tables import node_event
from ambs_hpc.queue.sql.bulk import insert_rows
from ambs_hpc.queue.sql.clock import read_now
from ambs_hpc.queue.sql.row_mapping import error_value, json_value, text_value
from ambs_hpc.records import NewNodeEvent
from ambs_hpc.states import NodeEventKind

if TYPE_CHECKING:
    from sqlalchemy import Connection


def record_node_events(
    connection: Connection, site: str, launcher_id: int | None, events: Sequence[NewNodeEvent]
) -> None:
    """Append the events, by one statement.

    What is older than WELL_SECONDS and tells only that one of the same nodes was well is removed: every
    launcher says it of every node.

    Args:
        site: whose nodes they are; "" outside of allocations.
        launcher_id: who saw them; None for a person.
    """
    present = read_now(connection) if events else 0.0
    rows = [
        {
            "at": present - one.age_seconds,
            "site": site,
            "node": text_value(one.node),
            "kind": one.kind.value,
            "is_failure": one.is_failure,
            "detail": error_value(one.detail),
            "facts": json_value(one.facts),
            "uid": one.uid,
            "launcher_id": launcher_id,
        }
        for one in events
    ]
    insert_rows(connection, node_event, rows, stamp="stored_at")
    if well := sorted({str(row["node"]) for row in rows if row["kind"] in WELL}):
        _forget_the_well(connection, site, well, present - WELL_SECONDS)


def _forget_the_well(connection: Connection, site: str, nodes: Sequence[str], before: float) -> None:
    event = node_event.c
    is_theirs = and_(event.site == site, event.node.in_(nodes))
    is_well = and_(event.kind.in_(WELL), event.is_failure.is_(False))
    connection.execute(delete(node_event).where(event.at < before, is_theirs, is_well))


def forgive_node(connection: Connection, node: str, who: str) -> list[str]:
    """Failures of the node up to now count no more; the sites that have a node of that name.

    Args:
        who: forgives it, in words.
    """
    known = select(node_event.c.site).where(node_event.c.node == node).distinct()
    sites = sorted(connection.execute(known).scalars())
    for site in sites:
        record_node_events(
            connection, site, None, [NewNodeEvent(node, NodeEventKind.FORGIVEN, detail=f"by {who}")]
        )
    return sites
