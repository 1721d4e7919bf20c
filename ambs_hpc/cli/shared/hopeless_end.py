"""The end of a search that nothing came of: why, in the words of a failure, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ambs_hpc.api.hopeless_words import why_nothing_succeeded
from ambs_hpc.cli.shared.exit_codes import EXIT_STOPPED
from ambs_hpc.cli.shared.summary import summary_of, write_summary
from ambs_hpc.cli.shared.terminal import echo, write
from ambs_hpc.errors import NoLegalConfiguration, NothingSucceeded
from ambs_hpc.launcher.search_process import HOPELESS_STATUS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.campaign import Progress
    from ambs_hpc.records import Campaign


@dataclass(frozen=True, slots=True)
class SearchWatch:
    """What a search looks at before it begins and while it runs.

    Args:
        hopeless_after: number of first evaluations that fail alike after which it stops; None for never.
        tries: whether to import the objective's module for a trial.
        is_beside_launcher: a launcher has started it, and asks by the exit status whether it is hopeless.
    """

    hopeless_after: int | None
    tries: bool = True
    is_beside_launcher: bool = False


def tell_end(
    engine: Engine,
    campaign: Campaign,
    progress: Progress,
    watch: SearchWatch,
    *,
    is_over: bool,
    as_json: bool,
) -> int:
    """Print the summary of a search; returns its exit status.

    Args:
        is_over: what was asked was done, or the time is up; otherwise it was stopped, unless it is hopeless.

    Raises:
        NothingSucceeded: evaluations have failed and none has succeeded; the message has the words of one.
        NoLegalConfiguration: nothing more could be proposed before the budget was spent.
    """
    summary = summary_of(engine, campaign)
    if is_over or progress.hopeless:
        trouble = why_nothing_succeeded(engine, campaign, progress.hopeless)
        summary = replace(summary, trouble=trouble)
    write_summary(summary, as_json=as_json)
    if progress.is_complete and progress.dead_end:
        raise NoLegalConfiguration(progress.dead_end)
    if summary.trouble and watch.is_beside_launcher:
        echo(summary.trouble, err=True)
        return HOPELESS_STATUS
    if summary.trouble:
        raise NothingSucceeded(summary.trouble)
    if not is_over and not as_json:
        write("ambs: stopped before it was done; the same command goes on.\n", err=True)
    return 0 if is_over else EXIT_STOPPED
