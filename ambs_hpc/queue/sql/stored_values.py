"""Reads values out of rows, in which anything may stand: what is wrong is told with its row, and left out.

Rows are written by other versions, other programs and people with an SQL prompt. A reader that needs one row
raises RowUnusable; one that lists rows goes on with the others by `usable`.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar, cast

from ambs_hpc.errors import ProblemError, RowUnusable
from ambs_hpc.fidelity import fidelity_from_json
from ambs_hpc.problem.checkpoint_policy import KEEP_ALL, kept_best
from ambs_hpc.problem.goals import goals_of
from ambs_hpc.records import Configuration

Row = TypeVar("Row")
Built = TypeVar("Built")
Word = TypeVar("Word", bound=Enum)

logger = logging.getLogger(__name__)

TOLD_OF_EACH = 3  # rows with the same field wrong; the others are counted
UNUSABLE: Configuration = {}  # in place of a configuration where its row must be read nevertheless
_JSON_OBJECT = "a JSON object"
_OF_EVALUATIONS = 'a JSON object of parameters and their finite values, such as {"x": 0.5, "layers": 2}'


class UnreadableJson(str):
    """The text of a column that should hold JSON and does not."""

    __slots__ = ()


def read_json(text: str) -> Any:
    """The value of a JSON column; a text that is no JSON is an UnreadableJson."""
    try:
        return json.loads(text)
    except ValueError:
        return UnreadableJson(text)


class _LeftOut:
    """The rows of this process that could not be used, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, set[object]] = {}

    def add(self, fault: RowUnusable) -> int:
        """How many rows have had the same fault; 0 when this one is known."""
        with self._lock:
            alike = self._seen.setdefault(fault.group, set())
            if fault.row in alike:
                return 0
            alike.add(fault.row)
            return len(alike)

    @property
    def words(self) -> str:
        """How many there are of each kind; "" for none."""
        with self._lock:
            return ", ".join(f"{len(rows)} x {group}" for group, rows in self._seen.items())

    def forget(self) -> None:
        with self._lock:
            self._seen.clear()


_left_out = _LeftOut()


def tell_fault(fault: RowUnusable) -> None:
    """Say once what is wrong with a row, of many alike rows the first ones, and count it."""
    number = _left_out.add(fault)
    if 0 < number <= TOLD_OF_EACH:
        logger.warning("%s", fault)
    elif number == TOLD_OF_EACH + 1:
        logger.warning("more rows have an unusable %s; they are counted", fault.group)


def left_out_words() -> str:
    """Which rows this process has met and could not use: "2 x evaluation.configuration"; "" for none."""
    return _left_out.words


def forget_left_out() -> None:
    """Begin to count anew."""
    _left_out.forget()


def usable(rows: Iterable[Row], build: Callable[[Row], Built]) -> list[Built]:
    """What is built of those rows that can be used; the others are told.

    Args:
        build: raises RowUnusable for the others.
    """
    found = []
    for row in rows:
        try:
            found.append(build(row))
        except RowUnusable as fault:
            tell_fault(fault)
    return found


def configuration_in(value: object, row: object, table: str = "evaluation") -> Configuration:
    """A configuration as it is stored; whether it lies in its campaign's space is another question.

    Raises:
        RowUnusable: it is none.
    """
    if type(value) is dict and value and all(map(_is_value, value.values())):
        return value
    raise RowUnusable(table, row, "configuration", value, _OF_EVALUATIONS)


def _is_value(value: object) -> bool:
    kind = type(value)
    return math.isfinite(cast("float", value)) if kind is float else kind in (int, str, bool)


def configuration_or_none(value: object, row: int) -> Configuration:
    """The same for a reader that needs the row in any case: UNUSABLE, which is told, where it is none."""
    try:
        return configuration_in(value, row)
    except RowUnusable as fault:
        tell_fault(fault)
        return UNUSABLE


def object_in(value: object, table: str, row: object, field: str) -> Mapping[str, Any]:
    """A JSON object; an empty one where nothing is stored.

    Raises:
        RowUnusable: something else stands there.
    """
    if value is None or type(value) is dict:
        return value or {}
    raise RowUnusable(table, row, field, value, _JSON_OBJECT)


def object_or_empty(value: object, table: str, row: object, field: str) -> Mapping[str, Any]:
    """The same for a reader that can do without it: what is no object is told."""
    try:
        return object_in(value, table, row, field)
    except RowUnusable as fault:
        tell_fault(fault)
        return {}


def request_in(value: object, allocation_id: int | None) -> Mapping[str, Any]:
    """What was asked of a scheduler; numbers in it are numbers, and what is none is told and left out."""
    found = dict(object_or_empty(value, "allocation", allocation_id, "request"))
    for name in ("nodes", "minutes"):
        if name in found and not (type(found[name]) in (int, float) and 0 < found[name] < math.inf):
            seen = found.pop(name)
            tell_fault(RowUnusable("allocation", allocation_id, f"request.{name}", seen, "a number above 0"))
    return found


def word_in(kind: type[Word], value: object, table: str, row: object, field: str) -> Word:
    """One of the words that a column may hold.

    Raises:
        RowUnusable: another one stands there, maybe of a newer version.
    """
    try:
        return kind(value)
    except ValueError:
        accepted = ", ".join(str(one.value) for one in kind)
        raise RowUnusable(table, row, field, value, accepted) from None


def number_in_row(value: object, table: str, row: object, field: str) -> float | None:
    """A finite number, or None.

    Raises:
        RowUnusable: something else stands there.
    """
    if value is None or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    raise RowUnusable(table, row, field, value, "a finite number")


def check_problem(campaign_id: int, problem: object, direction: str) -> None:
    """Make sure that a stored problem is one, as far as it is there: a space is asked for where it is needed.

    Raises:
        RowUnusable: it is no JSON object, or a part of it is none.
    """
    stated = object_in(problem, "campaign", campaign_id, "problem")
    for field in ("space", "stated_space", "was", "resources"):
        object_in(stated.get(field), "campaign", campaign_id, f"problem.{field}")
    number_in_row(stated.get("time_limit_seconds"), "campaign", campaign_id, "problem.time_limit_seconds")
    try:
        fidelity_from_json(stated.get("fidelity"))
        goals_of(stated, direction)
        kept_best(cast("str", stated.get("checkpoints", KEEP_ALL)))
    except ProblemError as error:
        field, seen = f"problem.{error.field}", error.seen.removeprefix("is ")
        raise RowUnusable("campaign", campaign_id, field, seen, error.remedy) from error
