"""The work of `ambs run`: search and launcher together, one display for both, a summary at the end."""

from __future__ import annotations

from pathlib import Path

from ambs_hpc.api.progress_display import open_display
from ambs_hpc.api.search_and_launcher import SearchAndLauncher
from ambs_hpc.campaign import SearchSettings, define_campaign, find_sources, keep_sources
from ambs_hpc.cli.shared.hopeless_end import SearchWatch, tell_end
from ambs_hpc.cli.shared.objective_trial import try_objective
from ambs_hpc.cli.shared.options import chosen_database, open_engine
from ambs_hpc.cli.shared.revised import told_campaign
from ambs_hpc.cli.shared.source_lines import tell_sources
from ambs_hpc.problem import load_problem


def run_campaign(
    problem_file: Path, settings: SearchSettings, db: str | None, watch: SearchWatch, *, as_json: bool
) -> int:
    """Search and launch until the budget is spent, the time is up, or a person stops it.

    Returns:
        0 when what was asked was done, EXIT_STOPPED when it was stopped before.

    Raises:
        AmbsError: nothing could be started, the launcher ended with an error, no legal configuration was
            found before the budget was spent, or nothing succeeded, of all or of the first that should tell.
    """
    loaded = load_problem(problem_file)
    wanted = define_campaign(loaded, settings)
    if watch.tries:
        try_objective(loaded, is_elsewhere=False)
    engine = open_engine(db, create=True)
    sources = find_sources(engine, wanted, settings.sources, settings.method)
    campaign = told_campaign(engine, wanted, settings)
    keep_sources(engine, campaign, sources)
    tell_sources(sources)
    pair = SearchAndLauncher(engine, campaign, settings, hopeless_after=watch.hopeless_after)
    end = pair.run(chosen_database(db), open_display(campaign.name, quiet=as_json))
    return tell_end(engine, campaign, end.progress, watch, is_over=end.is_done, as_json=as_json)
