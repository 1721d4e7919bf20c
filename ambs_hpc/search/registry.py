"""The search methods by name; the module of a method is imported when it is chosen.

A further method is one module in `methods/` with a function `create`, as `MethodModule` describes it, and one
entry here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, cast

from ambs_hpc.errors import ProblemError, UsageError, nearest
from ambs_hpc.records.stored_ranges import LARGEST_ID
from ambs_hpc.search.protocol import MethodModule, Searcher, SearchSpec

if TYPE_CHECKING:
    from ambs_hpc.problem.goals import Goals
    from ambs_hpc.records import Configuration, Source

MODULES: Mapping[str, str] = {
    "ambs": "ambs_hpc.search.methods.ambs",
    "classic": "ambs_hpc.search.methods.ambs",
    "random": "ambs_hpc.search.methods.design_search",
    "lhs": "ambs_hpc.search.methods.design_search",
    "sobol": "ambs_hpc.search.methods.design_search",
}
LIBRARIES: Mapping[str, str] = {  # prefix of a method's name -> the adapter that knows the names behind it
    "optuna:": "ambs_hpc.search.methods.optuna_adapter",
}
METHODS: tuple[str, ...] = tuple(MODULES)
DEFAULT_METHOD = "ambs"
WARM = ("ambs",)  # methods that learn from other problems


def create_searcher(
    space: object,
    method: str = DEFAULT_METHOD,
    direction: str | Mapping[str, str] = "minimize",
    seed: int = 0,
    *,
    starting_points: Iterable[Configuration] = (),
    sources: Iterable[Source] = (),
    maximum_step: int | None = None,
    constraints: object = (),
    **options: object,
) -> Searcher:
    """A searcher at its beginning.

    Args:
        space: a ConfigSpace.ConfigurationSpace, or a dict, as `Problem` takes it.
        method: "ambs" (the default), "classic" (the method as its authors published it), or without a model
            "random", "lhs", "sobol"; "optuna:<Sampler>", such as "optuna:TPE", is one of Optuna's samplers.
        direction: "minimize" or "maximize" the objective; of several a dict, as `Problem` takes it.
            Observations then have all of them in `metrics`, and the searcher's `front()` are those that no
            other dominates.
        seed: >= 0; same seed and same results in the same order give the same proposals.
        starting_points: configurations to be proposed first.
        sources: observations of other problems, from which the method "ambs" starts warm.
        maximum_step: the step at which evaluations are complete, of a problem with a fidelity: methods with
            a model then learn from values on rungs.
        constraints: bounds on metrics as `Problem` takes them, {"latency_ms": "<= 20"}, or `Constraint`s.
        options: options of the method, which the page "Methods of the search" lists; for an Optuna sampler
            those of its constructor.

    Raises:
        UsageError: the method, the direction or an option does not exist; the message lists what does.
        ProblemError: the space cannot be read.
        ValueError: a starting point is not of the space.
    """
    from ambs_hpc.problem.space import build_space
    from ambs_hpc.search.encoding import Encoding

    module = _module_of(method)
    goals = _goals(direction, constraints)
    if not 0 <= seed <= LARGEST_ID:
        raise UsageError(f"seed {seed}: give a whole number from 0 to {LARGEST_ID}.")
    encoding = Encoding(build_space(space))
    first = next(iter(goals.directions.values()))
    spec = SearchSpec(
        encoding,
        method,
        first,
        seed,
        list(starting_points),
        options,
        list(sources),
        maximum_step,
        None if goals.is_plain else goals,
    )
    if spec.sources and spec.goals is not None:
        raise UsageError(
            "A search of several objectives, or within constraints, does not learn from other problems. "
            "Leave --from away; `ambs tell` takes results of this one."
        )
    if spec.sources and method not in WARM:
        raise UsageError(
            f"search method {method!r} does not learn from other problems. Leave --from away, or take one of "
            f"the methods that do: {', '.join(WARM)}."
        )
    return cast(MethodModule, import_module(module)).create(spec)


def _goals(direction: object, constraints: object) -> Goals:
    from ambs_hpc.problem.goals import Constraint, Goals, checked_constraints, checked_direction, goals_of

    try:
        directions = checked_direction(direction)
    except ProblemError as error:
        if isinstance(direction, Mapping):
            raise
        raise UsageError(f"direction {direction!r} does not exist. {error.remedy}") from error
    checked = constraints if _are_checked(constraints, Constraint) else checked_constraints(constraints)
    named = goals_of({"direction": directions}, str(directions)).directions
    return Goals(named, tuple(cast("Iterable[Constraint]", checked)))


def _are_checked(constraints: object, kind: type) -> bool:
    return isinstance(constraints, tuple | list) and all(isinstance(one, kind) for one in constraints)


def _module_of(method: str) -> str:
    for prefix, module in LIBRARIES.items():
        if method.startswith(prefix):
            return module
    if method not in MODULES:
        accepted = nearest(method, (*MODULES, *(f"{prefix}<Sampler>" for prefix in LIBRARIES)))
        raise UsageError(f"search method {method!r} does not exist. {accepted}")
    return MODULES[method]
