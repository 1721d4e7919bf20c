"""The campaign that `ambs run` and `ambs search` begin with: tried, stored, and told where it changes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from sqlalchemy import Engine

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
    return engine, campaign


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
