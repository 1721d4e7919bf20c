"""Why an evaluation was proposed, and why it stands as it does, as far as the database tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.api.learned_rows import LearnedRows
from ambs_hpc.api.objectives.front_place import FrontStanding, front_standing
from ambs_hpc.api.reasons.known_deaths import is_launcher_dead
from ambs_hpc.api.reasons.problem_files import allow_command, can_submit
from ambs_hpc.errors import RowUnusable
from ambs_hpc.insight.nearest_known import NearestKnown, nearest_known
from ambs_hpc.insight.waiting_reasons import LivingLauncher, Need, WaitingReason, waiting_reasons
from ambs_hpc.queue import (
    OVER,
    StoredFailure,
    StoredResult,
    ended_before,
    get_allocation,
    get_campaign,
    goals_of_stored,
    holders,
    list_allocations,
    live_launchers,
    pending_before,
    read_now,
    reading,
    rungs_of,
    running_in,
    show_evaluation,
    stored_failures,
    tell_fault,
    waiting_ahead,
)
from ambs_hpc.shown_text import duration
from ambs_hpc.states import State
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.queue import EvaluationStory

MOST_KNOWN = 5000  # of the newest results the nearest is looked for among


@dataclass(frozen=True, slots=True)
class KnownThen:
    """What the search knew when it proposed an evaluation.

    Args:
        ended: evaluations of the campaign that had ended, imported ones among them.
        pending: that had been proposed and had not ended: a model has lies for them.
        best: the best result of those read; None before the first, and where no objective alone decides.
        nearest: the nearest one of those read; None before the first, or where the configuration is outside
            of the space as it is now.
        nearest_result: of that one.
        nearest_failed, nearest_failure: likewise of those that had failed.
    """

    ended: int
    pending: int
    best: StoredResult | None
    nearest: NearestKnown | None
    nearest_result: StoredResult | None
    nearest_failed: NearestKnown | None = None
    nearest_failure: StoredFailure | None = None


@dataclass(frozen=True, slots=True)
class EvaluationReasons:
    """An evaluation with its reasons.

    Args:
        waiting: empty unless it is READY.
        front: None without a front.
        unsure: while it is RUNNING, what speaks against that: its launcher is dead or silent; "" for nothing.
        held: while it is PAUSED, what was decided at the rung where it waits; "" where no row says it.
    """

    story: EvaluationStory
    known: KnownThen
    waiting: tuple[WaitingReason, ...]
    front: FrontStanding | None = None
    unsure: str = ""
    held: str = ""


def evaluation_reasons(engine: Engine, evaluation_id: int) -> EvaluationReasons:
    """Why an evaluation was proposed and why it is not running.

    Raises:
        NotFound: there is none of that id.
    """
    with reading(engine) as connection:
        story = show_evaluation(connection, evaluation_id)
        ended, results = ended_before(connection, story.row.campaign_id, story.row.created_at, MOST_KNOWN)
        failed = stored_failures(connection, story.row.campaign_id, MOST_KNOWN, story.row.created_at)
        pending = pending_before(connection, evaluation_id)
        waiting = _waiting(connection, story) if story.row.state is State.READY else []
        front = front_standing(connection, story.campaign, evaluation_id)
        unsure = _unsure(connection, story.row.launcher_id) if story.row.state is State.RUNNING else ""
        rungs = rungs_of(connection, evaluation_id) if story.row.state is State.PAUSED else []
    held = next((one.reason for one in rungs if one.is_held), "")
    known = _known(story, ended, pending, results, failed)
    return EvaluationReasons(story, known, tuple(waiting), front, unsure, held)


def _unsure(connection: Connection, launcher_id: int | None) -> str:
    for one in holders(connection):
        who = f"launcher {one.id} on {one.identity.host}"
        if one.id == launcher_id and is_launcher_dead(one):
            return f"{who} is dead: it goes back to the queue with the next launcher or search that looks"
        if one.id == launcher_id and one.heartbeat_age_seconds > STALE_AFTER_SECONDS:
            return f"{who} has been silent for {duration(one.heartbeat_age_seconds)}"
    return ""


def _known(
    story: EvaluationStory,
    ended: int,
    pending: int,
    results: list[StoredResult],
    failed: list[StoredFailure],
) -> KnownThen:
    campaign = story.campaign
    own = StoredResult(story.row.id, story.row.configuration, 0.0, "")
    nearest = nearest_failed = None
    others, failures = [], []
    try:
        learned = LearnedRows(campaign)
    except RowUnusable as fault:  # all but the neighbours is known without the space
        tell_fault(fault)
    else:
        within, others = learned.of([own]), learned.of(results)
        failures = learned.of([one for one in failed if one.id != story.row.id])
        if within:
            space, configuration = learned.space, within[0].configuration
            nearest = nearest_known(space, configuration, [one.configuration for one in others])
            nearest_failed = nearest_known(space, configuration, [one.configuration for one in failures])
    goals = goals_of_stored(campaign)  # of several there is a front, not a best one
    sign = 1.0 if campaign.definition.direction == "minimize" else -1.0
    first = min(results, key=lambda one: (sign * one.objective, one.id), default=None)  # as in v_best
    return KnownThen(
        ended,
        pending,
        first if goals.is_plain else None,
        nearest,
        None if nearest is None else others[nearest.place],
        nearest_failed,
        None if nearest_failed is None else failures[nearest_failed.place],
    )


def _waiting(connection: Connection, story: EvaluationStory) -> list[WaitingReason]:
    row, now = story.row, read_now(connection)
    need = Need(
        row.id,
        row.campaign,
        story.resources,
        story.time_limit_seconds,
        waiting_ahead(connection, row.id, row.priority),
        allow_command(get_campaign(connection, row.campaign_id)),
    )
    launchers = []
    for one in live_launchers(connection, STALE_AFTER_SECONDS):
        if is_launcher_dead(one):
            continue
        held_in = one.identity.allocation_id
        allocation = None if held_in is None else get_allocation(connection, held_in)
        ends_at = None if allocation is None else allocation.ends_at
        nodes = None if allocation is None else allocation.request.get("nodes")
        launchers.append(
            LivingLauncher(
                one.id,
                one.identity.host,
                one.identity.slots,
                running_in(connection, one.id),
                one.idle,
                None if ends_at is None else ends_at - now,
                nodes if isinstance(nodes, int) else None,
            )
        )
    newest = next(iter(list_allocations(connection, limit=1)), None)
    last_over = newest if newest is not None and newest.state in OVER else None
    coming = list_allocations(connection, over=False)
    return waiting_reasons(need, launchers, coming, last_over, can_submit=can_submit(Path.cwd()))
