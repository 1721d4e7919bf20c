"""The work of `ambs run`: search and launcher together, one display for both, a summary at the end."""

from __future__ import annotations

from pathlib import Path

from ambs_hpc.api.progress_display import open_display
from ambs_hpc.api.search_and_launcher import SearchAndLauncher
from ambs_hpc.campaign import SearchSettings
from ambs_hpc.cli.shared.hopeless_end import SearchWatch, tell_end
from ambs_hpc.cli.shared.options import chosen_database
from ambs_hpc.cli.shared.stored_campaign import begin_campaign, tell_endless


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
    engine, campaign = begin_campaign(problem_file, settings, db, tries=watch.tries, is_elsewhere=False)
    tell_endless(campaign, settings, "Ctrl-C")
    pair = SearchAndLauncher(engine, campaign, settings, hopeless_after=watch.hopeless_after)
    end = pair.run(chosen_database(db), open_display(campaign.name, quiet=as_json))
    return tell_end(engine, campaign, end.progress, watch, is_over=end.is_done, as_json=as_json)
