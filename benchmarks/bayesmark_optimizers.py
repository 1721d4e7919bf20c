"""Search methods as optimizers of Bayesmark: suggest(n) configurations, observe their values; all minimise.

Imported in Bayesmark's environment; each needs its own packages alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.peer_problems import Parameter


class Timed:
    """An optimizer, and the processor time that it takes."""

    def __init__(self, optimizer: Any) -> None:
        self._optimizer, self.cpu_seconds = optimizer, 0.0

    def suggest(self, n_suggestions: int) -> Any:
        begun = time.process_time()
        found = self._optimizer.suggest(n_suggestions)
        self.cpu_seconds += time.process_time() - begun
        return found

    def observe(self, X: Sequence[Any], y: Sequence[float]) -> None:
        begun = time.process_time()
        self._optimizer.observe(X, y)
        self.cpu_seconds += time.process_time() - begun


class Wrapped:
    """Any of the methods in `peer_methods.py` as a Bayesmark optimizer; failures are told as such.

    Bayesmark wants all of its 128 suggestions, of spaces with 100 points too: the best is suggested again
    when a search has nothing left to propose.
    """

    def __init__(self, space: dict[str, Any], method: str, seed: int) -> None:
        from benchmarks.peer_methods import METHODS, quietly

        self._warped = Warped(space)
        self._searcher = quietly(lambda: METHODS[method](self._warped.parameters, seed))
        self._asked: list[Any] = []
        self._best: tuple[float, Any] | None = None

    def suggest(self, n_suggestions: int) -> list[dict[str, Any]]:
        from ambs_hpc.errors import SpaceExhausted

        try:
            self._asked = self._searcher.ask(n_suggestions)
        except SpaceExhausted:
            self._asked = []
        spare = [] if self._best is None else [self._best[1]] * (n_suggestions - len(self._asked))
        return [self._warped.unwarp(one) for one in (*self._asked, *spare)]

    def observe(self, X: Sequence[Any], y: Sequence[float]) -> None:
        values = [one if abs(one) < float("inf") else None for one in y[: len(self._asked)]]
        for configuration, value in zip(self._asked, values, strict=True):
            if value is not None and (self._best is None or value < self._best[0]):
                self._best = value, configuration
        self._searcher.tell(self._asked, values)


class RandomSearch:
    """Bayesmark's own, which its score starts from."""

    def __init__(self, space: dict[str, Any], method: str, seed: int) -> None:
        self._space = space

    def suggest(self, n_suggestions: int) -> list[dict[str, Any]]:
        import numpy as np
        from bayesmark.random_search import suggest_dict

        found: list[dict[str, Any]] = suggest_dict([], [], self._space, n_suggestions, np.random.mtrand._rand)
        return found

    def observe(self, X: Sequence[Any], y: Sequence[float]) -> None:
        pass


class Hebo:
    """HEBO of the package index; failures are told as the worst value so far."""

    def __init__(self, space: dict[str, Any], method: str, seed: int) -> None:
        import numpy as np
        import torch
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO

        torch.manual_seed(seed)
        torch.set_num_threads(1)
        self._warped, self._worst, self._numpy = Warped(space), -np.inf, np
        kinds = {"float": "num", "int": "int"}
        described = [
            {"name": one.name, "type": "cat", "categories": list(one.choices)}
            if one.kind == "choice"
            else {
                "name": one.name,
                "type": ("pow_int" if one.kind == "int" else "pow") if one.log else kinds[one.kind],
                "lb": one.low,
                "ub": one.high,
            }
            for one in self._warped.parameters
        ]
        self._optimizer = HEBO(DesignSpace().parse(described), scramble_seed=seed)

    def suggest(self, n_suggestions: int) -> list[dict[str, Any]]:
        self._asked = self._optimizer.suggest(n_suggestions)
        return [self._warped.unwarp(one) for one in self._asked.to_dict("records")]

    def observe(self, X: Sequence[Any], y: Sequence[float]) -> None:
        finite = [one for one in y if abs(one) < float("inf")]
        self._worst = max([self._worst, *finite])
        if abs(self._worst) < float("inf"):
            told = [one if abs(one) < float("inf") else self._worst for one in y]
            self._optimizer.observe(self._asked, self._numpy.array(told)[:, None])


class Warped:
    """Bayesmark's space in our words: logit scales become plain ones, truth values choices."""

    def __init__(self, space: dict[str, Any]) -> None:
        self._space = space
        self.parameters = tuple(
            Parameter(name, "choice", choices=("no", "yes"))
            if one["type"] == "bool"
            else Parameter(
                name,
                "int" if one["type"] == "int" else "float",
                *(map(_logit, one["range"]) if one["space"] == "logit" else one["range"]),
                log=one["space"] == "log",
            )
            for name, one in sorted(space.items())
        )

    def unwarp(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """As Bayesmark's models take it, within the bounds in spite of rounding."""
        return {name: self._value(self._space[name], value) for name, value in configuration.items()}

    @staticmethod
    def _value(one: dict[str, Any], value: Any) -> Any:
        if one["type"] == "bool":
            return value == "yes"
        if one["space"] == "logit":
            value = 1 / (1 + math.exp(-value))
        value = min(max(value, one["range"][0]), one["range"][1])
        return int(value) if one["type"] == "int" else float(value)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


OPTIMIZERS: dict[str, Callable[..., Any]] = {"random": RandomSearch, "hebo": Hebo}  # not Wrapped
