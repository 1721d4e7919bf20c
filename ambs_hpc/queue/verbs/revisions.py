"""Campaigns change while they live: each change is a dated revision, and waiting evaluations follow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from sqlalchemy import Connection, case, func, insert, null, select, update

from ambs_hpc.errors import CampaignConflict
from ambs_hpc.queue.reads.campaigns import get_campaign
from ambs_hpc.queue.reads.revisions import definition_values, last_revision, revisions_of
from ambs_hpc.queue.schema.tables import campaign, campaign_revision, evaluation, is_outside, is_ready
from ambs_hpc.queue.sql.bulk import update_rows
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.notify import NotifyChannel, notify
from ambs_hpc.queue.sql.row_mapping import json_value, text_value
from ambs_hpc.queue.verbs.counters import CounterChanges
from ambs_hpc.records import Campaign, Configuration, NewCampaign, RevisedField

OUTSIDE_OF_SPACE: Configuration = {}  # what `is_outside` finds


@dataclass(frozen=True, slots=True)
class NewRevision:
    """A change that is to be stored.

    Args:
        before: the campaign as it was read; it is changed only if it is still so.
        after: all of it afterwards; name, objective's identity and direction are the same.
        who: user@host.
        changes: the differences.
    """

    before: Campaign
    after: NewCampaign
    who: str
    changes: Sequence[RevisedField]


def lock_for_revision(connection: Connection, new: NewRevision) -> None:
    """Nothing of the campaign is enqueued, ended or revised by others until the end of the transaction.

    Raises:
        CampaignConflict: somebody has revised it since it was read.
    """
    found = new.before
    CounterChanges.of_campaign(connection, found.id)
    stored = get_campaign(connection, found.id)
    if stored.revision != found.revision or stored.definition.uid != found.definition.uid:
        last = last_revision(connection, found.id)
        told = f" by {last.who}: {last.words}" if last is not None and last.who else ""
        raise CampaignConflict(
            f"Campaign {found.name!r} was changed a moment ago{told} (revision {stored.revision}). "
            "Look at it with `ambs space`, then give your command again."
        )


def store_revision(connection: Connection, new: NewRevision, effects: Mapping[str, int]) -> Campaign:
    """The campaign is what the revision says, after `lock_for_revision` in the same transaction."""
    found, values = new.before, definition_values(new.after)
    number = found.revision + 1
    connection.execute(update(campaign).where(campaign.c.id == found.id).values(**values, revision=number))
    add_revision(connection, found.id, number, new, effects)
    notify(connection, NotifyChannel.FINISHED)  # a search that waits reads it at once
    notify(connection, NotifyChannel.READY)
    return get_campaign(connection, found.id)


def add_revision(
    connection: Connection, campaign_id: int, number: int, new: NewRevision, effects: Mapping[str, int]
) -> None:
    """Append a row of `campaign_revision` with the present time."""
    connection.execute(
        insert(campaign_revision).values(
            campaign_id=campaign_id,
            number=number,
            at=now(connection),
            who=text_value(new.who),
            changes=[json_value(asdict(one)) for one in new.changes],
            effects=dict(effects),
            definition=definition_values(new.after),
        )
    )


def revise_waiting(connection: Connection, configurations: Mapping[int, Configuration | None]) -> None:
    """Evaluations get these configurations, by their ids, when they are READY the next time.

    None clears; one with OUTSIDE_OF_SPACE keeps its configuration, and is not retried when it fails.
    """
    rows = [{"id": one, "next_configuration": value} for one, value in configurations.items()]
    update_rows(connection, evaluation, (("id", "id"),), rows)


def renew_waiting(connection: Connection, campaign_ids: Iterable[int]) -> int:
    """READY evaluations have the limits, the shape and the parameters of their campaigns' newest revisions.

    Returns:
        How many were of an older revision.
    """
    return sum(_renew(connection, get_campaign(connection, one)) for one in sorted(set(campaign_ids)))


def _renew(connection: Connection, now_is: Campaign) -> int:
    old = evaluation.c.revision
    mine = (is_ready, evaluation.c.campaign_id == now_is.id, old < now_is.revision)
    older = connection.execute(select(old).where(*mine).distinct()).scalars().all()
    if not older:
        return 0
    before = {one.number: one.definition for one in revisions_of(connection, now_is.id)}
    count = 0
    for number in older:
        statement = update(evaluation).where(*mine, old == number)
        raised = now_is.definition.priority - before[number].priority
        changed = connection.execute(statement.values(_renewed(now_is, raised)))
        count += int(changed.rowcount)
    notify(connection, NotifyChannel.READY)
    return count


def _renewed(now_is: Campaign, raised: int) -> dict[str, Any]:
    """Columns of a waiting evaluation; a priority of its own stays as far above the campaign's as it was."""
    problem = now_is.definition.problem
    shape = cast("Mapping[str, Any]", problem.get("resources") or {})
    return {
        "revision": now_is.revision,
        "priority": evaluation.c.priority + raised,
        "configuration": case(
            (is_outside, evaluation.c.configuration),
            else_=func.coalesce(evaluation.c.next_configuration, evaluation.c.configuration),
        ),
        "next_configuration": case((is_outside, evaluation.c.next_configuration), else_=null()),
        **shape,
        **({"time_limit_seconds": problem["time_limit_seconds"]} if "time_limit_seconds" in problem else {}),
    }
