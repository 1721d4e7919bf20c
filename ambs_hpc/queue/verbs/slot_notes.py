"""What launchers store so that their node-hours can be accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from ambs_hpc.queue.schema.account_tables import launcher_idleness, launcher_node
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import text_value
from ambs_hpc.states import IdleReason


@dataclass(frozen=True, slots=True)
class NodeCapacity:
    """What a node has to give.

    Args:
        memory_gib: None where memory is not counted.
        most: evaluations at once, where a person limits them: on average over the launcher's nodes.
    """

    node: str
    cores: int
    gpus: int = 0
    memory_gib: float | None = None
    most: float | None = None


def note_capacity(connection: Connection, launcher_id: int, nodes: Sequence[NodeCapacity]) -> None:
    """Store the nodes of a launcher, unless they are stored already."""
    known = select(launcher_node.c.node).where(launcher_node.c.launcher_id == launcher_id)
    stored = set(connection.execute(known).scalars())
    new = {
        name: {
            "launcher_id": launcher_id,
            "node": name,
            "cores": one.cores,
            "gpus": one.gpus,
            "memory_gib": one.memory_gib,
            "most": one.most,
        }
        for one in nodes
        if (name := text_value(one.node)) not in stored
    }
    if new:
        connection.execute(insert(launcher_node), list(new.values()))


def note_idleness(connection: Connection, launcher_id: int, reason: IdleReason) -> None:
    """Store that from now on slots of a launcher are idle for this reason."""
    values = {"launcher_id": launcher_id, "at": now(connection), "reason": reason.value}
    connection.execute(insert(launcher_idleness).values(**values))
