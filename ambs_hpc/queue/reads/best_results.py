"""The best results of a campaign: by one objective, or the front of several, within constraints."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, select

from ambs_hpc.problem.goals import Goals, goals_of
from ambs_hpc.queue.reads.campaigns import get_campaign
from ambs_hpc.queue.reads.reports import EvaluationRow, evaluation_rows
from ambs_hpc.queue.schema.tables import evaluation, is_done
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.metric_numbers import goal_number, is_feasible

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
    if place == 0:
        rows = best_feasible(connection, found, n)
        if goals.is_plain or len(rows) == n:
            return rows
    return _by_ids(connection, ids_of_best(judged_results(connection, campaign_id), n, place))


def best_feasible(connection: Connection, campaign: Campaign, n: int = 1) -> list[EvaluationRow]:
    """The n best results by the first objective among those that are known to keep the constraints.

    They come by the index of results: only what is better than they and not feasible is read besides.
    """
    goals = goals_of_stored(campaign)
    objective = evaluation.c.objective
    order = objective if campaign.definition.direction == "minimize" else objective.desc()
    where = [is_done, evaluation.c.campaign_id == campaign.id]
    if not goals.is_plain:
        where.append(is_feasible(connection, goals))
    return evaluation_rows(connection, *where, order=(order, evaluation.c.id), limit=n)


def front(connection: Connection, campaign_id: int) -> list[EvaluationRow]:
    """The feasible results that no other dominates, by the first objective; of one objective, the best.

    Raises:
        NotFound: there is no such campaign.
    """
    return _by_ids(connection, ids_of_front(judged_results(connection, campaign_id)))


def ids_to_keep(connection: Connection, campaign: Campaign, n: int) -> list[int]:
    """Ids of what a person may take: the n best; of several objectives those by each, and the front."""
    goals = goals_of_stored(campaign)
    if not goals.has_several or not n:
        return [row.id for row in best(connection, campaign.id, n)] if n else []
    judged = judged_results(connection, campaign.id)
    kept = [ids_of_best(judged, n, place) for place in range(len(goals.names))]
    return list(dict.fromkeys(itertools.chain(ids_of_front(judged), *kept)))


def goals_of_stored(campaign: Campaign) -> Goals:
    """The objectives and constraints of a campaign."""
    return goals_of(campaign.definition.problem, campaign.definition.direction)


def judged_results(connection: Connection, campaign_id: int) -> list[JudgedResult]:
    """All results of a campaign, by rising id; the database takes the numbers that count from their metrics.

    Raises:
        NotFound: there is no such campaign.
    """
    goals = goals_of_stored(get_campaign(connection, campaign_id))
    column = evaluation.c
    names = list(dict.fromkeys((*goals.names, *goals.metrics)))
    numbers = [goal_number(connection, goals, name).label(f"n{i}") for i, name in enumerate(names)]
    statement = (
        select(column.id, *numbers).where(is_done, column.campaign_id == campaign_id).order_by(column.id)
    )
    signs = [-1.0 if one == "maximize" else 1.0 for one in goals.directions.values()]
    found = []
    for evaluation_id, *values in connection.execute(statement):
        known = [one for one in values[: len(signs)] if one is not None]
        costs = tuple(s * v for s, v in zip(signs, known, strict=True)) if len(known) == len(signs) else None
        feasibility = goals.feasibility(values[0], dict(zip(names, values, strict=True)))
        found.append(JudgedResult(evaluation_id, costs, feasibility.verdict, feasibility.excess))
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
    if not usable:
        return []
    few = len(usable[0][0]) <= 2
    return (_front_of_two if few else _front_of_many)(usable)


def _front_of_two(usable: Sequence[tuple[tuple[float, ...], int]]) -> list[int]:
    """Ids of the front of rising costs, of one or two objectives: each must beat the last one in the last."""
    front = [usable[0]]
    for one in usable[1:]:
        if one[0] == front[-1][0] or one[0][-1] < front[-1][0][-1]:
            front.append(one)
    return [evaluation_id for _, evaluation_id in front]


def _front_of_many(usable: Sequence[tuple[tuple[float, ...], int]]) -> list[int]:
    """Ids of the front of rising costs; what dominates one comes before it."""
    import numpy as np

    costs = np.array([one for one, _ in usable])
    places = np.zeros(len(usable), dtype=np.intp)
    found = 0
    for place, one in enumerate(costs):
        others = costs[places[:found]]
        is_dominated = (others <= one).all(axis=1) & (others < one).any(axis=1)
        if not is_dominated.any():
            places[found] = place
            found += 1
    return [usable[place][1] for place in places[:found]]


def _by_ids(connection: Connection, ids: Sequence[int]) -> list[EvaluationRow]:
    found = {row.id: row for row in evaluation_rows(connection, id_in(connection, evaluation.c.id, ids))}
    return [found[one] for one in ids if one in found]
