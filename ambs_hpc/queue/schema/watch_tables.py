"""Tables beside the queue: with which sources and programs it ran, and what people have been told of it."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from ambs_hpc.queue.schema.tables import Id, campaign, launcher, metadata

# What was found of sources and programs; never changed. Thousands of launchers share one row.
provenance = Table(
    "provenance",
    metadata,
    Column("digest", Text, primary_key=True),  # of `facts`
    Column("facts", JSON, nullable=False),
    CheckConstraint("digest <> ''", name="digest"),
)

# Who found it: a launcher for a campaign, or the campaign's search.
provenance_use = Table(
    "provenance_use",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("campaign_id", Id, ForeignKey(campaign.c.id), nullable=False),
    Column("revision", Integer, nullable=False),  # of the campaign
    Column("launcher_id", Id, ForeignKey(launcher.c.id)),  # none for the search
    Column("digest", Text, ForeignKey(provenance.c.digest), nullable=False),
    Column("host", Text, nullable=False),
    Column("at", Double, nullable=False),
    CheckConstraint("revision >= 1", name="revision"),
    Index("ix_provenance_use_campaign", "campaign_id", "id"),
)

# What was told, and to whom: the row is there before the message is sent, so that no two send it.
notice = Table(
    "notice",
    metadata,
    Column("id", Id, Identity(), primary_key=True),
    Column("campaign_id", Id, ForeignKey(campaign.c.id), nullable=False),
    Column("audience", Text, nullable=False),  # the user whose file asks for it
    Column("key", Text, nullable=False),  # what happened, so that it is told once
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("sent_at", Double),
    Column("error", Text, nullable=False),  # why it could not be sent
    UniqueConstraint("campaign_id", "audience", "key"),
    CheckConstraint("audience <> '' AND key <> '' AND kind <> ''", name="names"),
)
