"""What a launcher stores so that its node-hours can be accounted for: its nodes, and why slots are idle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ambs_hpc.launcher.packing import UNLIMITED_GIB, Node
from ambs_hpc.queue import NodeCapacity, note_capacity, note_idleness
from ambs_hpc.states import IdleReason

if TYPE_CHECKING:
    from sqlalchemy import Connection


class SlotRecord:
    """Tells the database its nodes once, and the reason for idle slots when it changes.

    `store` writes in a transaction of the caller, who calls `note_stored` when that has been committed.
    """

    def __init__(self, nodes: Sequence[Node] = (), slots: int | None = None) -> None:
        """`slots`: evaluations at once, at most, on all nodes together; None leaves it to the resources."""
        most = None if slots is None or not nodes else slots / len(nodes)
        self._nodes = [
            NodeCapacity(
                one.name,
                max(1, len(one.cores)),
                len(one.gpus),
                None if one.memory_gib == UNLIMITED_GIB else one.memory_gib,
                most,
            )
            for one in nodes
        ]
        self._has_told_nodes = False
        self._told: IdleReason | None = None
        self._sent: IdleReason | None = None

    def store(self, connection: Connection, launcher_id: int, reason: IdleReason) -> None:
        """Write what the database does not know yet."""
        if not self._has_told_nodes:
            note_capacity(connection, launcher_id, self._nodes)
        if reason is not self._told:
            note_idleness(connection, launcher_id, reason)
        self._sent = reason

    def note_stored(self) -> None:
        """What was written last has been committed."""
        if self._sent is not None:
            self._has_told_nodes, self._told = True, self._sent

    def note_older_database(self) -> None:
        """The database has forgotten all of it."""
        self._has_told_nodes, self._told, self._sent = False, None, None
