"""What other problems have taught, as it is kept with the campaigns that start warm from it."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from ambs_hpc.queue.schema.tables import evaluation, source, source_observation
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.queue.sql.stored_values import configuration_in, usable
from ambs_hpc.records import Observation, Source

PROPOSED_FROM_SOURCES = "source"  # the kind of a proposal, see `records.Proposal`


class SourceSummary(NamedTuple):
    """A source of a campaign and the number of its observations; `stored_at` in seconds since 1970 UTC."""

    name: str
    observations: int
    stored_at: float


def sources_of(connection: Connection, campaign_id: int) -> list[Source]:
    """The campaign's sources with all their observations, in the order in which they were added."""
    rows = connection.execute(
        select(source.c.id, source.c.name, source.c.direction)
        .where(source.c.campaign_id == campaign_id)
        .order_by(source.c.id)
    ).all()
    return [Source(row.name, row.direction, _observations(connection, row.id)) for row in rows]


def source_summaries(connection: Connection, campaign_id: int) -> list[SourceSummary]:
    """The campaign's sources in the order in which they were added."""
    column = source_observation.c
    statement = (
        select(source.c.name, func.count(column.ordinal), source.c.created_at)
        .join_from(source, source_observation, column.source_id == source.c.id, isouter=True)
        .where(source.c.campaign_id == campaign_id)
        .group_by(source.c.id, source.c.name, source.c.created_at)
        .order_by(source.c.id)
    )
    return [SourceSummary(*row) for row in connection.execute(statement)]


def proposed_from_sources(connection: Connection, campaign_id: int, newest: int) -> tuple[int, int]:
    """How many of the campaign's evaluations were proposed from its sources: of all, of the newest ones."""
    column = evaluation.c
    of_campaign = column.campaign_id == campaign_id
    from_sources = column.proposal_kind == PROPOSED_FROM_SOURCES
    all_of_them = select(func.count()).where(of_campaign, from_sources)
    kinds = select(column.proposal_kind).where(of_campaign).order_by(column.ordinal.desc()).limit(newest)
    recent = [kind == PROPOSED_FROM_SOURCES for kind in connection.execute(kinds).scalars()]
    return connection.execute(all_of_them).scalar_one(), sum(recent)


def _observations(connection: Connection, source_id: int) -> tuple[Observation, ...]:
    column = source_observation.c
    statement = (
        select(column.ordinal, column.configuration, column.objective)
        .where(column.source_id == source_id)
        .order_by(column.ordinal)
    )
    return tuple(usable(connection.execute(statement), partial(_observation, source_id)))


def _observation(source_id: int, row: DatabaseRow) -> Observation:
    which = f"{source_id}, {row.ordinal}"
    return Observation(configuration_in(row.configuration, which, "source_observation"), row.objective)
