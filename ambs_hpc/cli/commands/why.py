"""`ambs why`: the reasons of failures, with the commands that mend them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import write

if TYPE_CHECKING:
    from ambs_hpc.api.failure_causes import FailureCause
    from ambs_hpc.insight.failure_rules import FailureRule

SIGNATURES = 10  # explained at once

Question = Annotated[str, typer.Argument(metavar="QUESTION", help="`failed`: what causes the failures.")]


def why(
    question: Question, campaign: CampaignName = None, db: Database = None, as_json: AsJson = False
) -> None:
    """Say under which configurations evaluations fail, how sure that is, and what to do about it."""
    from ambs_hpc.errors import UsageError

    if question == "failed":
        _why_failed(campaign, db, as_json=as_json)
        return
    raise UsageError(f"ambs why {question}: ask `ambs why failed`.")


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
    if not causes:
        write(f"campaign {cell(chosen.name)}: nothing has failed. See: ambs status\n")
        return
    write(f"campaign {cell(chosen.name)}\n")
    for cause in causes:
        _write_cause(cause)
    if signatures > len(causes):
        rarer = signatures - len(causes)
        write(f"\n{rarer} rarer signatures are not explained; they are in: ambs status --json\n")


def _as_dict(cause: FailureCause) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "kind": cause.group.kind.value,
        "signature": cause.group.signature,
        "number": cause.group.number,
        "example_id": cause.group.example_id,
        "compared": {"failed": cause.failed, "succeeded": cause.succeeded},
        "succeeded": cause.all_succeeded,
        "rules": [
            {
                **asdict(rule),
                "words": rule.words,
                "precision": rule.precision,
                "recall": rule.recall,
                "command": command,
            }
            for rule, command in zip(cause.rules, cause.rule_commands, strict=True)
        ],
        "steps": list(cause.steps),
    }


def _write_cause(cause: FailureCause) -> None:
    from ambs_hpc.cli.shared.output import cell

    group = cause.group
    write(f"\n{group.number} x {group.kind.value}: {cell(group.signature)}\n")
    if cause.failed < group.number or cause.succeeded < cause.all_succeeded:
        write(
            f"  compared: {cause.failed} of them with {cause.succeeded} of {cause.all_succeeded} successes\n"
        )
    for rule, command in zip(cause.rules, cause.rule_commands, strict=True):
        write(f"  {rule.failed} of {rule.all_failed} {group.kind.value}: {cell(rule.words)}\n")
        write(f"    {_evidence(rule)}\n")
        if command is not None:
            write(f"    to leave these out: {cell(command)}\n")
    if not cause.rules:
        write(f"  {_without_rule(cause)}\n")
    for step in cause.steps:
        write(f"    {cell(step)}\n")


def _evidence(rule: FailureRule) -> str:
    """What speaks for the rule, in words."""
    elsewhere = rule.all_failed - rule.failed, rule.compared - rule.inside
    chance = f"{rule.p_value:.0e}" if rule.p_value > 1e-12 else "1e-12 or less"
    words = [
        f"of {rule.inside} evaluations there {rule.failed} failed so ({rule.precision:.0%})",
        f"of {elsewhere[1]} others {elsewhere[0]}",
    ]
    told = f"{', '.join(words)}; by chance: {chance}"
    if rule.held_out_precision is None or rule.held_out_recall is None:
        return f"{told}; too few to try it on others"
    return (
        f"{told}; on evaluations that it was not made from: {rule.held_out_precision:.0%} right, "
        f"{rule.held_out_recall:.0%} of the failures found"
    )


def _without_rule(cause: FailureCause) -> str:
    """Why there is no rule, in words."""
    from ambs_hpc.insight.failure_rules import LEAST_FAILURES

    if not cause.succeeded:
        return "nothing has succeeded, so that there is nothing to compare with: look at what it says"
    if cause.failed < LEAST_FAILURES:
        return f"too few for a rule: at least {LEAST_FAILURES} failures are compared with the successes"
    return (
        f"no rule: {cause.failed} of them have no values, and no node, in common that {cause.succeeded} "
        "successes do not have as well"
    )
