"""Conversion of typed names into values; the error for a wrong name lists the accepted ones."""

from __future__ import annotations

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
