"""What people ask about: lists of evaluations, single ones, the best results, the failures, the pace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from ambs_hpc.errors import NotFound, UsageError, nearest
from ambs_hpc.queue.reads.campaigns import get_campaign
from ambs_hpc.queue.reads.revisions import revision_under
from ambs_hpc.queue.schema.tables import (
    allocation,
    campaign,
    evaluation,
    evaluation_event,
    is_failed,
    is_finished,
    is_from_here,
    is_running,
    launcher,
)
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.row_mapping import DatabaseRow, proposal_value, resources_value
from ambs_hpc.queue.sql.stored_values import configuration_in, number_in_row, object_in, usable, word_in
from ambs_hpc.records import Campaign, CampaignRevision, Configuration, Proposal, Resources
from ambs_hpc.states import FailureKind, Move, State

# The pace is measured over so many of the latest endings, or over more until they span so many times what an
# evaluation takes: what begins together ends together, as many at once as there are slots.
PACE_ENDINGS, MOST_PACE_ENDINGS, PACE_RUNS = 1000, 64_000, 4
REST_SECONDS, REST_RUNS = 600.0, 2  # without any run, and runs' lengths, after which a campaign rests


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """An evaluation as lists show it; times are seconds since 1970 UTC.

    `started_at` is that of the last attempt, or the time of its claim while it has not ended. `allocation` is
    the scheduler's id, None when the launcher was started by hand. `error` is that of the last failure.
    """

    id: int
    campaign_id: int
    campaign: str
    ordinal: int
    state: State
    failure_kind: FailureKind | None
    attempt: int
    objective: float | None
    configuration: Configuration
    metrics: Mapping[str, object]
    created_at: float
    started_at: float | None
    finished_at: float | None
    node: str
    allocation: str | None
    launcher_id: int | None
    error: str
    exit_status: int | None
    failures: int
    interruptions: int
    priority: int
    proposal_kind: str
    proposal_mean: float | None
    proposal_std: float | None
    proposal_acquisition: float | None

    @property
    def run_seconds(self) -> float | None:
        """How long the attempt ran that decided; None before that, and for what did not run here."""
        if self.started_at is None or self.finished_at is None or self.state is State.CANCELLED:
            return None
        return self.finished_at - self.started_at


@dataclass(frozen=True, slots=True)
class Event:
    """One move in an evaluation's history; `host` is the launcher's host."""

    at: float
    move: Move
    attempt: int
    launcher_id: int | None
    host: str | None
    allocation: str | None
    node: str | None
    failure_kind: FailureKind | None
    exit_status: int | None
    started_at: float | None
    finished_at: float | None
    detail: str | None
    revision: int | None  # of the campaign, for a claim


@dataclass(frozen=True, slots=True)
class EvaluationStory:
    """All that is known about one evaluation; `revision` is that under which it waits, runs or ran last."""

    row: EvaluationRow
    campaign: Campaign
    proposal: Proposal
    resources: Resources
    time_limit_seconds: float | None
    events: tuple[Event, ...]
    revision: CampaignRevision


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures that look alike: the same kind, and the same last line of the error apart from its numbers."""

    campaign: str
    kind: FailureKind
    signature: str
    number: int
    first_at: float
    last_at: float
    example_id: int


@dataclass(frozen=True, slots=True)
class Throughput:
    """The pace of the latest endings; `per_hour` is 0 before there is one.

    `seconds` is the time in which they ran and ended, without rests in which nothing ran, as between two
    allocations. Where all endings of the campaign are counted it begins
    with the first start: what has begun together ends together, and the seconds between these ends say
    nothing of the hour.
    """

    ended: int
    done: int
    failed: int
    seconds: float
    per_hour: float
    mean_run_seconds: float | None


def list_evaluations(
    connection: Connection,
    campaign_id: int | None = None,
    state: State | None = None,
    sort: str = "id",
    limit: int | None = 50,
) -> list[EvaluationRow]:
    """Evaluations, of all campaigns when `campaign_id` is None.

    Args:
        sort: one of `SORTS`; by objective the best come first and those without one last.
        limit: at most this many; None for all.

    Raises:
        UsageError: there is no such order.

    What cannot be used is told and left out, here and in the other lists.
    """
    if sort not in SORTS:
        raise UsageError(f"--sort {sort}: no such order. {nearest(sort, SORTS)}")
    statement = _rows().order_by(*SORTS[sort], evaluation.c.id).limit(limit)
    if campaign_id is not None:
        statement = statement.where(evaluation.c.campaign_id == campaign_id)
    if state is not None:
        # As text where few are in it: SQLite uses its index then, and does not read what has ended.
        is_rare = state is State.RUNNING
        statement = statement.where(is_running if is_rare else evaluation.c.state == state.value)
    return usable(connection.execute(statement), _row)


def first_proposal(connection: Connection, campaign_id: int) -> EvaluationRow | None:
    """What the campaign's search proposed first; None before that."""
    where = (evaluation.c.campaign_id == campaign_id, evaluation.c.ordinal == 0)
    row = connection.execute(_rows().where(*where)).one_or_none()
    return None if row is None else next(iter(usable([row], _row)), None)


# Lower is better, whatever the direction.
_RANK = case((campaign.c.direction == "minimize", evaluation.c.objective), else_=-evaluation.c.objective)

SORTS: dict[str, tuple[ColumnElement[Any], ...]] = {
    "id": (),
    "newest": (evaluation.c.id.desc(),),
    "objective": (_RANK.is_(None), _RANK),
    "finished": (evaluation.c.finished_at.is_(None), evaluation.c.finished_at.desc()),
    "duration": (
        evaluation.c.finished_at.is_(None),
        (evaluation.c.finished_at - evaluation.c.started_at).desc(),
    ),
}


def show_evaluation(connection: Connection, evaluation_id: int) -> EvaluationStory:
    """All that is known about one evaluation.

    Raises:
        NotFound: there is none of that id.
        RowUnusable: it cannot be read, or its campaign.
    """
    extra = [evaluation.c[name] for name in _ONLY_IN_STORY]
    is_meant = id_in(connection, evaluation.c.id, [evaluation_id])
    row = connection.execute(_rows().add_columns(*extra).where(is_meant)).one_or_none()
    if row is None:
        raise NotFound(f"There is no evaluation {evaluation_id}; `ambs list` shows those there are.")
    known = _row(row)
    found = get_campaign(connection, known.campaign_id)
    return EvaluationStory(
        known,
        found,
        proposal_value(row),
        resources_value(row),
        row.time_limit_seconds,
        tuple(_events(connection, evaluation_id)),
        revision_under(connection, found, row.revision),
    )


_ONLY_IN_STORY = [
    *("cores", "gpus", "memory_gib", "nodes", "ranks_per_node", "whole_node", "time_limit_seconds"),
    "revision",
]


def evaluation_rows(
    connection: Connection, *where: ColumnElement[bool], order: Sequence[Any] = (), limit: int | None = None
) -> list[EvaluationRow]:
    """Evaluations under these conditions, in this order."""
    return usable(connection.execute(_rows().where(*where).order_by(*order).limit(limit)), _row)


def result_note(connection: Connection, evaluation_id: int) -> str:
    """What was remarked about the result of an evaluation when it was stored; "" for nothing."""
    event = evaluation_event.c
    statement = (
        select(event.detail)
        .where(event.evaluation_id == evaluation_id, event.move == Move.COMPLETE.value)
        .order_by(event.id.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar() or ""


def failures(connection: Connection, campaign_id: int | None = None) -> list[FailureGroup]:
    """Failures in groups that look alike, the most frequent first; those of elsewhere are left out."""
    column = evaluation.c
    statement = (
        select(
            campaign.c.name,
            column.failure_kind,
            column.signature,
            func.count(),
            func.min(column.finished_at),
            func.max(column.finished_at),
            func.max(column.id),
        )
        .join(campaign, campaign.c.id == column.campaign_id)
        .where(is_failed, is_from_here)
        .group_by(campaign.c.name, column.failure_kind, column.signature)
        .order_by(func.count().desc(), func.max(column.id).desc())
    )
    if campaign_id is not None:
        statement = statement.where(column.campaign_id == campaign_id)
    return usable(connection.execute(statement), _failure_group)


def _failure_group(row: DatabaseRow) -> FailureGroup:
    name, kind, *rest = row
    return FailureGroup(name, word_in(FailureKind, kind, "evaluation", rest[-1], "failure_kind"), *rest)


def throughput(connection: Connection, campaign_id: int) -> Throughput:
    """The pace of the campaign's latest endings; it costs the same however many have ended."""
    limit = PACE_ENDINGS
    while True:
        rows = _last_endings(connection, campaign_id, limit)
        counted = [row for row in rows if row.state != State.CANCELLED.value]
        runs = [row.finished_at - row.started_at for row in counted if row.started_at is not None]
        mean = sum(runs) / len(runs) if runs else 0.0
        ends = [row.finished_at for row in counted]
        seconds = _served_seconds(rows, min(ends), max(ends), mean) if ends else 0.0
        if len(rows) < limit or seconds >= PACE_RUNS * mean or limit >= MOST_PACE_ENDINGS:
            break
        limit *= 4
    steps = len(counted) - 1
    if len(rows) < limit and runs:
        first = min(row.started_at for row in counted if row.started_at)
        steps, seconds = len(counted), _served_seconds(rows, first, max(ends), mean)
    done = sum(row.state == State.DONE.value for row in counted)
    return Throughput(
        ended=len(counted),
        done=done,
        failed=len(counted) - done,
        seconds=seconds,
        per_hour=3600.0 * steps / seconds if seconds > 0 else 0.0,
        mean_run_seconds=mean if runs else None,
    )


def _served_seconds(rows: Sequence[DatabaseRow], first: float, last: float, mean: float) -> float:
    """The time from first to last without rests: runs of a mean length may be far apart, but not so far."""
    rests, reached = 0.0, first
    for started, finished in sorted((row[1], row[2]) for row in rows if row.started_at is not None):
        idle = started - reached
        rests += idle if idle > max(REST_SECONDS, REST_RUNS * mean) else 0.0
        reached = max(reached, finished)
    return last - first - rests


def _last_endings(connection: Connection, campaign_id: int, limit: int) -> Sequence[DatabaseRow]:
    column = evaluation.c
    statement = (
        select(column.state, column.started_at, column.finished_at)
        .where(is_finished, is_from_here, column.campaign_id == campaign_id)
        .order_by(column.finish_sequence.desc())
        .limit(limit)
    )
    return connection.execute(statement).all()


def _rows() -> Select[Any]:
    """All columns of `EvaluationRow` in the order of its fields."""
    names = [one.name for one in fields(EvaluationRow)]
    columns = [_ELSEWHERE[name] if name in _ELSEWHERE else evaluation.c[name] for name in names]
    return (
        select(*columns)
        .join(campaign, campaign.c.id == evaluation.c.campaign_id)
        .outerjoin(launcher, launcher.c.id == evaluation.c.launcher_id)
        .outerjoin(allocation, allocation.c.id == launcher.c.allocation_id)
    )


_ELSEWHERE: dict[str, ColumnElement[Any]] = {
    "campaign": campaign.c.name.label("campaign"),
    "started_at": func.coalesce(evaluation.c.started_at, evaluation.c.claimed_at).label("started_at"),
    "allocation": allocation.c.scheduler_id.label("allocation"),
}


def _row(stored: Sequence[Any]) -> EvaluationRow:
    """The row of the first columns, by place: names cost three times as much, and a report reads 100 000."""
    number, campaign_id, name, ordinal, state, kind, attempt, objective, configuration, metrics = stored[:10]
    return EvaluationRow(
        number,
        campaign_id,
        name,
        ordinal,
        word_in(State, state, "evaluation", number, "state"),
        _kind(kind, "evaluation", number),
        attempt,
        number_in_row(objective, "evaluation", number, "objective"),
        configuration_in(configuration, number),
        object_in(metrics, "evaluation", number, "metrics"),
        *stored[10 : len(EvaluationRow.__slots__)],
    )


def _events(connection: Connection, evaluation_id: int) -> list[Event]:
    event = evaluation_event
    statement = (
        select(event, launcher.c.host, allocation.c.scheduler_id)
        .outerjoin(launcher, launcher.c.id == event.c.launcher_id)
        .outerjoin(allocation, allocation.c.id == launcher.c.allocation_id)
        .where(event.c.evaluation_id == evaluation_id)
        .order_by(event.c.id)
    )
    return usable(connection.execute(statement), _event)


def _event(row: DatabaseRow) -> Event:
    return Event(
        at=row.at,
        move=word_in(Move, row.move, "evaluation_event", row.id, "move"),
        attempt=row.attempt,
        launcher_id=row.launcher_id,
        host=row.host,
        allocation=row.scheduler_id,
        node=row.node,
        failure_kind=_kind(row.failure_kind, "evaluation_event", row.id),
        exit_status=row.exit_status,
        started_at=row.started_at,
        finished_at=row.finished_at,
        detail=row.detail,
        revision=(row.revision or 1) if row.move == Move.CLAIM.value else None,
    )


def _kind(text: str | None, table: str, row: int) -> FailureKind | None:
    return None if text is None else word_in(FailureKind, text, table, row, "failure_kind")
