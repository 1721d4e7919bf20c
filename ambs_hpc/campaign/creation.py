"""Create a campaign, or continue the one of its name; differences are reported before anything changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ambs_hpc.errors import CampaignConflict, UsageError
from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.problem.space import space_from_json
from ambs_hpc.queue import change_budget, create_campaign, find_campaign, transaction
from ambs_hpc.records import Campaign, NewCampaign, Source
from ambs_hpc.search import DEFAULT_METHOD, Searcher, create_searcher

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.problem.problem_file import LoadedProblem

DEFAULT_SEED = 0


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The settings of a search on the command line; None leaves a value as the campaign has it.

    Args:
        name: name of the campaign; None takes that of the problem.
        method, method_options, seed: settings of the search; they cannot change once a campaign has begun.
        max_evaluations: total number of evaluations after which the search ends, restarts included; >= 1.
        max_minutes: time limit of this run; > 0.
        slots: evaluations to keep in flight; None asks the live launchers.
        run_root: folder under which the campaign's own folder is made.
        sources: what to start warm from, as `warm_start.find_sources` takes it.
    """

    name: str | None = None
    method: str | None = None
    method_options: Mapping[str, object] = field(default_factory=dict)
    seed: int | None = None
    max_evaluations: int | None = None
    max_minutes: float | None = None
    slots: int | None = None
    run_root: Path = Path("ambs-runs")
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_evaluations is not None and self.max_evaluations < 1:
            raise UsageError(f"--max-evaluations {self.max_evaluations}: give a whole number from 1.")
        if self.max_minutes is not None and not self.max_minutes > 0:
            raise UsageError(f"--max-minutes {self.max_minutes}: give a number of minutes above 0.")
        if self.slots is not None and self.slots < 1:
            raise UsageError(f"--slots {self.slots}: give a whole number from 1.")


def define_campaign(loaded: LoadedProblem, settings: SearchSettings) -> NewCampaign:
    """The campaign that a problem and a command line describe, checked before a database is opened.

    Raises:
        UsageError: the search method or one of its options does not exist.
    """
    problem = loaded.problem
    name = settings.name or problem.name
    wanted = NewCampaign(
        name=name,
        problem={key: value for key, value in problem.to_json().items() if key != "name"},
        objective=problem.objective_json,
        direction=problem.direction,
        directory=str(loaded.directory),
        run_directory=str(settings.run_root.absolute() / name),
        method=settings.method or DEFAULT_METHOD,
        method_options=settings.method_options,
        seed=DEFAULT_SEED if settings.seed is None else settings.seed,
        max_evaluations=settings.max_evaluations,
        max_failures=problem.max_failures,
        max_interruptions=problem.max_interruptions,
    )
    searcher_for(wanted)
    return wanted


def open_campaign(engine: Engine, wanted: NewCampaign, settings: SearchSettings) -> Campaign:
    """The stored campaign, created or found; its objective is on this user's allow-list afterwards.

    Raises:
        CampaignConflict: one of that name exists with another problem, method or seed.
    """
    with transaction(engine) as connection:
        found = find_campaign(connection, wanted.name)
        if found is None:
            campaign = create_campaign(connection, _with_own_folder(wanted))
        else:
            campaign = _continued(connection, found, wanted, settings)
    # What this command line says, not what the row says: others may be able to write that.
    allow(wanted.objective, wanted.directory)
    allow_runs(wanted.run_directory)
    return campaign


def searcher_for(definition: NewCampaign, sources: Iterable[Source] = ()) -> Searcher:
    """A searcher at the beginning of the campaign, rebuilt from stored values alone."""
    problem = definition.problem
    return create_searcher(
        space_from_json(cast("Mapping[str, object]", problem["space"])),
        definition.method,
        definition.direction,
        definition.seed,
        sources=sources,
        starting_points=cast("list[dict[str, bool | int | float | str]]", problem["starting_points"]),
        **definition.method_options,
    )


def _with_own_folder(wanted: NewCampaign) -> NewCampaign:
    """The campaign with a run directory that no other campaign has ever had.

    Databases are removed, copied and restored while their folders stay: what lies in a folder must never be
    taken for the result of a campaign of the same name in another database.
    """
    return replace(wanted, run_directory=f"{wanted.run_directory}/{wanted.uid}")


def _continued(
    connection: Connection, found: Campaign, wanted: NewCampaign, settings: SearchSettings
) -> Campaign:
    before = found.definition
    differences = [
        f"{field}: {before.problem.get(field)!r} before, {now!r} now"
        for field, now in wanted.problem.items()
        if before.problem.get(field) != now
    ]
    if before.directory != wanted.directory:
        differences.append(f"folder: {before.directory} before, {wanted.directory} now")
    if settings.method and settings.method != before.method:
        differences.append(f"method: {before.method} before, {settings.method} now")
    if settings.method_options and dict(settings.method_options) != dict(before.method_options):
        differences.append(
            f"options: {dict(before.method_options)} before, {dict(settings.method_options)} now"
        )
    if settings.seed is not None and settings.seed != before.seed:
        differences.append(f"seed: {before.seed} before, {settings.seed} now")
    if differences:
        raise CampaignConflict(
            f"Campaign {found.name!r} exists in this database and is another one ("
            + "; ".join(differences)
            + "). Start a new one with --name, or give the old values to go on with it."
        )
    if settings.max_evaluations is not None and settings.max_evaluations != before.max_evaluations:
        return change_budget(connection, found.id, settings.max_evaluations)
    return found
