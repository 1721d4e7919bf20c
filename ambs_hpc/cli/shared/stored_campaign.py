"""The campaign that `ambs run` and `ambs search` begin with: tried, stored, and told where it changes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambs_hpc.api.reasons.changed_sources import changed_sources
from ambs_hpc.campaign import (
    Revised,
    SearchSettings,
    continue_campaign,
    define_campaign,
    find_sources,
    keep_sources,
)
from ambs_hpc.cli.shared.options import open_engine
from ambs_hpc.cli.shared.source_lines import tell_sources
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.cli.shared.tried_objective import try_objective
from ambs_hpc.problem import load_problem
from ambs_hpc.problem.space import space_notes
from ambs_hpc.queue import counts, reading

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.problem.problem_file import LoadedProblem
    from ambs_hpc.records import Campaign, NewCampaign


def begin_campaign(
    problem_file: Path, settings: SearchSettings, db: str | None, *, tries: bool, is_elsewhere: bool
) -> tuple[Engine, Campaign]:
    """The database and the campaign in it, created, found or revised, with its sources.

    Args:
        tries: import the objective for a trial.
        is_elsewhere: evaluations run on other machines.

    Raises:
        AmbsError: the problem, its objective, a source or the database cannot be used, or the campaign is
            another one; nothing is stored then.
    """
    loaded = load_problem(problem_file)
    wanted = define_campaign(loaded, settings)
    if tries:
        try_objective(loaded, is_elsewhere=is_elsewhere)
    engine = open_engine(db, create=True)
    sources = find_sources(engine, wanted, settings.sources, settings.method)
    campaign = told_campaign(engine, wanted, settings)
    keep_sources(engine, campaign, sources)
    tell_sources(sources)
    for words in (*_first_notes(engine, campaign, loaded), changed_sources(engine, campaign, loaded)):
        if words:
            write(f"ambs: {words}\n", err=True)
    return engine, campaign


def _first_notes(engine: Engine, campaign: Campaign, loaded: LoadedProblem) -> list[str]:
    """What may not be meant of the space, a sentence each; of a campaign that has begun nothing any more."""
    with reading(engine) as connection:
        if any(counts(connection, campaign.id).values()):
            return []
    return [f"note: {one}" for one in space_notes(loaded.problem.configuration_space)]


def tell_endless(campaign: Campaign, settings: SearchSettings, end: str) -> None:
    """Say on stderr that nothing but a person ends the search, where that is so.

    Args:
        end: what ends it.
    """
    if campaign.definition.max_evaluations is None and settings.max_minutes is None:
        told = f"no --max-evaluations and no --max-minutes: it runs until {end}, and keeps what it has found"
        write(f"ambs: {told}\n", err=True)


def told_campaign(engine: Engine, wanted: NewCampaign, settings: SearchSettings) -> Campaign:
    """The stored campaign, created, found or revised; what changed is said in a line on stderr.

    Raises:
        CampaignConflict, UsageError: as `continue_campaign`.
    """
    revised = continue_campaign(engine, wanted, settings)
    if revised.changes:
        write(f"ambs: {revised_line(revised)}\n", err=True)
    return revised.campaign


def revised_line(revised: Revised) -> str:
    """The campaign, its revision and what that changes, in one line."""
    return f"campaign {revised.campaign.name}, revision {revised.campaign.revision}: {revised.words}"


def revised_json(revised: Revised) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "campaign": revised.campaign.name,
        "revision": revised.campaign.revision,
        "words": revised.words,
        "changes": [asdict(one) for one in revised.changes],
        "effects": dict(revised.effects),
    }
