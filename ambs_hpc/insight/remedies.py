"""What to do about failures of a kind and a rule: commands, and what is to be changed before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote

from ambs_hpc.insight.evaluation_columns import NODE
from ambs_hpc.insight.rule_conditions import Condition
from ambs_hpc.problem.space import space_from_json
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.shown_text import logs_command
from ambs_hpc.states import FailureKind

_CHANGES = {
    FailureKind.OUT_OF_MEMORY: "raise resources.memory_gib in the problem file, or leave it to the search",
    FailureKind.TIMEOUT: "raise time_limit_seconds in the problem file, or leave it to the search",
    FailureKind.ERROR: "mend what it says",
    FailureKind.BAD_RESULT: "let the objective return a finite number, or leave it to the search",
    FailureKind.LOST: "look which nodes lost it",
}


def remedies(kind: FailureKind, example_id: int, campaign: str) -> list[str]:
    """Lines for a person: what to change, with the commands before and after it."""
    name = quote(campaign)
    look = {
        FailureKind.LOST: f"ambs show {example_id}; ambs nodes",
    }.get(kind, logs_command(example_id, kind))
    return [look, f"{_CHANGES[kind]}; then", f"ambs rerun --failed --kind {kind.value} --campaign {name}"]


def remedy_of_rule(conditions: Sequence[Condition], space: Mapping[str, object], campaign: str) -> str | None:
    """The command that takes what a rule describes out of the space; None where no single one does.

    Args:
        space: in its serialised form.
    """
    if [one.name for one in conditions] == [NODE]:
        return "ambs nodes"
    about = [one for one in conditions if one.name != NODE]
    command = f"ambs space {quote(campaign)}"
    if len(about) == 1 and about == list(conditions):
        kept = _kept(about[0], Encoding(space_from_json(space)))
        return None if kept is None else f"{command} --narrow {quote(f'{about[0].name}={kept}')} --dry-run"
    if len(about) == len(conditions) and all(one.relation == "=" for one in about):
        together = ",".join(f"{one.name}={one.value}" for one in about)
        return f"{command} --forbid {quote(together)} --dry-run"
    return None


def _kept(condition: Condition, encoding: Encoding) -> str | None:
    """What of a parameter's values is left without those of the condition, as `--narrow` takes it."""
    if condition.value is None or condition.name not in encoding.names:
        return None
    column = encoding.names.index(condition.name)
    choices = encoding.choices(column)
    if choices is not None:
        place = choices.index(condition.value)
        left = {
            "=": choices[:place] + choices[place + 1 :],
            "!=": [condition.value],
            ">=": choices[:place],
            "<=": choices[place + 1 :],
        }[condition.relation]
        return ",".join(map(str, left)) or None
    values, step = encoding.range(column), 1 if isinstance(condition.value, int) else 0
    bound = float(condition.value)
    ends = (values.low, bound - step) if condition.relation == ">=" else (bound + step, values.high)
    return f"{_number(ends[0])}..{_number(ends[1])}" if ends[0] < ends[1] else None


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.13g}"
