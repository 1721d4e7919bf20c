"""What an objective returned: a finite number, and metrics as JSON values.

Whatever is wrong with a metric costs that metric, never the objective.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 50  # levels of lists and dicts; a cycle is deeper than any
LONGEST_BYTES = 3 << 20  # of all metrics together, as JSON


@dataclass(frozen=True, slots=True)
class ParsedResult:
    """The result of an attempt: an objective with metrics, or a failure kind with an error.

    Beside an objective, `error` is a note for the person.
    """

    objective: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None
    error: str = ""


def parse_result(value: object, objectives: Sequence[str] = ()) -> ParsedResult:
    """Read what an objective returned: a finite number, or a dict with `objective` and JSON metrics.

    Where objectives have names, a dict that has a finite number for each; they are among its metrics too,
    and the first is the objective.

    Arrays and tensors of one element are the number in them; Decimal and Fraction are rounded to a float. A
    truth value, a complex number and a text are no numbers, whatever they could be turned into.
    """
    if objectives:
        return _parse_named(value, objectives)
    if type(value) is float and math.isfinite(value):  # most are, and the rest is costly in a fresh fork
        return ParsedResult(value)
    metrics: Mapping[Any, Any] = {}
    if isinstance(value, Mapping):
        if "objective" not in value:
            return bad_result(f"the result {_short(value)} has no 'objective'")
        metrics = {name: item for name, item in value.items() if not _is_objective(name)}
        value = value["objective"]
    number = _finite_number(value, "the objective")
    return bad_result(number) if isinstance(number, str) else ParsedResult(number, _kept(metrics))


def _parse_named(value: object, names: Sequence[str]) -> ParsedResult:
    """The result of a problem whose objectives have names."""
    wanted = ", ".join(repr(name) for name in names)
    if not isinstance(value, Mapping):
        return bad_result(f"the result {_short(value)} is not a dict with {wanted}")
    missing = [name for name in names if name not in value]
    if missing:
        which = ", ".join(repr(name) for name in missing)
        return bad_result(f"the result {_short(value)} has no {which}; the objectives are {wanted}")
    numbers: dict[str, float] = {}
    for name in names:
        number = _finite_number(value[name], f"the objective {name!r}")
        if isinstance(number, str):
            return bad_result(number)
        numbers[name] = number
    metrics = _kept({key: item for key, item in value.items() if key not in numbers})
    return ParsedResult(numbers[names[0]], {**numbers, **metrics})


def _finite_number(value: object, what: str) -> float | str:
    """The value as a finite number, or what is wrong with it in words that begin with `what` it is."""
    try:
        value = _only_element(value)
        wrong = _no_number(value)
        number = math.nan if wrong else float(value)  # type: ignore[arg-type]  # float says what is a number
    except OverflowError:
        return f"{what} is too large for a floating point number"
    except Exception:  # noqa: BLE001  the border to a person's classes: their methods may raise anything
        return f"{what} {_short(value)} is not a number"
    if wrong:
        return f"{what} {_short(value)} is {wrong}"
    return number if math.isfinite(number) else f"{what} {_short(value)} is not a finite number"


def _kept(metrics: Mapping[Any, Any]) -> dict[str, Any]:
    """The metrics that can be kept; stderr says which cannot."""
    kept, left_out = read_metrics(metrics)
    for sentence in left_out:
        print(f"ambs: {sentence}", file=sys.stderr)  # noqa: T201  beside what the evaluation printed
    return kept


def _only_element(value: object) -> object:
    """The element of what has an `item()`, as arrays and tensors of numeric libraries have; else the value.

    Not by `float`: it takes the real part of a complex number, and 1 for a truth value.
    """
    if isinstance(value, int | float):
        return value
    item = getattr(value, "item", None)
    return item() if callable(item) else value


def _no_number(value: object) -> str:
    """What is returned in place of a number, with a word on it; "" for what may be one."""
    if value is None:
        return "not a number: is a `return` missing?"
    if isinstance(value, bool):
        return "a truth value and not a number: return float(...) of it if that is meant"
    if isinstance(value, str | bytes):
        return "a text and not a number: return float(...) of it"
    if isinstance(value, complex):
        return "complex and not a real number: return abs(...) of it, or its real part"
    return ""


def bad_result(error: str) -> ParsedResult:
    """The failure of an evaluation that ended well and left no finite number."""
    return ParsedResult(failure="BAD_RESULT", error=error)


def read_metrics(metrics: Mapping[Any, Any]) -> tuple[dict[str, Any], list[str]]:
    """The metrics that JSON can hold, keys as text, and a sentence for each that was left out."""
    kept: dict[str, Any] = {}
    left_out: list[str] = []
    room = LONGEST_BYTES
    for key, value in metrics.items():
        name = ""
        try:
            name = _key(key)
            plain = _plain(value, 0)
            room -= len(json.dumps(plain))
        except Exception as error:  # noqa: BLE001  the border to a person's classes: their methods may raise anything
            left_out.append(f"metric {name or type(key).__name__!r} is left out: {_words(error)}")
            continue
        if room < 0:
            left_out.append(f"metric {name!r} is left out: metrics are longer than {LONGEST_BYTES >> 20} MiB")
            room += len(json.dumps(plain))
            continue
        kept[name] = plain
    return kept, left_out


def _is_objective(name: object) -> bool:
    return isinstance(name, str) and name == "objective"


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  the border to a person's classes: `__repr__` may raise anything
        text = f"of type {type(value).__name__}, which cannot be shown ({type(error).__name__})"
    return text if len(text) <= 200 else text[:200] + "..."


def _key(key: object) -> str:
    return key if type(key) is str else str(key)


def _plain(value: object, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep, or contains itself")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if not math.isfinite(_as_float(value)):
            raise ValueError("it is an integer beyond the range of floating point numbers")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    return _of_library(value, depth)


def _of_library(value: object, depth: int) -> Any:
    """JSON for what numeric libraries return: scalars, arrays, tensors; the text of anything else.

    Decimal and Fraction are rounded.
    """
    if hasattr(value, "as_integer_ratio"):
        return float(value)  # type: ignore[arg-type]  # what has that is a real number
    for name in ("tolist", "item"):
        method = getattr(value, name, None)
        if callable(method):
            try:
                made = method()
            except (TypeError, ValueError, RuntimeError):
                continue
            if type(made) is not type(value):
                return _plain(made, depth + 1)
    return repr(value)


def is_json_tree(value: object, depth: int = 0) -> bool:
    """Whether a value read from JSON is no deeper than metrics may be and holds no integer beyond a float."""
    if depth > DEEPEST:
        return False
    if isinstance(value, dict):
        return all(is_json_tree(item, depth + 1) for item in value.values())
    if isinstance(value, list):
        return all(is_json_tree(item, depth + 1) for item in value)
    return not isinstance(value, int) or math.isfinite(_as_float(value))


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
