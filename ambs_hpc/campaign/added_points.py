"""A person's own configurations become evaluations that run before what the search proposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ambs_hpc.campaign.given_rows import GivenRows, configuration_key
from ambs_hpc.errors import ProblemError, UsageError, nearest
from ambs_hpc.observations import RawPoint, SpaceFit
from ambs_hpc.problem.space import in_stored_order, space_from_json, stored_space
from ambs_hpc.queue import EvaluationRow, enqueue, get_campaign
from ambs_hpc.records import MANUAL, Configuration, NewEvaluation, Proposal, Resources

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.records import Campaign, NewCampaign

FIRST_IN_QUEUE = 1000  # priority above that of its campaign, which the search's own have


@dataclass(frozen=True, slots=True)
class AddedPoints:
    """The configurations that were added, with their evaluations, and those that the campaign had already."""

    added: tuple[tuple[int, Configuration], ...]
    known: tuple[EvaluationRow, ...]


def fit_points(
    definition: NewCampaign, points: Sequence[RawPoint], *, with_defaults: bool
) -> list[Configuration]:
    """Legal configurations of the campaign's space; nothing is stored.

    Args:
        with_defaults: active parameters that a point lacks get their defaults.

    Raises:
        ProblemError: names the point, the parameter, its value and what is accepted.
        UsageError: a point lacks parameters; the message names their defaults.
    """
    space = stored_space(definition.problem, definition.name)
    fit = SpaceFit(space_from_json(space))
    return [_fitted(fit, point, with_defaults) for point in points]


def known_rows(
    rows: Sequence[EvaluationRow], configurations: Sequence[Configuration]
) -> dict[str, EvaluationRow]:
    """The newest evaluation of each of the configurations that has one, by `configuration_key`."""
    wanted = {configuration_key(one) for one in configurations}
    found = {configuration_key(row.configuration): row for row in rows}
    return {key: row for key, row in found.items() if key in wanted}


def add_points(
    engine: Engine, campaign: Campaign, configurations: Sequence[Configuration], *, again: bool
) -> AddedPoints:
    """The configurations are READY, first in the queue, in their order; a known one only when `again`.

    Args:
        campaign: as it was when they were fitted into its space.

    Raises:
        CampaignConflict: somebody has changed its space since; nothing was stored.
    """
    given = GivenRows(engine, campaign.id)
    known: dict[str, EvaluationRow] = {}
    chosen: list[Configuration] = []

    def choose(rows: Sequence[EvaluationRow]) -> list[Configuration]:
        known.clear()
        known.update({} if again else known_rows(rows, configurations))
        chosen[:] = _each_once([one for one in configurations if configuration_key(one) not in known])
        return chosen

    def write(connection: Connection, ordinal: int, new: list[Configuration]) -> list[int]:
        newest = get_campaign(connection, campaign.id)  # somebody may have revised it since
        made = [_new_evaluation(newest, ordinal - place, one) for place, one in enumerate(new)]
        return enqueue(connection, campaign.id, made)

    ids = given.store(choose, write, campaign)
    return AddedPoints(tuple(zip(ids, chosen, strict=True)), tuple(known.values()))


def _each_once(configurations: Sequence[Configuration]) -> list[Configuration]:
    return list({configuration_key(one): one for one in configurations}.values())


def _fitted(fit: SpaceFit, point: RawPoint, with_defaults: bool) -> Configuration:
    for name in fit.unknown(point.values):
        raise ProblemError(point.place, name, "is no parameter of the space", nearest(name, fit.names))
    fitted = fit.configuration(point.values, point.place, fill=True, drop_inactive=False)
    missing = fit.missing(point.values)
    if missing and not with_defaults:
        told = " ".join(f"--set {name}={value}" for name, value in missing.items())
        raise UsageError(
            f"{point.place}: {', '.join(missing)}: no value. Give one, or take the defaults by --defaults: "
            + told
        )
    return fitted


def _new_evaluation(campaign: Campaign, ordinal: int, configuration: Configuration) -> NewEvaluation:
    problem = campaign.definition.problem
    ordered = in_stored_order(configuration, cast("dict[str, Any]", problem["space"]))
    return NewEvaluation(
        ordinal=ordinal,
        proposal=Proposal(ordered, MANUAL),
        resources=Resources(**cast("dict[str, Any]", problem["resources"])),
        time_limit_seconds=cast("float | None", problem["time_limit_seconds"]),
        priority=campaign.definition.priority + FIRST_IN_QUEUE,
    )
