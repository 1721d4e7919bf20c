"""`ambs show`: everything that is known about an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.shared.options import AsJson, Database
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.records import IMPORTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ambs_hpc.queue import EvaluationStory, Event, ProvenanceUse, Report, RungResult
    from ambs_hpc.states import Move

LAST_REPORTS = 10

EvaluationId = Annotated[int, typer.Argument(metavar="ID", help="Number of the evaluation, see `ambs list`.")]


def show(evaluation_id: EvaluationId, db: Database = None, as_json: AsJson = False) -> None:
    """Show the configuration, why it was proposed, its attempts, events, reports and files."""
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.insight.provenance_words import use_of
    from ambs_hpc.queue import (
        provenance_of,
        reading,
        report_counts,
        reports_of,
        rungs_of,
        show_evaluation,
    )

    with reading(open_engine(db)) as connection:
        story = show_evaluation(connection, evaluation_id)
        reports = reports_of(connection, evaluation_id, None if as_json else LAST_REPORTS)
        kept, thinned = report_counts(connection, evaluation_id)
        rungs = rungs_of(connection, evaluation_id)
        uses = provenance_of(connection, story.campaign.id)
    ran_with = use_of(uses, story.row.launcher_id, story.row.finished_at)
    if as_json:
        told = _as_dict(story, reports, ran_with)
        print_json({**told, "rungs": [_rung_dict(one, story.events) for one in rungs]})
    else:
        _write(story, ran_with)
        _write_rungs(rungs, story.events)
        _write_reports(reports, kept, thinned)


def _as_dict(
    story: EvaluationStory, reports: Sequence[Report], ran_with: ProvenanceUse | None
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(story.row),
        "proposal": asdict(story.proposal),
        "resources": asdict(story.resources),
        "time_limit_seconds": story.time_limit_seconds,
        "fidelity": story.campaign.definition.problem.get("fidelity"),
        "folder": None if story.proposal.kind == IMPORTED else _folder(story),
        "revision": {
            "number": story.revision.number,
            "at": story.revision.at,
            "who": story.revision.who,
            "words": story.revision.words,
            "newest": story.campaign.revision,
        },
        "provenance": None if ran_with is None else asdict(ran_with),
        "events": [asdict(event) for event in story.events],
        "reports": [asdict(report) for report in reports],
    }


def _folder(story: EvaluationStory) -> str:
    from ambs_hpc.api.kept_files.attempt_files import folder_of

    return folder_of(story, max(story.row.attempt, 1))


def _write(story: EvaluationStory, ran_with: ProvenanceUse | None) -> None:
    from ambs_hpc.api.evaluation_words import occupied
    from ambs_hpc.cli.shared.output import cell, print_table, utc

    row, proposal = story.row, story.proposal
    kind = f" {row.failure_kind.value}" if row.failure_kind else ""
    write(f"evaluation {row.id} of {cell(row.campaign)}, number {row.ordinal}: {row.state.value}{kind}\n")
    _write_result(story)
    write("configuration\n")
    for name, value in row.configuration.items():
        write(f"  {cell(name)} = {cell(value)}\n")
    _write_proposal(story)
    if proposal.kind != IMPORTED:
        write(f"resources      {occupied(story.resources)}\n")
        write(_fidelity_line(story))
        if story.campaign.revision > 1:
            write(f"revision       {cell(_revision(story))}\n")
        write(f"files          {_folder(story)}\n")
    _write_provenance(ran_with)
    if row.error:
        write(f"error\n{_indented(row.error)}\n")
    columns = ("time (UTC)", "move", "attempt", "launcher", "node", "detail")
    print_table(
        columns,
        (
            (
                utc(event.at),
                event.move.value,
                event.attempt,
                event.launcher_id,
                event.node,
                told_line(event.move, event.detail) or _of_revision(event),
            )
            for event in story.events
        ),
    )


def _fidelity_line(story: EvaluationStory) -> str:
    from ambs_hpc.cli.shared.output import cell
    from ambs_hpc.fidelity import fidelity_from_json

    fidelity = fidelity_from_json(story.campaign.definition.problem.get("fidelity"))
    return "" if fidelity is None else f"fidelity       {cell(fidelity.words)}\n"


def _rung_dict(one: RungResult, events: Sequence[Event]) -> dict[str, Any]:
    from ambs_hpc.api.evaluation_words import followed

    names = ("rung", "step", "value", "kept", "promoted_at", "reason")
    return {**{name: getattr(one, name) for name in names}, "then": followed(one, events)}


def _write_rungs(rungs: Sequence[RungResult], events: Sequence[Event]) -> None:
    """What it came to at rungs, and what followed; nothing where it has come to none."""
    from ambs_hpc.api.evaluation_words import followed
    from ambs_hpc.cli.shared.output import print_table

    if not rungs:
        return
    write("rungs\n")
    print_table(
        ("rung", "at step", "objective", "then", "because"),
        ((one.rung, one.step, one.value, followed(one, events), one.reason) for one in rungs),
    )


def _write_proposal(story: EvaluationStory) -> None:
    from ambs_hpc.api.evaluation_words import ACQUISITION_WORDS, predicted_what
    from ambs_hpc.cli.shared.output import cell
    from ambs_hpc.queue import goals_of_stored

    proposal = story.proposal
    write(f"proposed as    {proposal.kind}")
    if proposal.mean is not None:
        what = predicted_what(goals_of_stored(story.campaign))
        write(f": {what} {cell(proposal.mean)} +/- {cell(proposal.std)}")
    if proposal.acquisition is not None:
        write(f"\n{'':<15}acquisition {cell(proposal.acquisition)} ({ACQUISITION_WORDS})")
    write("\n")


def _write_provenance(ran_with: ProvenanceUse | None) -> None:
    from ambs_hpc.cli.shared.output import cell
    from ambs_hpc.provenance.comparison_words import facts_words

    if ran_with is not None:
        write(f"ran with       {cell(facts_words(ran_with.facts))} (digest {ran_with.digest[:10]})\n")


def _write_result(story: EvaluationStory) -> None:
    from ambs_hpc.api.objectives.goal_summary import why_infeasible
    from ambs_hpc.cli.shared.output import cell
    from ambs_hpc.queue import goals_of_stored

    row = story.row
    write(f"objective      {cell(row.objective) or 'none'}\n")
    if row.metrics:
        write(f"metrics        {cell(dict(row.metrics))}\n")
    infeasible = why_infeasible(goals_of_stored(story.campaign), row) if row.objective is not None else ""
    if infeasible:
        write(f"not feasible   {cell(infeasible)}\n")


def _write_reports(reports: Sequence[Report], kept: int, thinned: int) -> None:
    """The last of them; nothing where the evaluation told of nothing."""
    from ambs_hpc.cli.shared.output import cell, print_table, utc

    if not reports:
        return
    left_out = f", {thinned} more were thinned out" if thinned else ""
    shown = f"; the last {len(reports)}" if kept > len(reports) else ""
    write(f"reports        {kept} kept{left_out}{shown}\n")
    print_table(
        ("time (UTC)", "step", "objective", "attempt", "metrics"),
        (
            (
                utc(one.at),
                one.step,
                one.objective,
                one.attempt,
                cell(dict(one.metrics)) if one.metrics else "",
            )
            for one in reports
        ),
    )


def _revision(story: EvaluationStory) -> str:
    """Under which revision it waits, runs or ran, in words."""
    from ambs_hpc.states import State

    verb = {State.READY: "waits", State.RUNNING: "runs", State.PAUSED: "is paused"}.get(
        story.row.state, "ran"
    )
    if story.row.state is State.RUNNING and not story.row.node:
        verb = "is leased"
    if not story.row.attempt and story.row.state.is_final:
        verb = "waited"
    return (
        f"{verb} under revision {story.revision.number} of {story.campaign.revision}: {story.revision.words}"
    )


def _of_revision(event: Event) -> str:
    return f"revision {event.revision}" if event.revision is not None and event.revision > 1 else ""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip().splitlines())


def told_line(move: Move, text: str | None) -> str:
    """One line of an event's words: of a failure the last, where Python says what was raised."""
    from ambs_hpc.states import Move

    lines = [line for line in (text or "").splitlines() if line.strip()] or [""]
    return lines[-1].strip() if move in (Move.FAIL, Move.RETRY) else lines[0]
