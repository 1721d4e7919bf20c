"""The tables of campaigns with a fidelity: results at rungs, and checkpoints that were removed."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    UniqueConstraint,
)

from ambs_hpc.queue.schema.tables import Id, campaign, evaluation, metadata

LARGEST = "1.7976931348623157e308"  # as for objectives: no NaN, no infinity

# What evaluations reported when they reached a rung of their campaign's fidelity, and what followed. Ids rise
# within a campaign as the rows become visible: they are given under its lock. Programs remember values that
# they have read: no row is removed, and only what followed changes in it.
rung_result = Table(
    "rung_result",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("campaign_id", Id, ForeignKey(campaign.c.id), nullable=False),
    Column("evaluation_id", Id, ForeignKey(evaluation.c.id), nullable=False),
    Column("rung", BigInteger, nullable=False),  # its step
    Column("step", BigInteger, nullable=False),  # of the report: the first one at the rung or above it
    Column("attempt", Integer, nullable=False),
    Column("value", Double, nullable=False),  # the objective there, in the campaign's units
    Column("at", Double, nullable=False),
    Column("kept", Boolean, nullable=False),  # it ran on at once, and is not held there since
    Column("promoted_at", Double),
    Column("reason", Text, nullable=False),  # of what happened last
    UniqueConstraint("evaluation_id", "rung"),
    CheckConstraint("rung >= 0 AND step >= rung AND attempt >= 1", name="counts_from_zero"),
    CheckConstraint(f"value BETWEEN -{LARGEST} AND {LARGEST}", name="value_is_finite"),
    Index("ix_rung_result_campaign", "campaign_id", "id"),
)

# Checkpoints that were removed, one of an evaluation's attempt. `freed_at` is set once its files are gone.
removed_checkpoint = Table(
    "removed_checkpoint",
    metadata,
    Column("evaluation_id", Id, ForeignKey(evaluation.c.id), nullable=False, autoincrement=False),
    Column("attempt", Integer, nullable=False, autoincrement=False),  # the evaluation's latest by then
    Column("at", Double, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("freed_at", Double),
    PrimaryKeyConstraint("evaluation_id", "attempt"),
    CheckConstraint("attempt >= 1 AND bytes >= 0", name="counts_from_zero"),
)
