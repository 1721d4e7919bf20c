"""The best results of a campaign: by one objective, or the front of several, within constraints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, select

from ambs_hpc.problem.goals import Goals, goals_of
from ambs_hpc.queue.reads.campaigns import get_campaign
from ambs_hpc.queue.reads.reports import EvaluationRow, evaluation_rows
from ambs_hpc.queue.schema.tables import evaluation, is_done
from ambs_hpc.queue.sql.bulk import id_in

if TYPE_CHECKING:
    from ambs_hpc.records import Campaign

RANKS = {"yes": 0, "unknown": 1, "no": 2}  # of verdicts, the best first


class JudgedResult(NamedTuple):
    """A result as its campaign's goals see it.

    Args:
        costs: the objectives, each to be minimised; None where one is missing.
        verdict: see `Feasibility.verdict`.
        excess: see `Feasibility.excess`.
    """

    id: int
    costs: tuple[float, ...] | None
    verdict: str
    excess: float


def best(
    connection: Connection, campaign_id: int, n: int = 1, name: str | None = None
) -> list[EvaluationRow]:
    """The n best results of a campaign, best first; those that break a constraint after all others.

    Args:
        name: of the objective that decides; None takes the first.

    Raises:
        NotFound: there is no such campaign.
        UsageError: there is no such objective.
    """
    found = get_campaign(connection, campaign_id)
    goals = goals_of_stored(found)
    place = goals.names.index(goals.chosen(name))
    if place or goals.constraints:
        return _by_ids(connection, ids_of_best(judged_results(connection, campaign_id), n, place))
    objective = evaluation.c.objective
    order = objective if found.definition.direction == "minimize" else objective.desc()
    mine = evaluation.c.campaign_id == campaign_id
    return evaluation_rows(connection, is_done, mine, order=(order, evaluation.c.id), limit=n)


def front(connection: Connection, campaign_id: int) -> list[EvaluationRow]:
    """The feasible results that no other dominates, by the first objective; of one objective, the best.

    Raises:
        NotFound: there is no such campaign.
    """
    return _by_ids(connection, ids_of_front(judged_results(connection, campaign_id)))


def goals_of_stored(campaign: Campaign) -> Goals:
    """The objectives and constraints of a campaign."""
    return goals_of(campaign.definition.problem, campaign.definition.direction)


def judged_results(connection: Connection, campaign_id: int) -> list[JudgedResult]:
    """All results of a campaign, by rising id; it reads all their metrics.

    Raises:
        NotFound: there is no such campaign.
    """
    goals = goals_of_stored(get_campaign(connection, campaign_id))
    column = evaluation.c
    statement = (
        select(column.id, column.objective, column.metrics)
        .where(is_done, column.campaign_id == campaign_id)
        .order_by(column.id)
    )
    signs = [-1.0 if one == "maximize" else 1.0 for one in goals.directions.values()]
    found = []
    for row in connection.execute(statement):
        metrics = row.metrics or {}
        values = [goals.value(name, row.objective, metrics) for name in goals.names]
        known = [one for one in values if one is not None]
        costs = tuple(s * v for s, v in zip(signs, known, strict=True)) if len(known) == len(signs) else None
        feasibility = goals.feasibility(row.objective, metrics)
        found.append(JudgedResult(row.id, costs, feasibility.verdict, feasibility.excess))
    return found


def ids_of_best(judged: Sequence[JudgedResult], n: int, place: int = 0) -> list[int]:
    """Ids of the n best: those that keep the constraints first, then those of which that is not known.

    Args:
        place: of the objective that decides.
    """
    usable = [one for one in judged if one.costs is not None]
    usable.sort(key=lambda one: (RANKS[one.verdict], one.excess, (one.costs or ())[place], one.id))
    return [one.id for one in usable[:n]]


def ids_of_front(judged: Sequence[JudgedResult]) -> list[int]:
    """Ids of those that keep the constraints and that no other one dominates, by the first objective."""
    usable = sorted((one.costs, one.id) for one in judged if one.costs is not None and one.verdict == "yes")
    front: list[tuple[tuple[float, ...], int]] = []
    for costs, evaluation_id in usable:  # what dominates one comes before it
        if not any(other != costs and _is_no_worse(other, costs) for other, _ in front):
            front.append((costs, evaluation_id))
    return [evaluation_id for _, evaluation_id in front]


def _is_no_worse(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def _by_ids(connection: Connection, ids: Sequence[int]) -> list[EvaluationRow]:
    found = {row.id: row for row in evaluation_rows(connection, id_in(connection, evaluation.c.id, ids))}
    return [found[one] for one in ids if one in found]
