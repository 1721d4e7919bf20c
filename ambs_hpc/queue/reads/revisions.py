"""The revisions of a campaign, and which of them is the newest."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, or_, select

from ambs_hpc.errors import RowUnusable
from ambs_hpc.queue.schema.tables import campaign, campaign_revision, evaluation
from ambs_hpc.queue.sql.row_mapping import DatabaseRow, json_value
from ambs_hpc.queue.sql.stored_values import (
    UNUSABLE,
    check_problem,
    configuration_or_none,
    object_in,
    usable,
    word_in,
)
from ambs_hpc.records import Campaign, CampaignRevision, Configuration, NewCampaign, RevisedField
from ambs_hpc.states import State


class CampaignVersion(NamedTuple):
    """Which campaign an id means, and the number of its newest revision."""

    uid: str
    revision: int


def campaign_version(connection: Connection, campaign_id: int) -> CampaignVersion | None:
    """The campaign's identity and newest revision; None when there is none of this id."""
    row = connection.execute(_VERSION, {"campaign": campaign_id}).one_or_none()
    return None if row is None else CampaignVersion(row.uid, row.revision)


_VERSION = select(campaign.c.uid, campaign.c.revision).where(campaign.c.id == bindparam("campaign"))


def revisions_of(connection: Connection, campaign_id: int) -> list[CampaignRevision]:
    """All revisions of a campaign, the first one, which it was made as, at the beginning."""
    rows = connection.execute(_REVISIONS, {"campaign": campaign_id}).all()
    return usable(rows, _revision)


def revision_under(connection: Connection, found: Campaign, number: int) -> CampaignRevision:
    """One revision of a campaign; where it cannot be read that is told, and it has the newest definition."""
    where = campaign_revision.c.number == number
    rows = connection.execute(_REVISIONS.where(where), {"campaign": found.id}).all()
    unknown = CampaignRevision(number, found.created_at, "", [], {}, found.definition)
    return next(iter(usable(rows, _revision)), unknown)


def last_revision(connection: Connection, campaign_id: int) -> CampaignRevision | None:
    """The newest revision of a campaign; None when there is no such campaign."""
    newest = _REVISIONS.order_by(None).order_by(campaign_revision.c.number.desc()).limit(1)
    row = connection.execute(newest, {"campaign": campaign_id}).one_or_none()
    return None if row is None else next(iter(usable([row], _revision)), None)


_REVISIONS = (
    select(campaign_revision, campaign.c.name, campaign.c.uid)
    .join(campaign, campaign.c.id == campaign_revision.c.campaign_id)
    .where(campaign_revision.c.campaign_id == bindparam("campaign"))
    .order_by(campaign_revision.c.number)
)


NOTHING_SEEN = (0, -1)  # an empty range of ordinals


class StoredConfiguration(NamedTuple):
    """An evaluation's configuration, with what a revision of the space has to know."""

    id: int
    ordinal: int
    state: State
    configuration: Configuration
    next_configuration: Configuration | None


def configurations_of(
    connection: Connection, campaign_id: int, seen: tuple[int, int] = NOTHING_SEEN
) -> list[StoredConfiguration]:
    """The configurations of a campaign in ordinal order, what people gave among them (ordinals below 0).

    Args:
        seen: the lowest and the highest ordinal of those that are left out; new ones are below and above.
    """
    column = evaluation.c
    lowest, highest = seen
    statement = (
        select(column.id, column.ordinal, column.state, column.configuration, column.next_configuration)
        .where(column.campaign_id == campaign_id, or_(column.ordinal < lowest, column.ordinal > highest))
        .order_by(column.ordinal)
    )
    return usable(connection.execute(statement), _stored_configuration)


def _stored_configuration(row: DatabaseRow) -> StoredConfiguration:
    following = row.next_configuration
    if following is not None and following != UNUSABLE:
        following = configuration_or_none(following, row.id)
    return StoredConfiguration(
        row.id,
        row.ordinal,
        word_in(State, row.state, "evaluation", row.id, "state"),
        configuration_or_none(row.configuration, row.id),
        following,
    )


def definition_values(definition: NewCampaign) -> dict[str, Any]:
    """What of a campaign may change, as the columns of its row and as the JSON of a revision."""
    return {
        "problem": json_value(definition.problem),
        "objective": json_value(definition.objective),
        "direction": definition.direction,
        "directory": definition.directory,
        "run_directory": definition.run_directory,
        "method": definition.method,
        "method_options": json_value(definition.method_options),
        "seed": definition.seed,
        "max_evaluations": definition.max_evaluations,
        "max_failures": definition.max_failures,
        "max_interruptions": definition.max_interruptions,
        "priority": definition.priority,
    }


def _revision(row: DatabaseRow) -> CampaignRevision:
    which = f"{row.campaign_id}, {row.number}"
    try:
        changes = [RevisedField(**one) for one in row.changes]
    except TypeError as error:
        accepted = f"a JSON list of fields that changed ({error})"
        raise RowUnusable("campaign_revision", which, "changes", row.changes, accepted) from error
    try:
        definition = NewCampaign(name=row.name, uid=row.uid, **row.definition)
    except TypeError as error:
        accepted = f"the fields of a campaign ({error})"
        raise RowUnusable("campaign_revision", which, "definition", row.definition, accepted) from error
    check_problem(row.campaign_id, definition.problem, definition.direction)
    effects = object_in(row.effects, "campaign_revision", which, "effects")
    return CampaignRevision(row.number, row.at, row.who, changes, effects, definition)
