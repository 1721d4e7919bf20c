"""The reasons of an evaluation in sentences, the last line a command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from ambs_hpc.api.objectives.goal_summary import why_infeasible
from ambs_hpc.insight.remedies import change_lines
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.queue import goals_of_stored
from ambs_hpc.records import IMPORTED, MANUAL
from ambs_hpc.shown_text import cell, logs_command
from ambs_hpc.states import FailureKind, Move, State

if TYPE_CHECKING:
    from ambs_hpc.api.evaluation_reasons import EvaluationReasons, KnownThen
    from ambs_hpc.api.objectives.front_place import FrontStanding
    from ambs_hpc.insight.nearest_known import NearestKnown
    from ambs_hpc.problem.goals import Goals
    from ambs_hpc.queue import Event, RungResult
    from ambs_hpc.records import Resources

MOST_DIFFERENCES = 6  # parameters that are listed
ACQUISITION_WORDS = "score among the candidates, on the model's own scale, lower is better"

_KINDS = {
    "start": "it is one of the problem's starting points",
    "design": "it belongs to the design, which covers the space before a model says anything",
    "source": "results of another problem, from which the campaign starts warm, speak for it",
    "model": "the model of the objective found it the most promising of many candidates",
    "random": "it was drawn at random, where no model had a say",
    MANUAL: "a person added it",
    IMPORTED: "it was not proposed: its result is from elsewhere",
}


def reason_lines(reasons: EvaluationReasons) -> Iterator[str]:
    """Why it was proposed and why it stands as it does, line by line; the last one is a command."""
    row = reasons.story.row
    kind = f" {row.failure_kind.value}" if row.failure_kind else ""
    yield f"evaluation {row.id} of {cell(row.campaign)}: {row.state.value}{kind}"
    proposal = reasons.story.proposal
    goals = goals_of_stored(reasons.story.campaign)
    because = "" if proposal.kind == IMPORTED else "proposed because "
    yield f"{because}{_kind_words(proposal.kind, goals)}"
    if proposal.mean is not None:
        spread = "" if proposal.std is None else f" +/- {cell(proposal.std)}"
        yield f"  {predicted_what(goals)}: {cell(proposal.mean)}{spread}"
    if proposal.acquisition is not None:
        yield f"  acquisition: {cell(proposal.acquisition)} ({ACQUISITION_WORDS})"
    if proposal.kind != IMPORTED:
        yield from _of_knowledge(reasons.known, goals)
    yield from _of_state(reasons)


def predicted_what(goals: Goals) -> str:
    """What the one prediction that is stored of a proposal is of."""
    return f"predicted {cell(goals.names[0])}" if goals.has_several else "predicted objective"


def occupied(one: Resources) -> str:
    """What an evaluation occupies, in words; per node, where there are several."""
    parts = ["the whole node"] if one.takes_whole_nodes else []
    parts += [f"{one.cores} core{'s' * (one.cores > 1)}"]
    parts += [f"{one.gpus} GPU{'s' * (one.gpus > 1)}"] if one.gpus else []
    parts += [f"{one.memory_gib:g} GiB of memory"] if one.memory_gib else []
    parts += [f"{one.ranks_per_node} ranks"] if one.ranks_per_node > 1 else []
    on_each = f"{one.nodes} nodes, on each " if one.nodes > 1 else ""
    return on_each + ", ".join(parts)


def followed(one: RungResult, events: Sequence[Event]) -> str:
    """What became of an evaluation at a rung, in a word or two; it may have ended before its pause.

    Args:
        events: all of the evaluation's.
    """
    if one.kept or one.promoted_at is not None:
        return "ran on" if one.kept else "promoted"
    ends = [event.move for event in events if event.move in (Move.CLAIM, Move.PAUSE)]
    is_paused = ends[-1:] == [Move.PAUSE]
    was_paused = any(event.move is Move.PAUSE and event.at >= one.at for event in events)
    if one.state is State.PAUSED or (is_paused if one.is_held else was_paused and one.state.is_final):
        return "paused"
    if one.state.is_final:
        return str(one.state.value).lower()
    return "is to pause" if one.is_held else "to be judged again"


def _kind_words(kind: str, goals: Goals) -> str:
    if kind != "model" or not goals.has_several:
        return _KINDS.get(kind, cell(kind))
    bounds = " within the constraints of then" if goals.constraints else ""  # they may have been revised
    names = " and ".join(goals.names)
    return cell(f"the models of {names} found it the most promising addition to the front{bounds}")


def _of_knowledge(known: KnownThen, goals: Goals) -> Iterator[str]:
    yield f"  known then: {known.ended} evaluations had ended, {known.pending} were pending"
    if known.best is not None:
        yield f"  best then: {cell(known.best.objective)} (evaluation {known.best.id})"
    near, failed = known.nearest, known.nearest_failed
    if near is not None and known.nearest_result is not None:
        which = f"{cell(goals.names[0])} " if goals.has_several else ""
        told = f"{which}{cell(known.nearest_result.objective)} (evaluation {known.nearest_result.id})"
        yield f"  nearest result then: {told}, at {_apart(near)}"
    if failed is not None and known.nearest_failure is not None and _is_nearer(failed, near):
        told = f"{known.nearest_failure.kind.value} (evaluation {known.nearest_failure.id})"
        yield f"  nearer to it a failure then: {told}, at {_apart(failed)}"


def _is_nearer(one: NearestKnown, other: NearestKnown | None) -> bool:
    return other is None or one.distance < other.distance


def _apart(nearest: NearestKnown) -> str:
    names = list(nearest.differences.items())
    changes = [
        f"{name} {_value(there)} -> {_value(here)}" for name, (there, here) in names[:MOST_DIFFERENCES]
    ]
    if len(names) > MOST_DIFFERENCES:
        changes.append(f"{len(names) - MOST_DIFFERENCES} more")
    differs = cell(", ".join(changes)) or "nothing differs"
    return f"a distance of {nearest.distance:.2g}: {differs}"


def _value(value: object) -> str:
    return "inactive" if value is None else cell(value)


def _of_state(reasons: EvaluationReasons) -> Iterator[str]:
    row = reasons.story.row
    match row.state:
        case State.READY:
            yield from _of_waiting(reasons)
        case State.RUNNING:
            if reasons.unsure:
                yield f"attempt {row.attempt}, perhaps lost: {cell(reasons.unsure)}"
                yield "  ambs why idle"
                return
            if not row.node:
                yield f"leased: attempt {row.attempt}, by launcher {row.launcher_id}; not known to run yet"
                yield f"  ambs show {row.id}"
                return
            yield f"running: attempt {row.attempt}, on {cell(row.node)}"
            yield f"  ambs logs {row.id} --follow"
        case State.PAUSED:
            detail = reasons.story.events[-1].detail if reasons.story.events else ""
            told = (detail or "paused").partition(chr(10))[0]
            # Promoted before it was ended, or since, and held by what it had reported: no event says so.
            yield cell(told if reasons.held in told else f"paused: {reasons.held}")
            yield "  it goes on where others come to its rung and it is among the best of them then"
            yield f"  ambs show {row.id}; to let it run on all the same: ambs rerun {row.id}"
        case State.DONE:
            yield from _of_result(reasons)
        case State.FAILED:
            yield f"failed: {cell(row.error.strip().splitlines()[-1] if row.error.strip() else '')}"
            if row.failure_kind is FailureKind.LOST:
                yield f"  the machine ended it {row.interruptions} times"
                yield f"  ambs nodes; ambs show {row.id}; then: ambs rerun {row.id}"
                return
            yield f"  whether its configuration is to blame: ambs why failed --campaign {quote(row.campaign)}"
            yield f"  {_log_with_words(reasons)}"
            lines = change_lines(row.failure_kind or FailureKind.ERROR, "it")
            yield from (f"  {line}" for line in lines[:-1])
            yield f"  {lines[-1]}: ambs rerun {row.id}"
        case State.CANCELLED:
            detail = reasons.story.events[-1].detail if reasons.story.events else ""
            yield f"cancelled{': ' + cell(detail) if detail else ''}"
            yield f"  ambs rerun {row.id}"


def _log_with_words(reasons: EvaluationReasons) -> str:
    """The command for the stream of a failure; what was silent on stderr may have spoken on stdout."""
    row, run_directory = reasons.story.row, reasons.story.campaign.definition.run_directory
    stderr = Path(attempt_folder(run_directory, row.ordinal, row.attempt), "stderr")
    try:
        is_silent = stderr.stat().st_size == 0
    except OSError:  # on a file system of elsewhere
        is_silent = False
    return logs_command(row.id, None if is_silent else row.failure_kind)


def _of_waiting(reasons: EvaluationReasons) -> Iterator[str]:
    back = [event for event in reasons.story.events if event.move in (Move.RELEASE, Move.SWEEP, Move.RETRY)]
    if back:
        said = f": {cell((back[-1].detail or '').partition(chr(10))[0])}" if back[-1].detail else ""
        yield f"it has run before and came back {len(back)} times, at last by a {back[-1].move.value}{said}"
    yield "not running because"
    for one in reasons.waiting:
        yield f"  {one.words}"
        yield f"    {one.command}"


def _of_result(reasons: EvaluationReasons) -> Iterator[str]:
    row, proposal = reasons.story.row, reasons.story.proposal
    goals = goals_of_stored(reasons.story.campaign)
    words, which = f"result: {cell(row.objective)}", ", "
    if goals.has_several and row.objective is not None:
        values = goals.values(row.objective, row.metrics)
        words = "result: " + ", ".join(f"{name} {cell(value)}" for name, value in values.items())
        which = f"; {goals.names[0]}, "
    if proposal.mean is not None and proposal.std and row.objective is not None:
        off = (row.objective - proposal.mean) / proposal.std
        side = "above" if off > 0 else "below"
        words += f"{which}{abs(off):.1f} standard deviations {side} the prediction"
    yield words
    if reasons.front is not None:
        yield f"  {_front_words(reasons.front)}"
    infeasible = why_infeasible(goals, row) if row.objective is not None else ""
    if infeasible:
        yield f"  not feasible: {cell(infeasible)}"
    yield f"  ambs show {row.id}"


def _front_words(front: FrontStanding) -> str:
    if front.dominating_id is None:
        others = f", with {front.size - 1} others" if front.size > 1 else ""
        return f"on the front{others}: no result is as good in all objectives and better in one"
    values = ", ".join(f"{name} {cell(value)}" for name, value in (front.values or {}).items())
    return f"not on the front: evaluation {front.dominating_id} dominates it ({values})"
