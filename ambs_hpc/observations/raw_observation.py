"""A result of elsewhere as it was read, before anything is compared with a space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class RowEnding(str, Enum):
    """What a row says of its evaluation."""

    DONE = "done"  # it gave a finite objective
    FAILED = "failed"  # it ran and gave none
    SKIPPED = "skipped"  # it says nothing: not ended, cancelled, pruned, no objective
    REFUSED = "refused"  # it cannot be understood


@dataclass(frozen=True, slots=True)
class RawObservation:
    """A result of elsewhere.

    Args:
        place: where it stands, for messages: "old.csv, line 7", "study 'net', trial 12".
        values: the configuration as it was read, by name. In a table these are still texts, empty ones
            included; where `is_exact` is false, other columns are among them.
        ending: what it says.
        objective: finite where the ending is DONE, else None.
        words: why it failed, is skipped or refused; empty for DONE.
        failure_kind: of a failure, where the source has our kinds; else empty.
        metrics: other results, as JSON values.
        is_exact: every name in `values` is a parameter.
        direction: "minimize" or "maximize" where the source says so, else None.
        campaign: of a table of `ambs export`; else empty.
    """

    place: str
    values: Mapping[str, object]
    ending: RowEnding
    objective: float | None = None
    words: str = ""
    failure_kind: str = ""
    metrics: Mapping[str, object] = field(default_factory=dict)
    is_exact: bool = True
    direction: str | None = None
    campaign: str = ""


def ending_of(value: object) -> tuple[RowEnding, float | None, str]:
    """Read an objective: a number, a text of one, DeepHyper's "F..." for a failure, or nothing.

    Returns:
        The ending, the objective where that is DONE, and the words for any other.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return RowEnding.SKIPPED, None, "has no objective"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return RowEnding.REFUSED, None, f"objective: is {value!r}. Accepted: a number"
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return _of_text(str(value).strip())
    if not math.isfinite(number):
        return RowEnding.FAILED, None, f"objective {number}"
    return RowEnding.DONE, number, ""


def _of_text(text: str) -> tuple[RowEnding, float | None, str]:
    if text.upper() == "F_CANCELLED":
        return RowEnding.SKIPPED, None, "was cancelled"
    if text.startswith("F"):
        return RowEnding.FAILED, None, text
    accepted = "Accepted: a number, or a text that begins with F for an evaluation that failed"
    return RowEnding.REFUSED, None, f"objective: is {text!r}. {accepted}"
