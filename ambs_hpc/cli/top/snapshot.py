"""What `ambs top` shows at one time, read in one transaction of few statements: none for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ambs_hpc import queue
from ambs_hpc.api.reasons.known_deaths import is_launcher_dead
from ambs_hpc.states import State
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.records import Allocation, Campaign, Launcher

MOST_CAMPAIGNS, MOST_EVALUATIONS, MOST_ALLOCATIONS, REPORTS_SHOWN = 200, 500, 200, 8
VIEWS = ("campaigns", "evaluations", "launchers", "allocations", "failures")
ORDERS = ("newest", "objective", "finished", "duration", "id")


@dataclass(frozen=True, slots=True)
class ViewQuery:
    """What a person looks at.

    Args:
        view: one of `VIEWS`, or "evaluation".
        campaign: whose evaluations and failures; "" for those of all campaigns.
        state: of evaluations; None for all.
        order: of evaluations, one of `ORDERS`.
        evaluation_id: of the view "evaluation".
    """

    view: str = "campaigns"
    campaign: str = ""
    state: State | None = None
    order: str = "newest"
    evaluation_id: int = 0


class SeenLauncher(NamedTuple):
    """A launcher that lives, or that holds evaluations in silence, with the numbers of what it holds."""

    launcher: Launcher
    number: queue.HeldNumber
    is_dead: bool
    allocation: str  # the scheduler's id; "" where it was started by hand


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a database at `at`, seconds since 1970 UTC by its own clock.

    What the query did not ask for is empty. `is_cut` says that there are more evaluations than are listed.
    """

    query: ViewQuery
    at: float
    campaigns: Sequence[queue.CampaignLine]
    evaluations: Sequence[queue.EvaluationRow] = ()
    is_cut: bool = False
    launchers: Sequence[SeenLauncher] = ()
    allocations: Sequence[Allocation] = ()
    failures: Sequence[queue.FailureGroup] = ()
    story: queue.EvaluationStory | None = None
    reports: Sequence[queue.Report] = ()


def read_snapshot(engine: Engine, query: ViewQuery) -> Snapshot:
    """What the query asks for.

    Raises:
        DatabaseUnreachable, DatabaseLocked: to be tried again.
        NotFound: the campaign or the evaluation has gone.
    """
    with queue.reading(engine) as connection:
        at, lines = queue.read_now(connection), queue.campaign_lines(connection, MOST_CAMPAIGNS)
        chosen = queue.find_campaign(connection, query.campaign) if query.campaign else None
        match query.view:
            case "evaluations":
                rows = _evaluations(connection, chosen, query.state, query.order)
                cut = len(rows) > MOST_EVALUATIONS
                return Snapshot(query, at, lines, evaluations=rows[:MOST_EVALUATIONS], is_cut=cut)
            case "launchers":
                # None of them has finished. Asked for by id, SQLite would walk through all that ever ran.
                running = _evaluations(connection, None, State.RUNNING, "finished")
                return Snapshot(
                    query,
                    at,
                    lines,
                    evaluations=running[:MOST_EVALUATIONS],
                    is_cut=len(running) > MOST_EVALUATIONS,
                    launchers=_launchers(connection),
                )
            case "allocations":
                found = queue.list_allocations(connection, limit=MOST_ALLOCATIONS)
                return Snapshot(query, at, lines, allocations=found)
            case "failures":
                groups = queue.failures(connection, None if chosen is None else chosen.id)
                return Snapshot(query, at, lines, failures=groups)
            case "evaluation":
                story = queue.show_evaluation(connection, query.evaluation_id)
                told = queue.reports_of(connection, query.evaluation_id, last=REPORTS_SHOWN)
                return Snapshot(query, at, lines, story=story, reports=told)
            case _:
                return Snapshot(query, at, lines)


def _evaluations(
    connection: Connection, campaign: Campaign | None, state: State | None, order: str
) -> list[queue.EvaluationRow]:
    which = None if campaign is None else campaign.id
    return queue.list_evaluations(connection, which, state, order, MOST_EVALUATIONS + 1)


def _launchers(connection: Connection) -> list[SeenLauncher]:
    """Those alive, and those that hold evaluations without a sign of life."""
    alive = queue.live_launchers(connection, STALE_AFTER_SECONDS)
    known = {one.id for one in alive}
    silent = [one for one in queue.holders(connection) if one.id not in known and not one.ended]
    held = queue.held_by_launcher(connection)
    inside = {one.identity.allocation_id for one in (*alive, *silent)} - {None}
    allocations = queue.list_allocations(connection, ids=[one for one in inside if one is not None])
    names = {one.id: one.scheduler_id or str(one.id) for one in allocations}
    return [
        SeenLauncher(
            one,
            held.get(one.id, queue.HeldNumber(0, 0)),
            is_launcher_dead(one),
            names.get(one.identity.allocation_id or 0, ""),
        )
        for one in (*alive, *silent)
    ]
