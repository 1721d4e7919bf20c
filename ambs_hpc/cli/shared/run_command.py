"""The work of `ambs run`: search and launcher together, one display for both, a summary at the end."""

from __future__ import annotations

from pathlib import Path

from ambs_hpc.api.progress_display import open_display
from ambs_hpc.api.search_and_launcher import SearchAndLauncher
from ambs_hpc.campaign import SearchSettings, define_campaign, find_sources, keep_sources
from ambs_hpc.cli.shared.exit_codes import EXIT_STOPPED
from ambs_hpc.cli.shared.options import chosen_database, open_engine
from ambs_hpc.cli.shared.revised import told_campaign
from ambs_hpc.cli.shared.source_lines import tell_sources
from ambs_hpc.cli.shared.summary import summary_of, write_summary
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.errors import NoLegalConfiguration
from ambs_hpc.problem import load_problem


def run_campaign(problem_file: Path, settings: SearchSettings, db: str | None, *, as_json: bool) -> int:
    """Search and launch until the budget is spent, the time is up, or a person stops it.

    Returns:
        0 when what was asked was done, EXIT_STOPPED when it was stopped before.

    Raises:
        AmbsError: nothing could be started, the launcher ended with an error, or no legal configuration
            was found before the budget was spent.
    """
    wanted = define_campaign(load_problem(problem_file), settings)
    engine = open_engine(db, create=True)
    sources = find_sources(engine, wanted, settings.sources)
    campaign = told_campaign(engine, wanted, settings)
    keep_sources(engine, campaign, sources)
    tell_sources(sources)
    pair = SearchAndLauncher(engine, campaign, settings)
    end = pair.run(chosen_database(db), open_display(campaign.name, quiet=as_json))
    write_summary(summary_of(engine, campaign), as_json=as_json)
    if end.dead_end:
        raise NoLegalConfiguration(end.dead_end)
    if not end.is_done and not as_json:
        write("ambs: stopped before it was done; the same command goes on.\n", err=True)
    return 0 if end.is_done else EXIT_STOPPED
