"""`ambs why`: the reasons of failures, of one evaluation, of idle slots, of how an allocation stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.shared.options import AsJson, Database, OneCampaign
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.hints import pasteable

if TYPE_CHECKING:
    from ambs_hpc.api.failure_causes import FailureCause
    from ambs_hpc.insight.failure_rules import FailureRule
    from ambs_hpc.insight.waiting_reasons import WaitingReason

SIGNATURES = 10  # explained at once

Question = Annotated[
    str,
    typer.Argument(
        metavar="ID|failed|idle|allocation",
        help="Number of an evaluation; `failed`: what causes the failures; `idle`: why slots are idle; "
        "`allocation N`: how one stands.",
    ),
]
Number = Annotated[int | None, typer.Argument(metavar="[N]", help="Number of the allocation.")]


def why(
    question: Question,
    number: Number = None,
    campaign: OneCampaign = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Say why an evaluation stands as it does, why evaluations fail, why slots are idle.

    Or how an allocation stands, in its scheduler's words. Every answer ends with what to do about it.
    """
    from ambs_hpc.errors import UsageError

    if question == "allocation" and number is not None:
        _why_allocation(number, db, as_json=as_json)
    elif number is not None:
        raise UsageError(f"ambs why {question} {number}: only `ambs why allocation {number}` takes a number.")
    elif question == "idle":
        _why_idle(db, as_json=as_json)
    elif question == "failed":
        _why_failed(campaign, db, as_json=as_json)
    elif question.isascii() and question.isdigit():
        _why_evaluation(int(question), db, as_json=as_json)
    else:
        known = (
            "ask `ambs why 17` about an evaluation (see `ambs list`), `ambs why failed`, `ambs why idle`, or "
            "`ambs why allocation 3` (see `ambs allocations`)"
        )
        raise UsageError(f"ambs why {question}: {known}.")


def _why_evaluation(evaluation_id: int, db: str | None, *, as_json: bool) -> None:
    from dataclasses import asdict

    from ambs_hpc.api.evaluation_reasons import evaluation_reasons
    from ambs_hpc.api.evaluation_words import reason_lines
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import print_json

    reasons = evaluation_reasons(open_engine(db), evaluation_id)
    if not as_json:
        for line in reason_lines(reasons):
            write(f"{line}\n")
        return
    row, known = reasons.story.row, reasons.known
    print_json(
        {
            "id": row.id,
            "campaign": row.campaign,
            "state": row.state.value,
            "failure_kind": row.failure_kind and row.failure_kind.value,
            "proposal": asdict(reasons.story.proposal),
            "known": {
                "ended": known.ended,
                "pending": known.pending,
                "best": known.best and known.best._asdict(),
                "nearest": known.nearest_result and known.nearest_result._asdict(),
                "distance": known.nearest and known.nearest.distance,
            },
            "waiting": list(map(_reason_json, reasons.waiting)),
            "front": None if reasons.front is None else asdict(reasons.front),
        }
    )


def _reason_json(reason: WaitingReason) -> dict[str, Any]:
    """The reason with its command as it can be pasted."""
    from dataclasses import asdict

    return {**asdict(reason), "command": pasteable(reason.command)}


def _why_idle(db: str | None, *, as_json: bool) -> None:
    import time

    from ambs_hpc.api.reasons.slot_idleness import idle_lines, why_slots_idle
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.identity import user_name

    found = why_slots_idle(open_engine(db), user_name(), time.time())
    if as_json:
        print_json({"reasons": list(map(_reason_json, found.reasons)), "unheard": list(found.unheard)})
        return
    for line in idle_lines(found):
        write(f"{line}\n")


def _why_allocation(number: int, db: str | None, *, as_json: bool) -> None:
    import time
    from dataclasses import asdict

    from ambs_hpc.api.reasons.allocation_story import allocation_lines, allocation_story
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.identity import user_name

    story = allocation_story(open_engine(db), number, user_name(), time.time())
    if not as_json:
        for line in allocation_lines(story):
            write(f"{line}\n")
        return
    print_json(
        {
            **asdict(story.row),
            "expected_start_at": story.times.expected_start_at,
            "meaning": story.remedy.meaning,
            "ahead": story.ahead,
            "waiting": [asdict(one) for one in story.waiting],
            "unheard": list(story.unheard),
            "command": pasteable(story.command),
        }
    )


def _why_failed(campaign: str | None, db: str | None, *, as_json: bool) -> None:
    from ambs_hpc.api.choices import only_campaign
    from ambs_hpc.api.failure_causes import failure_causes
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import cell, print_json
    from ambs_hpc.queue import failures, reading

    engine = open_engine(db)
    with reading(engine) as connection:
        chosen = only_campaign(connection, campaign)
        signatures = len(failures(connection, chosen.id))
    causes = failure_causes(engine, chosen, SIGNATURES)
    if as_json:
        print_json({"campaign": chosen.name, "signatures": signatures, "causes": list(map(_as_dict, causes))})
        return
    name = cell(chosen.name)
    if not causes:
        write(f"campaign {name}: nothing has failed. See: ambs status --campaign {name}\n")
        return
    write(f"campaign {name}\n")
    for cause in causes:
        _write_cause(cause)
    if signatures > len(causes):
        rarer = signatures - len(causes)
        where = f"ambs status --campaign {name} --json"
        write(f"\n{rarer} rarer signatures are not explained; they are in: {where}\n")


def _as_dict(cause: FailureCause) -> dict[str, Any]:
    return {
        "kind": cause.group.kind.value,
        "signature": cause.group.signature,
        "said": cause.words.said,
        "said_by_all": cause.words.is_of_all,
        "number": cause.group.number,
        "example_id": cause.group.example_id,
        "compared": {"failed": cause.failed, "succeeded": cause.succeeded},
        "succeeded": cause.all_succeeded,
        "rules": [
            {**_rule_as_dict(rule), "command": None if command is None else pasteable(command)}
            for rule, command in zip(cause.rules, cause.rule_commands, strict=True)
        ],
        "suspicion": cause.suspicion and _rule_as_dict(cause.suspicion),
        "steps": list(map(pasteable, cause.steps)),
    }


def _rule_as_dict(rule: FailureRule) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(rule), "words": rule.words, "precision": rule.precision, "recall": rule.recall}


def _write_cause(cause: FailureCause) -> None:
    from ambs_hpc.cli.shared.output import cell
    from ambs_hpc.insight.rule_words import rule_lines

    group = cause.group
    write(f"\n{group.number} x {group.kind.value}{cell(cause.words.told)}\n")
    if cause.failed < group.number or cause.succeeded < cause.all_succeeded:
        write(
            f"  compared: {cause.failed} of them with {cause.succeeded} of {cause.all_succeeded} successes\n"
        )
    for rule, command in zip(cause.rules, cause.rule_commands, strict=True):
        for line in rule_lines(rule, group.kind.value, command):
            write(f"  {'  ' * line.startswith('  ')}{cell(line)}\n")
    if not cause.rules:
        write(f"  {cell(_without_rule(cause))}\n")
    for step in cause.steps:
        write(f"    {cell(step)}\n")


def _without_rule(cause: FailureCause) -> str:
    """Why there is no rule, in words."""
    from ambs_hpc.insight.failure_rules import LEAST_FAILURES
    from ambs_hpc.insight.rule_words import suspicion_line

    if cause.suspicion is not None:
        return suspicion_line(cause.suspicion, cause.succeeded)
    if not cause.succeeded:
        return "nothing has succeeded, so that there is nothing to compare with: look at what it says"
    if cause.failed < min(LEAST_FAILURES, cause.group.number):
        outside = cause.group.number - cause.failed
        return (
            f"{outside} of them lie outside of the space as it is now, and are left out; run again, they do "
            "not count"
        )
    if cause.failed < LEAST_FAILURES:
        return f"too few for a rule: at least {LEAST_FAILURES} failures are compared with the successes"
    return (
        f"no rule: with {cause.failed} failures and {cause.succeeded} successes, chance would explain any "
        "that there is; the cause lies elsewhere, or shows when there are more"
    )
