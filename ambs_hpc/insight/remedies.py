"""What to do about failures of a kind and a rule: commands, and what is to be changed before them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import floor, log10
from shlex import quote

from ambs_hpc.insight.evaluation_columns import NODE
from ambs_hpc.insight.failure_rules import FailureRule
from ambs_hpc.insight.rule_conditions import Condition
from ambs_hpc.problem.space import space_from_json
from ambs_hpc.records import Value
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.shown_text import logs_command
from ambs_hpc.states import FailureKind

LEAST_PRECISION = 0.9  # of a rule that a command leaves out: below it costs too much that succeeds
DIGITS = 3  # of a bound beside the nearest value that failed

_CHANGES = {
    FailureKind.OUT_OF_MEMORY: "raise resources.memory_gib in the problem file, which ambs run takes over",
    FailureKind.TIMEOUT: "raise time_limit_seconds in the problem file, which ambs run takes over",
    FailureKind.ERROR: "mend what it says",
    FailureKind.BAD_RESULT: "let the objective return a finite number",
    FailureKind.LOST: "look which nodes lost it",
}
_AVOIDED = (FailureKind.OUT_OF_MEMORY, FailureKind.TIMEOUT, FailureKind.BAD_RESULT)


def remedies(kind: FailureKind, example_id: int, campaign: str) -> list[str]:
    """Lines for a person: what to change, with the commands before and after it."""
    name = quote(campaign)
    look = {
        FailureKind.LOST: f"ambs show {example_id}; ambs nodes",
    }.get(kind, logs_command(example_id, kind))
    rerun = f"ambs rerun --failed --kind {kind.value} --campaign {name}"
    return [look, *change_lines(kind, "them"), rerun]


def change_lines(kind: FailureKind, which: str) -> list[str]:
    """What to change before evaluations that failed so are run again, which may not be wanted at all.

    Args:
        which: is run again, as in "to run them again".
    """
    if kind not in _AVOIDED:
        return [f"{_CHANGES[kind]}; then"]
    return [
        "nothing has to be done: the search avoids where evaluations fail",
        f"to run {which} again: {_CHANGES[kind]}; then",
    ]


def remedy_of_rule(rule: FailureRule, space: Mapping[str, object], campaign: str) -> str | None:
    """The command that takes what a rule describes out of the space, of an exact one where there is one.

    None where no single one does, and where too much of it succeeds.

    Args:
        space: in its serialised form.
    """
    conditions = rule.exact or rule.conditions
    if [one.name for one in conditions] == [NODE]:
        return "ambs nodes"
    if not rule.exact and rule.precision < LEAST_PRECISION:
        return None
    about = [one for one in conditions if one.name != NODE]
    command = f"ambs space {quote(campaign)}"
    if len(about) == 1 and about == list(conditions):
        kept = _kept(about[0], Encoding(space_from_json(space)))
        return None if kept is None else f"{command} --narrow {quote(f'{about[0].name}={kept}')} --dry-run"
    if len(about) == len(conditions) and all(one.relation == "=" for one in about):
        together = ",".join(f"{one.name}={_spelled(one.value)}" for one in about)
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
        return ",".join(map(_spelled, left)) or None
    values, step = encoding.range(column), 1 if isinstance(condition.value, int) else 0
    bound = float(condition.value) if condition.untried is None or step else _beside(*condition.untried)
    ends = (values.low, bound - step) if condition.relation == ">=" else (bound + step, values.high)
    return f"{_number(ends[0])}..{_number(ends[1])}" if ends[0] < ends[1] else None


def _beside(outside: float, inside: float) -> float:
    """A short number beside the nearest value that failed: what nobody has tried stays in the space."""
    unit = 10.0 ** (floor(log10(abs(inside))) - DIGITS + 1) if inside else 0.0
    steps = floor(inside / unit) if unit else 0
    near = [float(f"{(steps + off) * unit:.{DIGITS}g}") for off in ((0, -1) if outside < inside else (1, 2))]
    low, high = sorted((outside, inside))
    return next((one for one in near if low < one < high), (low + high) / 2)


def _spelled(value: Value | None) -> str:
    """As `ambs space` reads it: yes and no as JSON has them."""
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.13g}"
