"""The end of a search that nothing came of: why, in the words of a failure, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ambs_hpc.cli.shared.exit_codes import EXIT_STOPPED
from ambs_hpc.cli.shared.summary import Summary, summary_of, write_summary
from ambs_hpc.cli.shared.terminal import echo, write
from ambs_hpc.errors import NoLegalConfiguration, NothingSucceeded
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.launcher.search_process import HOPELESS_STATUS
from ambs_hpc.queue import EvaluationStory, failures, reading, show_evaluation
from ambs_hpc.states import FailureKind, State

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.campaign import Hopeless, Progress
    from ambs_hpc.records import Campaign

ERROR_LINES = 12


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
        trouble = _why_nothing_succeeded(engine, campaign, summary, progress.hopeless)
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


def _why_nothing_succeeded(
    engine: Engine, campaign: Campaign, summary: Summary, hopeless: Hopeless | None
) -> str:
    """Why a campaign has no result though evaluations have failed, in several lines; "" where it has one."""
    failed = summary.counts[State.FAILED.value]
    if summary.counts[State.DONE.value] or not failed:
        return ""
    with reading(engine) as connection:
        example_id = hopeless.example_id if hopeless else failures(connection, campaign.id)[0].example_id
        story = show_evaluation(connection, example_id)
    return "\n".join([_verdict(failed, hopeless), *_example(story), *_remedy(hopeless)])


def _verdict(failed: int, hopeless: Hopeless | None) -> str:
    if hopeless is None:
        return f"Nothing succeeded: {_all_of(failed)} failed."
    return (
        f"The first {hopeless.failures} evaluations have all failed alike and none has succeeded, so the "
        "search has stopped. What waits stays in the queue."
    )


def _all_of(failed: int) -> str:
    return "the one evaluation that ended has" if failed == 1 else f"all {failed} evaluations that ended have"


def _example(story: EvaluationStory) -> list[str]:
    row = story.row
    is_silent = row.failure_kind is FailureKind.BAD_RESULT  # it ended well: what it printed tells more
    option, file = ("", "stdout") if is_silent else (" --stderr", "stderr")
    folder = attempt_folder(story.campaign.definition.run_directory, row.ordinal, row.attempt)
    kind = row.failure_kind.value if row.failure_kind else row.state.value
    lines = row.error.strip().splitlines()[-ERROR_LINES:]
    return [
        f"Evaluation {row.id}, {kind}:",
        *(f"  {line}" for line in lines),
        f"Its log: ambs logs {row.id}{option}, which is {folder}/{file}",
    ]


def _remedy(hopeless: Hopeless | None) -> list[str]:
    mended = "When the cause is mended: ambs rerun --failed, then the same command again."
    goes_on = " With --keep-going the search goes on whatever fails."
    return [mended + (goes_on if hopeless else "")]
