"""The surrogate of one source: a forest and a Gaussian process; and its best points, far from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Forest, Growth
from ambs_hpc.search.gaussian_process import Posterior, fit, prior
from ambs_hpc.search.history import History
from ambs_hpc.search.objective_transform import fit_scale
from ambs_hpc.search.streams import Stream, generator
from ambs_hpc.search.transfer.mapped_source import MappedSource

GROWTH = Growth(
    tree="extra",
    trees=16,
    min_leaf=1,
    refresh=0.1,
    training_rows=2000,
    transform="rank",
    lie="none",
    first=1,
)
POINTS = 200  # observations of the process: the best half of them, and as many of the others
FITTED_POINTS = 100  # of them, on which its hyperparameters are fitted
LEADS = 32  # points of a source that are tried for themselves
LEADING_SHARE = 0.1  # of a source's successes, among which the leads are chosen
MOST_LEADING = 256
CLOSENESS = 0.35  # share of the mean distance among the leading points that keeps the first leads apart
ELITE = 32  # best points around which candidates lie


class SourceModel:
    """What one source says of any row; it never changes.

    Attributes:
        elite: (k, d) rows of V, the source's best first.
        leads: (l, d) rows to be tried for themselves, the best first and each far from those before.
    """

    def __init__(self, encoding: Encoding, source: MappedSource, seed: int, number: int) -> None:
        self.name = source.name
        self._encoding, self._source = encoding, source
        self._seed = int(generator(seed, Stream.SOURCE_GROWTH, number).integers(2**31))
        self._models: tuple[Forest, Posterior] | None = None
        self._middle, self._spread = 0.0, 1.0
        order = np.argsort(source.objectives, kind="stable")[: source.successes]  # failures are NaN: last
        self.elite: Floats = source.rows[order[:ELITE]]
        self.leads: Floats = self._apart(source.rows[order[: _leading(len(order))]])

    def predict(self, V: Floats) -> Floats:
        """(n,) predicted normal scores of the source's objectives, lower is better: the mean of two models.

        The forest has all observations, the process few of them, and no steps between them.
        """
        if self._models is None:
            self._models = self._grown(), self._fitted()
        forest, process = self._models
        X = self._encoding.smooth_features(V)
        return 0.5 * (forest.predict(forest.places(V))[0] + self._middle + self._spread * process.mean(X))

    def _grown(self) -> Forest:
        history = History(self._encoding.dimensions)
        for row, objective in zip(self._source.rows, self._source.objectives, strict=True):
            history.observe(row, float(objective))
        forest = Forest(GROWTH, self._encoding, self._seed)
        forest.update(history)
        return forest

    def _fitted(self) -> Posterior:
        """The process on the best observations and on others that are drawn."""
        y = self._source.objectives
        t = fit_scale(GROWTH.transform, y[np.isfinite(y)]).forward(y)
        self._middle, self._spread = float(t.mean()), float(t.std()) or 1.0
        rng = np.random.default_rng(self._seed)
        order = np.argsort(t, kind="stable")
        best, others = order[: POINTS // 2], order[POINTS // 2 :]
        places = np.concatenate([best, rng.permutation(others)[: POINTS - len(best)]])
        X, t = (
            self._encoding.smooth_features(self._source.rows[places]),
            (t[places] - self._middle) / self._spread,
        )
        start = prior(X.shape[1])
        few = rng.permutation(len(t))[:FITTED_POINTS]
        return Posterior(fit(X[few], t[few], start) if len(few) > 1 else start, X, t)

    def _apart(self, V: Floats) -> Floats:
        """At most `LEADS` of the rows, best first: the next is the best one that is far from those chosen."""
        distances = _distances(self._encoding.smooth_features(V))
        closest = CLOSENESS * float(distances.mean())
        chosen: list[int] = []
        left = list(range(len(V)))
        while left and len(chosen) < LEADS:
            far = [one for one in left if not chosen or distances[one, chosen].min() >= closest]
            if far:
                chosen.append(far[0])
                left.remove(far[0])
            elif closest < 1e-6:
                break
            else:
                closest /= 2.0
        return V[chosen]


def _leading(successes: int) -> int:
    """How many of a source's successes are good enough to be tried for themselves."""
    return min(max(LEADS, int(LEADING_SHARE * successes)), MOST_LEADING, successes)


def _distances(X: Floats) -> NDArray[np.float64]:
    """(n, n) sums of absolute differences of features."""
    return np.asarray(np.abs(X[:, None, :] - X[None, :, :]).sum(axis=2))
