"""Tables from which node-hours are accounted for: what nodes launchers have, and why slots are idle.

They belong to the metadata of `tables`; who needs that whole imports this module too.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from ambs_hpc.queue.schema.tables import Id, launcher, metadata

# What each node of a launcher has to give: how much of it an evaluation occupies follows from that.
launcher_node = Table(
    "launcher_node",
    metadata,
    Column("launcher_id", Id, ForeignKey(launcher.c.id), nullable=False, autoincrement=False),
    Column("node", Text, nullable=False),
    Column("cores", Integer, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("memory_gib", Double),  # none where memory is not counted
    Column("most", Double),  # evaluations at once, where a person limits them
    PrimaryKeyConstraint("launcher_id", "node"),
    CheckConstraint("cores >= 1 AND gpus >= 0 AND memory_gib > 0 AND most > 0", name="capacity"),
)

# Why slots of a launcher are idle from a time on, until its next row; `states.IdleReason`.
launcher_idleness = Table(
    "launcher_idleness",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("launcher_id", Id, ForeignKey(launcher.c.id), nullable=False),
    Column("at", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_launcher_idleness_launcher", "launcher_id", "id"),
)
