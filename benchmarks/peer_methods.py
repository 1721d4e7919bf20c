"""Search methods behind one face: ask(n) configurations, tell values, None for failed ones; all minimise.

Each needs its own packages alone, and is imported when it is asked for.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from benchmarks.peer_problems import Parameter, Values

Space = Sequence[Parameter]


class PeerMethod(Protocol):
    """What is compared."""

    def ask(self, number: int) -> list[Values]:
        """Configurations to try."""
        ...

    def tell(self, configurations: Sequence[Values], values: Sequence[float | None]) -> None:
        """What came of some that were asked for."""
        ...


def plain(value: Any) -> Any:
    """A number of the language, not of numpy."""
    return value.item() if hasattr(value, "item") else value


class Ours:
    """ambs_hpc's own."""

    def __init__(self, space: Space, seed: int, method: str, **options: object) -> None:
        from ambs_hpc.problem import build_space
        from ambs_hpc.search import create_searcher

        described: dict[str, Any] = {}
        for one in space:
            if one.kind == "choice":
                described[one.name] = list(one.choices)
            else:
                bounds = (int(one.low), int(one.high)) if one.kind == "int" else (one.low, one.high)
                described[one.name] = (*bounds, "log") if one.log else bounds
        built = build_space(described)
        _add_conditions(built, space)
        self._searcher = create_searcher(built, method=method, seed=seed, **options)

    def ask(self, number: int) -> list[Values]:
        return [dict(one.configuration) for one in self._searcher.ask(number)]

    def tell(self, configurations: Sequence[Values], values: Sequence[float | None]) -> None:
        from ambs_hpc.records import Observation

        pairs = zip(configurations, values, strict=True)
        self._searcher.tell([Observation(configuration, value) for configuration, value in pairs])


class Skopt:
    """scikit-optimize's forest with LCB and the constant liar: the method of 2018."""

    def __init__(self, space: Space, seed: int) -> None:
        from skopt import Optimizer
        from skopt.space import Categorical, Integer, Real

        def dimension(one: Parameter) -> Any:
            if one.kind == "choice":
                return Categorical(list(one.choices), name=one.name)
            prior = "log-uniform" if one.log else "uniform"
            if one.kind == "int":
                return Integer(int(one.low), int(one.high), prior=prior, name=one.name)
            return Real(one.low, one.high, prior=prior, name=one.name)

        self._names, self._worst = [one.name for one in space], -np.inf
        self._optimizer = Optimizer(
            [dimension(one) for one in space],
            base_estimator="RF",
            acq_func="LCB",
            acq_func_kwargs={"kappa": 1.96},
            n_initial_points=2 * len(space) + 1,
            random_state=seed,
            model_queue_size=1,
        )

    def ask(self, number: int) -> list[Values]:
        points = self._optimizer.ask(n_points=number, strategy="cl_mean")
        return [dict(zip(self._names, map(plain, point), strict=True)) for point in points]

    def tell(self, configurations: Sequence[Values], values: Sequence[float | None]) -> None:
        self._worst = max([self._worst, *(one for one in values if one is not None)])
        if np.isfinite(self._worst):
            points = [[one[name] for name in self._names] for one in configurations]
            self._optimizer.tell(points, [self._worst if one is None else one for one in values])


class DeepHyper:
    """deephyper.hpo.CBO; it maximises."""

    def __init__(self, space: Space, seed: int, **options: Any) -> None:
        from deephyper.hpo import CBO, HpProblem

        logging.getLogger("deephyper").setLevel(logging.ERROR)
        problem = HpProblem()
        for one in _config_space_parameters(space):
            problem.add_hyperparameter(one)
        self._search = CBO(
            problem,
            random_state=seed,
            log_dir=tempfile.mkdtemp(prefix="deephyper-"),
            checkpoint_history_to_csv=False,
            acq_optimizer_kwargs={"max_total_failures": -1},
            **options,
        )

    def ask(self, number: int) -> list[Values]:
        return [{name: plain(value) for name, value in one.items()} for one in self._search.ask(number)]

    def tell(self, configurations: Sequence[Values], values: Sequence[float | None]) -> None:
        said = ["F" if value is None else -value for value in values]
        self._search.tell(list(zip(configurations, said, strict=True)))


class Optuna:
    """A sampler of Optuna."""

    def __init__(self, space: Space, seed: int, sampler: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        makers = {
            "tpe": lambda: optuna.samplers.TPESampler(
                seed=seed, constant_liar=True, multivariate=True, group=True
            ),
            "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=seed),
            "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed, deterministic_objective=True),
        }
        self._optuna, self._space = optuna, space
        self._study = optuna.create_study(sampler=makers[sampler]())
        self._open: dict[int, tuple[Any, Values]] = {}

    def ask(self, number: int) -> list[Values]:
        asked = []
        for _ in range(number):
            trial = self._study.ask()
            values: Values = {}
            for one in self._space:
                if one.when is None or values.get(one.when[0]) in one.when[1]:
                    values[one.name] = self._suggest(trial, one)
            self._open[id(values)] = (trial, values)
            asked.append(values)
        return asked

    def tell(self, configurations: Sequence[Values], values: Sequence[float | None]) -> None:
        for configuration, value in zip(configurations, values, strict=True):
            trial, _ = self._open.pop(id(configuration))
            if value is None:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, value)

    def _suggest(self, trial: Any, one: Parameter) -> Any:
        if one.kind == "choice":
            return trial.suggest_categorical(one.name, one.choices)
        if one.kind == "int":
            return trial.suggest_int(one.name, int(one.low), int(one.high), log=one.log)
        return trial.suggest_float(one.name, one.low, one.high, log=one.log)


class Smac:
    """SMAC3's facade for hyperparameters."""

    def __init__(self, space: Space, seed: int) -> None:
        from ConfigSpace import ConfigurationSpace
        from smac import HyperparameterOptimizationFacade as Facade
        from smac import Scenario

        logging.disable(logging.WARNING)
        made = ConfigurationSpace(seed=seed)
        made.add(_config_space_parameters(space))
        folder = Path(tempfile.mkdtemp(prefix="smac-"))
        scenario = Scenario(made, deterministic=True, n_trials=10**6, output_directory=folder, seed=seed)
        self._smac = Facade(
            scenario,
            lambda config, seed: 0.0,  # it looks at the names
            overwrite=True,
            logging_level=50,
            intensifier=Facade.get_intensifier(scenario, max_config_calls=1),
        )
        self._open: dict[int, tuple[Any, Values]] = {}
        self._worst = -np.inf

    def ask(self, number: int) -> list[Values]:
        asked = []
        for _ in range(number):
            info = self._smac.ask()
            values = {name: plain(value) for name, value in dict(info.config).items()}
            self._open[id(values)] = (info, values)
            asked.append(values)
        return asked

    def tell(self, configurations: Sequence[Values], values: Sequence[float | None]) -> None:
        from smac.runhistory.dataclasses import TrialValue
        from smac.runhistory.enumerations import StatusType

        self._worst = max([self._worst, *(one for one in values if one is not None)])
        for configuration, value in zip(configurations, values, strict=True):
            info, _ = self._open.pop(id(configuration))
            status = StatusType.CRASHED if value is None else StatusType.SUCCESS
            cost = value if value is not None else self._worst if np.isfinite(self._worst) else 1e3
            self._smac.tell(info, TrialValue(cost=float(cost), status=status), save=False)


def _add_conditions(built: Any, space: Space) -> None:
    from ConfigSpace import InCondition

    for one in space:
        if one.when is not None:
            built.add(InCondition(built[one.name], built[one.when[0]], list(one.when[1])))


def _config_space_parameters(space: Space) -> list[Any]:
    import ConfigSpace

    def parameter(one: Parameter) -> Any:
        if one.kind == "choice":
            return ConfigSpace.CategoricalHyperparameter(one.name, list(one.choices))
        if one.kind == "int":
            return ConfigSpace.UniformIntegerHyperparameter(
                one.name, int(one.low), int(one.high), log=one.log
            )
        return ConfigSpace.UniformFloatHyperparameter(one.name, one.low, one.high, log=one.log)

    return [parameter(one) for one in space]


METHODS: dict[str, Callable[[Space, int], PeerMethod]] = {
    "ambs": lambda space, seed: Ours(space, seed, "ambs"),
    "classic": lambda space, seed: Ours(space, seed, "classic"),
    "random": lambda space, seed: Ours(space, seed, "random"),
    "sobol": lambda space, seed: Ours(space, seed, "sobol"),
    "skopt-rf": Skopt,
    "deephyper": DeepHyper,
    "deephyper-qucb": lambda space, seed: DeepHyper(
        space, seed, acq_optimizer="sampling", multi_point_strategy="qUCBd"
    ),
    "optuna-tpe": lambda space, seed: Optuna(space, seed, "tpe"),
    "optuna-cmaes": lambda space, seed: Optuna(space, seed, "cmaes"),
    "optuna-nsga2": lambda space, seed: Optuna(space, seed, "nsga2"),
    "optuna-gp": lambda space, seed: Optuna(space, seed, "gp"),
    "smac": Smac,
}


def quietly(make: Callable[[], PeerMethod]) -> PeerMethod:
    """Made with its warnings switched off: they would fill the terminal."""
    warnings.simplefilter("ignore")
    return make()
