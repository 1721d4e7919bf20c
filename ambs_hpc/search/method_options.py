"""The named options of the methods, their presets, and the check of what a user gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.search.acquisition import EXPLORATIONS
from ambs_hpc.search.constant_liar import LIES
from ambs_hpc.search.initial_design import DESIGNS, LATIN_BLOCK
from ambs_hpc.search.objective_transform import ADAPTIVE, TRANSFORMS

TREES = ("extra", "random")
CHOICES = {
    "design": DESIGNS,
    "tree": TREES,
    "transform": TRANSFORMS,
    "lie": LIES,
    "exploration": EXPLORATIONS,
}
LOWEST = {
    "design_size": 0,
    "refresh": 1e-4,
    "kappa": 0.0,
    "candidates": 8,
    "global_share": 0.0,
    "local_share": 0.0,
    "local_points": 2,
    "local_kappa": 0.0,
    "explored_share": 0.0,
}
# Far above what is of use; a slip of zeros would fill the memory, or take days for one proposal.
HIGHEST = {
    "block": 1_000_000,
    "design_size": 1_000_000,
    "trees": 10_000,
    "min_leaf": 1_000_000,
    "refresh": 1e3,
    "training_rows": 1_000_000,
    "kappa": 1e6,
    "candidates": 1_000_000,
    "rounds": 100,
    "global_share": 1.0,
    "local_share": 1.0,
    "local_points": 10_000,
    "local_kappa": 1e6,
    "explored_share": 1.0,
}

Options = TypeVar("Options", "AmbsOptions", "LatinOptions", "NoOptions")


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of a method that has none."""


@dataclass(frozen=True, slots=True)
class LatinOptions:
    """Options of Latin hypercube search.

    Args:
        block: points of one hypercube, best the number of planned evaluations.
    """

    block: int = LATIN_BLOCK


@dataclass(frozen=True, slots=True)
class AmbsOptions:
    """Options of model-based search; the defaults are those of the method "ambs".

    Args:
        design: points before there is a model, one of `initial_design.DESIGNS`.
        design_size: evaluations that have ended before the first forest, two of them with a value; 0 means
            twice the parameters and one, and at most 20.
        tree: "extra" (random thresholds) or "random" (a random forest's bootstrapped trees).
        trees: number of trees, >= 1.
        min_leaf: observations in a leaf when a tree is grown, >= 1.
        refresh: share of new observations after which all trees have been grown again; one for an
            observation at most.
        training_rows: observations that a tree is grown on at most; its leaves count all.
        transform: transform of the objective: "half_rank" (distances of the better half, ranks of the other),
            "rank" (normal scores), "log", "raw", or "adaptive": half ranks, and a second local process on
            ranks; the one that orders the results better proposes more often.
        lie: assumed result of a pending evaluation: "believer" (the prediction), "cl_min",
            "cl_mean", "cl_max" (the best, mean, worst seen) or "none".
        exploration: "exponential" draws kappa for each proposal with mean `kappa`, "fixed" takes it.
        kappa: weight of the standard deviation in the lower confidence bound, >= 0.
        candidates: how many are scored for a proposal in the first round, >= 8.
        rounds: rounds of scoring; each after the first refines around the best of the one before.
        global_share: share of the candidates that come from the whole space, in [0, 1].
        local_share: share of the proposals by a Gaussian process around an incumbent, in [0, 1].
        local_points: observations that the process is conditioned on, >= 2.
        local_kappa: weight of its standard deviation, >= 0.
        explored_share: largest share of the proposals that lie where the best is not, in [0, 1]: other
            choices, far numbers, points of the design; 0 fills no holes either. See docs/searching.md.
    """

    design: str = "sobol"
    design_size: int = 0
    tree: str = "extra"
    trees: int = 16
    min_leaf: int = 1
    refresh: float = 0.1
    training_rows: int = 2000
    transform: str = ADAPTIVE
    lie: str = "believer"
    exploration: str = "exponential"
    kappa: float = 1.0
    candidates: int = 500
    rounds: int = 2
    global_share: float = 0.25
    local_share: float = 0.9
    local_points: int = 100
    local_kappa: float = 1.0
    explored_share: float = 0.5


CLASSIC = AmbsOptions(
    design="random",
    tree="random",
    min_leaf=3,
    trees=100,
    transform="raw",
    lie="cl_max",
    exploration="fixed",
    kappa=1.96,
    candidates=10_000,
    rounds=1,
    global_share=1.0,
    local_share=0.0,
    explored_share=0.0,
    refresh=0.05,
)


def read_options(method: str, defaults: Options, given: Mapping[str, object]) -> Options:
    """The `defaults` with the given values in their place.

    Raises:
        UsageError: an option does not exist, or its value is of the wrong kind or out of range.
    """
    types = {field.name: type(getattr(defaults, field.name)) for field in fields(defaults)}
    for name in given:
        if name not in types:
            accepted = nearest(name, types) if types else "It has none."
            raise UsageError(f"method {method!r} has no option {name!r}. {accepted}")
    checked: dict[str, Any] = {name: _checked(name, value, types[name]) for name, value in given.items()}
    return replace(defaults, **checked)


def _checked(name: str, value: object, kind: type) -> bool | int | float | str:
    try:
        read = _read(value, kind)
    except (TypeError, ValueError, OverflowError):
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "a name")
        raise UsageError(f"option {name}={value!r}: give {wanted}.") from None
    if name in CHOICES and read not in CHOICES[name]:
        raise UsageError(f"option {name}={value!r} does not exist. {nearest(str(value), CHOICES[name])}")
    if not isinstance(read, str):
        low, high = LOWEST.get(name, 1), HIGHEST[name]
        if not low <= read <= high:
            raise UsageError(f"option {name}={value!r}: give a number from {low:g} to {high:.10g}.")
    return read


def _read(value: object, kind: type) -> bool | int | float | str:
    """The value as this kind: a command line gives text, a stored campaign gives JSON values."""
    if kind is bool:
        known = {True: True, False: False, "true": True, "false": False}
        if not isinstance(value, bool | str) or value not in known:
            raise ValueError(value)
        return known[value]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(value)
    if kind is str:
        return str(value)
    number = float(value)
    if kind is int and number != int(number):
        raise ValueError(value)
    return int(number) if kind is int else number
