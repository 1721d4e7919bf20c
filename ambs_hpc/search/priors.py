"""The distributions that a space gives its parameters, as warps of the unit interval.

A warp takes a uniform number to a position in [0, 1] on the parameter's own scale (linear or logarithmic),
distributed as ConfigSpace samples it. Weights of choices are no warps: `Encoding` has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ambs_hpc.search.constraints import Floats

MIDDLE, TAIL = 4096, 64  # quantiles of a table; between them a distribution is taken as uniform
TAIL_SHARE = 1e-9  # least probability of a tail that has a quantile of its own


class Warps:
    """The warps of the parameters whose distribution is not uniform on their scale."""

    def __init__(self, parameters: list[Any]) -> None:
        tables = {j: _quantiles(parameter) for j, parameter in enumerate(parameters)}
        self._tables = {j: table for j, table in tables.items() if table is not None}
        self._knots = _knots() if self._tables else np.zeros(0)

    def __bool__(self) -> bool:
        return bool(self._tables)

    def warped(self, U: Floats) -> Floats:
        """Positions (n, d) of uniform numbers (n, d); a copy where anything differs."""
        if not self._tables:
            return U
        found = U.copy()
        for column in self._tables:
            found[:, column] = self.column(column, U[:, column])
        return found

    def column(self, column: int, u: Floats) -> Floats:
        """Positions (n,) of uniform numbers (n,) in one column."""
        table = self._tables.get(column)
        return u if table is None else np.interp(u, self._knots, table)


def _quantiles(parameter: Any) -> Floats | None:
    """(k,) quantiles in [0, 1] of a normal or beta parameter; None for a uniform one."""
    from ConfigSpace import hyperparameters as kinds

    informed = (
        kinds.NormalFloatHyperparameter,
        kinds.NormalIntegerHyperparameter,
        kinds.BetaFloatHyperparameter,
        kinds.BetaIntegerHyperparameter,
    )
    if not isinstance(parameter, informed):
        return None
    vectorised: Any = parameter._vector_dist  # ConfigSpace has no public form of it
    found: Floats = np.clip(vectorised.rv.ppf(_knots()), 0.0, 1.0)
    return found if bool(np.isfinite(found).all()) else None


def _knots() -> Floats:
    """(k,) probabilities of the quantiles: even steps in the middle, ever smaller ones towards 0 and 1."""
    middle = np.linspace(0.0, 1.0, MIDDLE + 1)
    tail = np.geomspace(TAIL_SHARE, 1.0 / MIDDLE, TAIL, endpoint=False)
    return np.unique(np.concatenate([middle, tail, 1.0 - tail]))
