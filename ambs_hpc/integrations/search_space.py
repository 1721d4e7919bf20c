"""From what scikit-learn's searches take as distributions to a space of ours, and back to their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambs_hpc.errors import ProblemError

_PLAIN = (bool, int, float, str)


def searched_space(given: Any) -> tuple[Any, dict[str, dict[str, object]]]:
    """The space, and the values behind the texts of those choices that JSON cannot hold.

    Args:
        given: as `Problem(space=...)`; lists may hold any values, such as None, tuples or estimators, and
            scipy's `uniform`, `loguniform` and `randint` are taken for their ranges.

    Raises:
        ProblemError: a distribution has no range that can be searched.
    """
    if not isinstance(given, Mapping):
        return given, {}
    space, choices = {}, {}
    for name, choice in given.items():
        space[name] = choice
        if isinstance(choice, list) and not all(isinstance(one, _PLAIN) or _is_numpy(one) for one in choice):
            choices[name] = {_label(place, value): value for place, value in enumerate(choice)}
            space[name] = list(choices[name])
        elif hasattr(choice, "rvs"):
            space[name] = _range(name, choice)
    return space, choices


def _label(place: int, value: object) -> str:
    """A short text that differs from those of the other choices."""
    text = " ".join(str(value).split())
    return f"{place}: {text[:60]}"


def _is_numpy(value: object) -> bool:
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0


def _range(name: str, distribution: Any) -> tuple[object, ...]:
    kind = getattr(getattr(distribution, "dist", None), "name", type(distribution).__name__)
    if kind in ("uniform", "loguniform", "reciprocal", "randint"):
        low, high = distribution.support()
        if kind == "randint":
            return int(low), int(high)
        return (float(low), float(high)) if kind == "uniform" else (float(low), float(high), "log")
    raise ProblemError(
        "AmbsSearchCV",
        f"param_space[{name!r}]",
        f"is the distribution {kind!r}",
        "Give a range, as (1e-4, 1e-1, 'log') or (1, 100), a list of choices, or scipy's uniform, "
        "loguniform or randint",
    )
