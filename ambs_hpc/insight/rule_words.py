"""Rules about failures in sentences: what speaks for them, how sure they are, what leaves them out."""

from __future__ import annotations

from collections.abc import Iterator

from ambs_hpc.insight.failure_rules import FailureRule, words_of
from ambs_hpc.insight.rule_conditions import Condition


def rule_lines(rule: FailureRule, kind: str, command: str | None) -> Iterator[str]:
    """A rule, what speaks for it, and the command that leaves out what it describes.

    Args:
        kind: of the failures.
        command: of `remedies.remedy_of_rule`.
    """
    yield f"{rule.failed} of {rule.all_failed} {kind}: {rule.words}"
    yield f"  {_evidence(rule)}"
    if rule.exact:
        yield f"  {exact_words(rule)}"
    yield from (f"  {words}" for words in map(_between, rule.exact or rule.conditions) if words)
    if command is not None:
        yield f"  {leaving_out(rule)}: {command}"


def suspicion_line(rule: FailureRule, succeeded: int) -> str:
    """What all failures share, and that it is not sure."""
    share = f"{rule.p_value:.0%}" if rule.p_value >= 0.01 else f"{100 * rule.p_value:.1g}%"
    having = "has" if len(rule.conditions) == 1 else "has them all"
    return (
        f"too few to be sure: all {rule.all_failed} have {rule.words}, and none of the {succeeded} successes "
        f"{having} (chance has such in {share} of all cases at most)"
    )


def exact_words(rule: FailureRule) -> str:
    """What makes the rule exact, perhaps; "" for nothing."""
    known = {(one.name, one.relation) for one in rule.conditions}
    added = words_of([one for one in rule.exact if (one.name, one.relation) not in known])
    told = f"all {rule.failed} of these failures, none of the {rule.succeeded} that succeeded there"
    return f"perhaps more exactly: and {added}: {told}" if added else ""


def leaving_out(rule: FailureRule) -> str:
    """What the command does that leaves out what a rule describes, with what it would cost."""
    if not rule.succeeded or rule.exact:
        return "to leave these out"
    return f"to leave these out, {rule.succeeded} that succeeded among them"


def _evidence(rule: FailureRule) -> str:
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


def _between(condition: Condition) -> str:
    """Where the bound may lie; "" where that is known."""
    if condition.untried is None:
        return ""
    low, high = (f"{one:.4g}" for one in sorted(condition.untried))
    return (
        ""
        if low == high
        else f"between {condition.name} {low} and {high} nothing was tried: the bound is there"
    )
