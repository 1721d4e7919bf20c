"""The summary at the end of a run: the best configuration, compared with the first starting point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ambs_hpc.api.objectives.goal_summary import standing_of, why_infeasible
from ambs_hpc.api.outside_note import outside_note
from ambs_hpc.api.progress_words import described_states
from ambs_hpc.cli.shared.output import cell, print_json
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.queue import (
    EvaluationRow,
    FailureGroup,
    FailureWords,
    best,
    counts,
    failure_words,
    failures,
    first_proposal,
    goals_of_stored,
    number_running,
    reading,
    result_note,
)
from ambs_hpc.states import State

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Campaign


FAILURES_TOLD = 3


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a campaign.

    Args:
        first: the user's first starting point, if there was one.
        trouble: why nothing has succeeded, in several lines; "" otherwise.
        note: what was remarked about the best result; "" for nothing.
        failed: the most frequent failures, counted, in their own words; "" without any.
        goals: how it stands to several objectives and to constraints, in lines.
        objectives: their names, the first one decides which is the best.
        is_kept: whether the best result is known to keep the constraints.
        running: evaluations that run for certain; the others that are RUNNING are leased.
    """

    campaign: str
    direction: str
    database: str
    counts: dict[str, int]
    best: EvaluationRow | None
    first: EvaluationRow | None
    trouble: str = ""
    note: str = ""
    failed: str = ""
    goals: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    is_kept: bool = True
    running: int = 0


def summary_of(engine: Engine, campaign: Campaign) -> Summary:
    """The summary of a campaign, read from the database."""
    definition = campaign.definition
    with reading(engine) as connection:
        by_state, running = counts(connection, campaign.id), number_running(connection, campaign.id)
        leading = best(connection, campaign.id, 1)
        notes = [result_note(connection, one.id) for one in leading]
        notes += [outside_note(campaign, one.configuration) for one in leading]
        groups = failures(connection, campaign.id)
        said = failure_words(connection, campaign.id, groups[:FAILURES_TOLD])
        broken = [why_infeasible(goals_of_stored(campaign), one) for one in leading]
        standing = standing_of(connection, campaign)
        first = None
        if definition.problem.get("starting_points"):
            first = first_proposal(connection, campaign.id)
    return Summary(
        campaign=campaign.name,
        direction=definition.direction,
        database=engine.url.render_as_string(hide_password=True),
        counts={state.value: number for state, number in by_state.items()},
        running=running,
        best=leading[0] if leading else None,
        first=first,
        note=". ".join(filter(None, [*notes, *broken])),
        failed=_failed(groups, said),
        goals=() if standing is None else tuple(standing.lines()),
        objectives=goals_of_stored(campaign).names,
        is_kept=not any(broken),
    )


def _failed(groups: Sequence[FailureGroup], said: Sequence[FailureWords]) -> str:
    """The kinds of failures with what they said, and how many more kinds there are."""
    told = [f"{one.number} x {one.kind.value}{words.told}" for one, words in zip(groups, said, strict=False)]
    rarer = sum(one.number for one in groups[len(said) :])
    return "; ".join([*told, f"{rarer} more of rarer kinds"] if rarer else told)


def write_summary(summary: Summary, *, as_json: bool) -> None:
    """Print the summary on stdout."""
    if as_json:
        print_json(asdict(summary))
        return
    counts = {State(state): number for state, number in summary.counts.items()}
    numbers = described_states(counts, summary.running)
    write(f"\nCampaign {cell(summary.campaign)}: {numbers or 'nothing yet'}\n")
    if summary.failed:
        why = f"ambs why failed --campaign {summary.campaign}"
        write(f"Failed: {cell(summary.failed)} (under which configurations: {why})\n")
    if summary.best is None:
        return
    leading = summary.best
    for line in summary.goals:
        write(f"{cell(line[0].upper() + line[1:])}\n")
    which = "Best by the first objective" if len(summary.objectives) > 1 else "Best objective"
    if not summary.is_kept:  # a better one may break them more
        which = f"Nearest to keeping the constraints: {summary.objectives[0]}"
    write(f"{which} ({summary.direction}d): {cell(leading.objective)}, evaluation {leading.id}\n")
    width = max(len(name) for name in summary.best.configuration)
    for name, value in summary.best.configuration.items():
        write(f"  {cell(name):<{width}}  {cell(value)}\n")
    if summary.note:
        write(f"{cell(summary.note)}\n")
    first = summary.first
    if first is not None and first.id != summary.best.id:
        told = cell(first.objective) if first.objective is not None else first.state.value.lower()
        write(f"The first starting point, evaluation {first.id}: {told}\n")
    where = summary.database.partition("?")[0]  # of a private server's URL the rest is a screenful
    name = summary.campaign
    write(f"In {where}: ambs list --campaign {name}, ambs show {leading.id}, ambs report --campaign {name}\n")
