"""The search methods by name."""

from __future__ import annotations

from collections.abc import Iterable

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.problem.space import build_space
from ambs_hpc.records import Configuration
from ambs_hpc.search.ambs import AmbsStrategy, DesignStrategy
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.method_options import CLASSIC, AmbsOptions, LatinOptions, NoOptions, read_options
from ambs_hpc.search.optuna_adapter import PREFIX, create_optuna_searcher
from ambs_hpc.search.sampling import ConfigurationSampler
from ambs_hpc.search.searcher import HistorySearcher, Searcher, Strategy

METHODS = ("ambs", "classic", "lhs", "random", "sobol")
DIRECTIONS = ("minimize", "maximize")


def create_searcher(
    space: object,
    method: str = "ambs",
    direction: str = "minimize",
    seed: int = 0,
    *,
    starting_points: Iterable[Configuration] = (),
    **options: object,
) -> Searcher:
    """A searcher at its beginning.

    Args:
        space: a ConfigSpace.ConfigurationSpace, or a dict as `problem.space.build_space` takes it.
        method: "ambs" (the default: the best we can make), "classic" (the method as its authors published
            it), or without a model "random", "lhs", "sobol"; "optuna:<Sampler>", such as "optuna:TPE", is a
            sampler of Optuna's.
        direction: "minimize" or "maximize" the objective.
        seed: >= 0; same seed and same results in the same order give the same proposals.
        starting_points: configurations to be proposed first.
        options: of the method, see `AmbsOptions` and `LatinOptions`; of an Optuna sampler, those of its
            constructor.

    Raises:
        UsageError: the method, the direction or an option does not exist; the message lists what does.
        ProblemError: the space cannot be read.
        ValueError: a starting point is not of the space.
    """
    if method not in METHODS and not method.startswith(PREFIX):
        accepted = nearest(method, (*METHODS, PREFIX + "<Sampler>"))
        raise UsageError(f"search method {method!r} does not exist. {accepted}")
    if direction not in DIRECTIONS:
        raise UsageError(f"direction {direction!r} does not exist. {nearest(direction, DIRECTIONS)}")
    if seed < 0:
        raise UsageError(f"seed {seed}: give a whole number from 0.")
    encoding = Encoding(build_space(space))
    if method.startswith(PREFIX):
        return create_optuna_searcher(encoding, method, direction, seed, list(starting_points), options)
    strategy = _strategy(encoding, method, seed, options)
    return HistorySearcher(encoding, strategy, direction, starting_points)


def _strategy(encoding: Encoding, method: str, seed: int, given: dict[str, object]) -> Strategy:
    if method in ("ambs", "classic"):
        defaults = AmbsOptions() if method == "ambs" else CLASSIC
        return AmbsStrategy(encoding, read_options(method, defaults, given), seed)
    block = 0
    if method == "lhs":
        block = read_options(method, LatinOptions(), given).block
    else:
        read_options(method, NoOptions(), given)
    return DesignStrategy(encoding, ConfigurationSampler(encoding), method, seed, block)
