"""Create a campaign, or continue the one of its name; differences are reported before anything changes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from ambs_hpc.campaign.carry_over import carry_over_of
from ambs_hpc.campaign.differences import edited_space, wanted_after
from ambs_hpc.campaign.revision import Revised, plan, revise, this_person
from ambs_hpc.campaign.settings import SearchSettings
from ambs_hpc.errors import UsageError
from ambs_hpc.fidelity import fidelity_from_json
from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.problem.goals import Goals, goals_of
from ambs_hpc.problem.space import space_from_json, stored_space
from ambs_hpc.queue import create_campaign, find_campaign, reading, revisions_of, transaction
from ambs_hpc.records import Campaign, NewCampaign, Source
from ambs_hpc.search import DEFAULT_METHOD, WARM, Searcher, create_searcher

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from ambs_hpc.problem.problem_file import LoadedProblem

logger = logging.getLogger(__name__)

DEFAULT_SEED = 0


def define_campaign(loaded: LoadedProblem, settings: SearchSettings) -> NewCampaign:
    """The campaign that a problem and a command line describe, checked before a database is opened.

    Raises:
        UsageError: the search method or one of its options does not exist, or the folder of runs is none.
    """
    problem = loaded.problem
    name = settings.name or problem.name
    wanted = NewCampaign(
        name=name,
        problem={key: value for key, value in problem.to_json().items() if key != "name"},
        objective=problem.objective_json,
        direction=problem.first_direction,
        directory=str(loaded.directory),
        run_directory=str(_run_root(settings) / name),
        method=DEFAULT_METHOD if settings.method is None else settings.method,
        method_options=settings.method_options,
        seed=DEFAULT_SEED if settings.seed is None else settings.seed,
        max_evaluations=settings.max_evaluations,
        max_failures=problem.max_failures,
        max_interruptions=problem.max_interruptions,
        priority=settings.priority or 0,
    )
    searcher_for(wanted)
    return wanted


def _run_root(settings: SearchSettings) -> Path:
    """The folder without `..`, which no row of a database may have: it would lead out of what is allowed."""
    root = settings.run_root
    whole = root.resolve() if ".." in root.parts else root.absolute()
    there = next(one for one in (whole, *whole.parents) if one.exists())
    if not there.is_dir():
        raise UsageError(
            f"--runs {root}: {there} is no folder. Give a folder; it is made where there is none."
        )
    return whole


def open_campaign(engine: Engine, wanted: NewCampaign, settings: SearchSettings) -> Campaign:
    """The stored campaign, as `continue_campaign` leaves it."""
    return continue_campaign(engine, wanted, settings).campaign


def continue_campaign(engine: Engine, wanted: NewCampaign, settings: SearchSettings) -> Revised:
    """The stored campaign, created, found or revised; its objective is on this user's allow-list before that.

    Raises:
        CampaignConflict: one of that name exists with another objective, direction, seed, or with another
            space without `settings.revise`; or somebody else revised it at the same time.
        UsageError: a method or an option of it does not exist, or what a removed parameter was is not said.
    """
    # What this command line says, not what the row says: others may be able to write that. A launcher that
    # lives may read the campaign as soon as it is stored, so this comes first.
    allow(wanted.objective, wanted.directory)
    allow_runs(wanted.run_directory)
    with reading(engine) as connection:
        found = find_campaign(connection, wanted.name)
        if found is not None and _is_budget_outdated(connection, found, wanted, settings):
            wanted = replace(wanted, max_evaluations=None)
    if found is not None:
        return revise(engine, found, checked_after(found, wanted, settings))
    with transaction(engine) as connection:
        campaign = create_campaign(connection, _with_own_folder(wanted), this_person())
    return Revised(campaign, [], {})


def planned_campaign(engine: Engine, wanted: NewCampaign, settings: SearchSettings) -> Revised | None:
    """What `continue_campaign` would change; None where it would make a new campaign. Nothing is stored.

    Raises:
        CampaignConflict, UsageError: as `continue_campaign`.
    """
    with reading(engine) as connection:
        found = find_campaign(connection, wanted.name)
    return None if found is None else plan(engine, found, checked_after(found, wanted, settings))


def checked_after(found: Campaign, wanted: NewCampaign, settings: SearchSettings) -> NewCampaign:
    """The campaign as the command line wants it, of which a searcher can be made.

    Raises:
        CampaignConflict, UsageError: as `continue_campaign`.
    """
    after = wanted_after(found, wanted, settings)
    if after != found.definition:
        searcher_for(after)
    return after


def edited_campaign(
    found: Campaign, edits: Mapping[str, Sequence[str]], was: Mapping[str, str]
) -> NewCampaign:
    """The campaign with an edited space, of which a searcher can be made; see `edited_space`.

    Raises:
        UsageError: an edit cannot be made.
    """
    after = edited_space(found, edits, was)
    searcher_for(after)
    return after


def goals_of_campaign(definition: NewCampaign) -> Goals:
    """The objectives and constraints of a campaign."""
    return goals_of(definition.problem, definition.direction)


def searcher_for(definition: NewCampaign, sources: Iterable[Source] = ()) -> Searcher:
    """A searcher at the beginning of the campaign, rebuilt from stored values alone."""
    problem = definition.problem
    starting_points = cast("list[dict[str, bool | int | float | str]]", problem.get("starting_points", []))
    carry_over = carry_over_of(problem)
    fidelity = fidelity_from_json(problem.get("fidelity"))
    goals = goals_of_campaign(definition)
    return create_searcher(
        space_from_json(stored_space(problem, definition.name)),
        definition.method,
        goals.directions if goals.has_several else definition.direction,
        definition.seed,
        constraints=goals.constraints,
        starting_points=starting_points if carry_over is None else carry_over.carried_points(starting_points),
        maximum_step=None if fidelity is None else fidelity.maximum,
        # The method, or the constraints, may have been revised since.
        sources=sources if definition.method in WARM and goals.is_plain else (),
        **definition.method_options,
    )


def _is_budget_outdated(
    connection: Connection, found: Campaign, wanted: NewCampaign, settings: SearchSettings
) -> bool:
    """Whether somebody has revised the budget since this command line's was said.

    The script of an allocation, and a search that a launcher starts again, say what was true long ago.
    """
    if settings.stated_at is None or wanted.max_evaluations is None:
        return False
    newer = [
        one
        for one in revisions_of(connection, found.id)
        if one.at > settings.stated_at and any(each.field == "max_evaluations" for each in one.changes)
    ]
    if newer and found.definition.max_evaluations != wanted.max_evaluations:
        logger.warning(
            "--max-evaluations %d is older than revision %d, which holds: %s",
            *(wanted.max_evaluations, newer[-1].number, newer[-1].words),
        )
    return bool(newer)


def _with_own_folder(wanted: NewCampaign) -> NewCampaign:
    """The campaign with a run directory that no other campaign has ever had.

    Databases are removed, copied and restored while their folders stay: what lies in a folder must never be
    taken for the result of a campaign of the same name in another database.
    """
    return replace(wanted, run_directory=f"{wanted.run_directory}/{wanted.uid}")
