"""Why nothing came of a search, in the words of a failure, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.queue import EvaluationStory, counts, failures, reading, show_evaluation
from ambs_hpc.states import FailureKind, State

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.campaign import Hopeless
    from ambs_hpc.records import Campaign

ERROR_LINES = 12


def why_nothing_succeeded(engine: Engine, campaign: Campaign, hopeless: Hopeless | None) -> str:
    """Why a campaign has no result though evaluations have failed, in several lines; "" where it has one."""
    with reading(engine) as connection:
        by_state = counts(connection, campaign.id)
        failed = by_state[State.FAILED]
        if by_state[State.DONE] or not failed:
            return ""
        example_id = hopeless.example_id if hopeless else failures(connection, campaign.id)[0].example_id
        story = show_evaluation(connection, example_id)
    return "\n".join([_verdict(failed, hopeless), *_example(story), *_remedy(campaign.name, hopeless)])


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


def _remedy(campaign: str, hopeless: Hopeless | None) -> list[str]:
    again = f"ambs rerun --failed --campaign {campaign}"
    mended = f"When the cause is mended: {again}, then the same command again."
    goes_on = " With --keep-going the search goes on whatever fails."
    return [mended + (goes_on if hopeless else "")]
