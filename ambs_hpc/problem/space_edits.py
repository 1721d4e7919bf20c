"""Changes of a stored space that a command line can state: bounds, choices, pins, forbidden clauses."""

from __future__ import annotations

import copy
import json
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from ambs_hpc.errors import ProblemError, UsageError, nearest
from ambs_hpc.problem.space import STATED_ORDER, build_space, space_as_written, space_to_json
from ambs_hpc.problem.space_differences import StoredSpace, choices_of, domain_words, parameters_of
from ambs_hpc.records import Value

ALWAYS, NEVER = True, False  # what a condition or a clause can have become
COMPARISONS = {"GT": operator.gt, "LT": operator.lt, "GE": operator.ge, "LE": operator.le}


def narrowed(space: StoredSpace, text: str) -> StoredSpace:
    """The space with a part of a parameter's values: `lr=1e-4..1e-2`, or `activation=relu,tanh`.

    Raises:
        UsageError: the text names no parameter, or values that are not a part.
    """
    return _with_domain(space, text, "--narrow", is_narrower=True)


def widened(space: StoredSpace, text: str) -> StoredSpace:
    """The space with more of a parameter's values: `lr=1e-6..1`, or further choices `activation=gelu`.

    Raises:
        UsageError: the text names no parameter, or bounds that leave some of its values out.
    """
    return _with_domain(space, text, "--widen", is_narrower=False)


def pinned(space: StoredSpace, text: str) -> StoredSpace:
    """The space in which a parameter has one value, which evaluations still get: `x=3`.

    Raises:
        UsageError: the text names no parameter, or a value that is none of its own.
    """
    name, parameter, values = _parsed(space, text, "--pin")
    value = value_of(parameter, values, f"--pin {text}")
    _inside(parameter, value, f"--pin {text}")
    constant = {"type": "constant", "name": name, "value": value, "meta": parameter.get("meta")}
    return _checked(_replaced(space, constant, [value]), f"--pin {text}")


def with_forbidden(space: StoredSpace, text: str) -> StoredSpace:
    """The space without the configurations that have all of these values: `a=1,b=2`.

    Raises:
        UsageError: the text names no parameter or none of its values, or nothing legal would be left.
    """
    clauses = []
    for part in text.split(","):
        name, parameter, given = _parsed(space, part, "--forbid")
        value = value_of(parameter, given, f"--forbid {text}")
        _inside(parameter, value, f"--forbid {text}")
        clauses.append({"type": "EQUALS", "name": name, "value": value})
    clause = clauses[0] if len(clauses) == 1 else {"type": "AND", "clauses": clauses}
    edited = dict(copy.deepcopy(dict(space)))
    if clause not in edited["forbiddens"]:
        edited["forbiddens"] = [*edited["forbiddens"], clause]
    return _checked(edited, f"--forbid {text}")


def value_of(parameter: Mapping[str, Any], text: str, option: str) -> Value:
    """The value that a text means for a parameter; of a range any number of its kind.

    Raises:
        UsageError: it is none of the choices, or no number.
    """
    choices = choices_of(parameter)
    if choices is not None and "value" not in parameter:
        for choice in choices:
            spelled = choice if isinstance(choice, str) else json.dumps(choice)
            if text == spelled or (not isinstance(choice, bool) and _number(text) == choice):
                return cast("Value", choice)
        raise UsageError(f"{option}: {text!r} is none of {domain_words(parameter)}.")
    if "value" in parameter:
        return value_like(parameter["value"], text)
    number = _number(text)
    is_whole = str(parameter["type"]).endswith("int")
    if number is None or (is_whole and number != int(number)):
        kind = "whole number" if is_whole else "number"
        raise UsageError(
            f"{option}: {text!r} is no {kind}; {parameter['name']} is {domain_words(parameter)}."
        )
    return int(number) if is_whole else float(number)


def _with_domain(space: StoredSpace, text: str, option: str, *, is_narrower: bool) -> StoredSpace:
    name, parameter, given = _parsed(space, text, option)
    option = f"{option} {text}"
    if "lower" in parameter:
        low, dots, high = given.partition("..")
        if not dots:
            raise UsageError(f"{option}: write NAME=LOW..HIGH; {name} is {domain_words(parameter)}.")
        bounds = [float(value_of(parameter, one, option)) for one in (low, high)]
        edited = _with_bounds(parameter, bounds, option, is_narrower=is_narrower)
        is_whole = isinstance(edited["lower"], int)
        listed = range(edited["lower"], edited["upper"] + 1) if is_whole and is_narrower else None
        return _checked(_replaced(space, edited, listed), option)
    if "value" in parameter:
        raise UsageError(
            f"{option}: {name} is {domain_words(parameter)}. Give it a range in the problem file, and "
            "take it over with --revise."
        )
    choices = choices_of(parameter) or []
    if is_narrower:
        kept = {json.dumps(value_of(parameter, one, option)) for one in given.split(",")}
        values = [one for one in choices if json.dumps(one) in kept]
    else:
        values = [*choices, *(one for one in _further(choices, given) if one not in choices)]
        if "sequence" in parameter:
            values.sort()
    return _checked(_replaced(space, _with_choices(parameter, values), values), option)


def _further(choices: Sequence[Any], given: str) -> list[Value]:
    """The choices that a text adds, of the kind of those there are."""
    return [value_like(choices[0], one) for one in given.split(",")]


def _with_bounds(
    parameter: Mapping[str, Any], bounds: Sequence[float], option: str, *, is_narrower: bool
) -> dict[str, Any]:
    is_whole = str(parameter["type"]).endswith("int")
    low, high = [int(one) if is_whole else one for one in bounds]
    old_low, old_high = parameter["lower"], parameter["upper"]
    is_inside, is_around = old_low <= low and high <= old_high, low <= old_low and old_high <= high
    if low >= high or not (is_inside if is_narrower else is_around):
        wanted = "within" if is_narrower else "around"
        raise UsageError(f"{option}: give bounds {wanted} {domain_words(parameter)}, the lower one first.")
    default = min(max(parameter["default_value"], low), high)
    return {**parameter, "lower": low, "upper": high, "default_value": default}


def _with_choices(parameter: Mapping[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    key = "choices" if "choices" in parameter else "sequence"
    edited = {**parameter, key: list(values)}
    if edited["default_value"] not in values:
        edited["default_value"] = values[0]
    weights = parameter.get("weights")
    if weights:
        by_choice = {json.dumps(one): weight for one, weight in zip(parameter[key], weights, strict=True)}
        mean = sum(weights) / len(weights)
        edited["weights"] = [by_choice.get(json.dumps(one), mean) for one in values]
    return edited


def _replaced(
    space: StoredSpace, parameter: Mapping[str, Any], values: Sequence[Any] | None
) -> dict[str, Any]:
    """The space with another form of a parameter; what hung on choices that are gone goes with them.

    Args:
        values: its legal values; None for a range, on whose bounds nothing else is taken to hang.
    """
    order = parameters_of(space)[parameter["name"]].get("sequence")
    edited = copy.deepcopy(dict(space))
    name = parameter["name"]
    edited["hyperparameters"] = [
        dict(parameter) if one["name"] == name else one for one in edited["hyperparameters"]
    ]
    if values is None:
        return edited
    conditions = [
        (one["child"], _left_of(one, "parent", name, values, order)) for one in edited["conditions"]
    ]
    edited["conditions"] = [left for _, left in conditions if isinstance(left, dict)]
    clauses = [_left_of(one, "name", name, values, order) for one in edited["forbiddens"]]
    edited["forbiddens"] = [left for left in clauses if isinstance(left, dict)]
    return _without({child for child, left in conditions if left is NEVER}, edited)


def _without(names: set[str], space: dict[str, Any]) -> dict[str, Any]:
    """The space without parameters that can never be active, and without what hangs on them."""
    while names:
        space["hyperparameters"] = [one for one in space["hyperparameters"] if one["name"] not in names]
        space["forbiddens"] = [one for one in space["forbiddens"] if not names & set(_named(one))]
        hanging = {one["child"] for one in space["conditions"] if names & set(_named(one))}
        space["conditions"] = [
            one for one in space["conditions"] if one["child"] not in names and not names & set(_named(one))
        ]
        names = hanging - names
    return space


def _named(clause: Mapping[str, Any]) -> Iterator[str]:
    for part in clause.get("clauses") or clause.get("conditions") or ():
        yield from _named(part)
    yield from (str(clause[key]) for key in ("parent", "name", "left", "right") if key in clause)


def _left_of(
    clause: dict[str, Any], key: str, name: str, values: Sequence[Any], order: Sequence[Any] | None
) -> dict[str, Any] | bool:
    """What of a condition or a clause is left where the parameter `name` has only these values.

    Args:
        order: of the values, where they were ordered choices; None for numbers.
    """
    parts_key = next((one for one in ("clauses", "conditions") if one in clause), None)
    if parts_key is not None:
        parts = [_left_of(one, key, name, values, order) for one in clause[parts_key]]
        return _parts_left(clause, parts_key, parts)
    if clause.get(key) != name:
        return clause
    if "values" in clause:
        left = [one for one in clause["values"] if one in values]
        return {**clause, "values": left} if left else NEVER
    if clause["type"] in ("EQ", "EQUALS") and clause["value"] not in values:
        return NEVER
    if clause["type"] == "NEQ" and clause["value"] not in values:
        return ALWAYS
    compare = COMPARISONS.get(clause["type"].removeprefix("CLAUSE_"))
    return clause if compare is None else _compared(clause, compare, values, order)


def _compared(
    clause: dict[str, Any],
    compare: Callable[[Any, Any], bool],
    values: Sequence[Any],
    order: Sequence[Any] | None,
) -> dict[str, Any] | bool:
    """What is left of a comparison, which holds at one end of the values if it holds anywhere."""
    ends = [values[0], values[-1]] if order is None else [order.index(one) for one in (values[0], values[-1])]
    bound = clause["value"] if order is None else order.index(clause["value"])
    holds = {compare(one, bound) for one in ends}
    return clause if len(holds) > 1 else holds.pop()


def _parts_left(clause: dict[str, Any], key: str, parts: list[Any]) -> dict[str, Any] | bool:
    decides = NEVER if clause["type"] == "AND" else ALWAYS
    if any(one is decides for one in parts):
        return decides
    left = [one for one in parts if isinstance(one, dict)]
    if not left:
        return not decides
    return left[0] if len(left) == 1 else {**clause, key: left}


def _checked(space: StoredSpace, option: str) -> StoredSpace:
    """The space in its stored form, with a default that is legal."""
    from ConfigSpace.exceptions import ForbiddenValueError

    try:
        for candidate in _with_defaults(space):
            try:
                built = build_space(space_as_written(candidate))
                setattr(built, STATED_ORDER, list(parameters_of(candidate)))  # the reader sorts by names
                return space_to_json(built)
            except ForbiddenValueError:
                continue
    except ProblemError as error:
        raise UsageError(f"{option}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:  # ConfigSpace's own
        raise UsageError(
            f"{option}: ConfigSpace says: {' '.join(str(error).split())}. State the new space in the problem "
            "file, and take it over with `ambs run PROBLEM --revise`."
        ) from error
    raise UsageError(
        f"{option}: no default of the space would be legal. State the new space with another default in the "
        "problem file, and take it over with `ambs run PROBLEM --revise`."
    )


def _with_defaults(space: StoredSpace) -> Iterator[StoredSpace]:
    """The space, and then the same with other defaults of what its forbidden clauses name."""
    yield space
    for name in dict.fromkeys(one for clause in space["forbiddens"] for one in _named(clause)):
        parameter = parameters_of(space)[name]
        choices = choices_of(parameter)
        for value in [parameter["lower"], parameter["upper"]] if choices is None else choices:
            if "value" not in parameter:
                yield _replaced(space, {**parameter, "default_value": value}, None)


def _parsed(space: StoredSpace, text: str, option: str) -> tuple[str, Mapping[str, Any], str]:
    name, equals, given = text.partition("=")
    name, given, known = name.strip(), given.strip(), parameters_of(space)
    if not equals or not given:
        raise UsageError(f"{option} {text}: write NAME=..., for instance {option} {next(iter(known))}=...")
    if name not in known:
        raise UsageError(f"{option} {text}: the space has no parameter {name!r}. {nearest(name, known)}")
    return name, known[name], given


def _inside(parameter: Mapping[str, Any], value: Value, option: str) -> None:
    is_outside = "lower" in parameter and not parameter["lower"] <= value <= parameter["upper"]
    if is_outside or ("value" in parameter and parameter["value"] != value):
        raise UsageError(f"{option}: {parameter['name']} is {domain_words(parameter)}.")


def value_like(example: object, text: str) -> Value:
    """The text as a value of the example's kind, as far as it can be read so."""
    if isinstance(example, str):
        return text
    if isinstance(example, bool) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    number = _number(text)
    if number is None:
        return text
    return int(number) if isinstance(example, int) and number == int(number) else number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
