"""Conversion of typed names into values; the error for a wrong name lists the accepted ones."""

from __future__ import annotations

import math

import typer

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.states import FailureKind, State


def state_named(text: str | None) -> State | None:
    """The state, in any case of letters.

    Raises:
        UsageError: there is none of that name.
    """
    if text is None:
        return None
    names = {state.value: state for state in State}
    if text.upper() not in names:
        raise UsageError(f"--state {text}: no such state. {nearest(text.upper(), names)}")
    return names[text.upper()]


def kind_named(text: str | None) -> FailureKind | None:
    """The failure kind, in any case of letters.

    Raises:
        UsageError: there is none of that name.
    """
    if text is None:
        return None
    names = {kind.value: kind for kind in FailureKind}
    if text.upper() not in names:
        raise UsageError(f"--kind {text}: no such failure. {nearest(text.upper(), names)}")
    return names[text.upper()]


def no_nan(value: float | None) -> float | None:
    """The callback of options that are numbers: NaN passes every bound, and no time or rate is one.

    Raises:
        typer.BadParameter: it is NaN.
    """
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is no number. Give one, as 2.5.")
    return value
