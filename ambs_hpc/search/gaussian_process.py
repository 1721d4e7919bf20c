"""A Gaussian process on about a hundred points: Matern 5/2 with a length for each feature, and noise.

Targets are standardised by the caller. Sources: Rasmussen & Williams (2006), chapters 2 and 5; lengths
that grow with the dimension: Hvarfner, Hellsten, Nardi (2024), "Vanilla Bayesian optimization performs
great in high dimensions".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ambs_hpc.search.structure import Floats

JITTER = 1e-6
MIDDLE_LENGTH, LENGTH_SPREAD = 0.5, 1.2  # log-normal belief about lengths, in the units of positions
MIDDLE_NOISE, NOISE_SPREAD = 1e-2, 2.0  # and about the noise variance, as a share of the signal's
LENGTH_BOUNDS, NOISE_BOUNDS = (0.02, 20.0), (1e-6, 1.0)
FIT_STEPS = 20


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Lengths (f,) in feature units and the noise variance as a share of the signal variance."""

    lengths: Floats
    noise: float


def prior(features: int) -> Hyperparameters:
    """What is believed before any data."""
    return Hyperparameters(np.full(features, MIDDLE_LENGTH * features**0.25), MIDDLE_NOISE)


def matern(A: Floats, B: Floats) -> Floats:
    """(n, m) Matern 5/2 correlations of points that are divided by their lengths."""
    r: Floats = A @ (-10.0 * B.T)  # in place from here: this is the search's hottest function
    r += 5.0 * np.einsum("ij,ij->i", A, A)[:, None]
    r += 5.0 * np.einsum("ij,ij->i", B, B)
    np.sqrt(np.maximum(r, 0.0, out=r), out=r)
    found = r / 3.0
    found += 1.0
    found *= r
    found += 1.0
    found *= np.exp(np.negative(r, out=r), out=r)
    return found


def fit(X: Floats, t: Floats) -> Hyperparameters:
    """The most probable hyperparameters of standardised targets `t` (n,) at `X` (n, f), n >= 2.

    The signal variance is profiled out.
    """
    from scipy.optimize import minimize

    start = prior(X.shape[1])
    theta = np.log(np.append(start.lengths, start.noise))
    likelihood = _Likelihood(X, t, theta)
    bounds = [tuple(np.log(LENGTH_BOUNDS))] * X.shape[1] + [tuple(np.log(NOISE_BOUNDS))]
    found = minimize(
        likelihood, theta, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": FIT_STEPS}
    )
    return Hyperparameters(np.exp(found.x[:-1]), math.exp(found.x[-1]))


class _Likelihood:
    """Negative log posterior of log lengths and log noise, with its gradient."""

    def __init__(self, X: Floats, t: Floats, centre: Floats) -> None:
        self._t, self._centre = t, centre
        self._spread = np.append(np.full(X.shape[1], LENGTH_SPREAD), NOISE_SPREAD)
        self._pairs = np.triu_indices(len(t), 1)
        self._squares = (X[self._pairs[0]] - X[self._pairs[1]]) ** 2  # (pairs, f)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        n, noise = len(self._t), math.exp(theta[-1])
        weights = np.exp(-2.0 * theta[:-1])
        r = np.sqrt(5.0 * (self._squares @ weights))
        decay = np.exp(-r)
        K = np.eye(n) * (1.0 + noise + JITTER)
        K[self._pairs] = K.T[self._pairs] = (1.0 + r + r * r / 3.0) * decay
        L = np.linalg.cholesky(K)  # cannot fail: the noise bound keeps K well conditioned
        inverse = np.linalg.inv(L)
        inverse = inverse.T @ inverse
        alpha = inverse @ self._t
        signal = max(float(self._t @ alpha) / n, 1e-12)
        outer = np.outer(alpha, alpha) / signal - inverse
        deviation = (theta - self._centre) / self._spread
        value = (
            0.5 * n * math.log(signal) + float(np.log(np.diag(L)).sum()) + 0.5 * float(deviation @ deviation)
        )
        slope = outer[self._pairs] * (5.0 / 3.0) * (1.0 + r) * decay
        gradient = np.append(-(slope @ self._squares) * weights, -0.5 * noise * float(np.trace(outer)))
        return value, gradient + deviation / self._spread


class Posterior:
    """A process conditioned on points; more points can be assumed one after another."""

    def __init__(self, hyperparameters: Hyperparameters, X: Floats, t: Floats) -> None:
        self._lengths, self._noise = hyperparameters.lengths, hyperparameters.noise + JITTER
        self._A, self._t = X / self._lengths, t
        K = matern(self._A, self._A)
        K[np.diag_indices(len(t))] = 1.0 + self._noise
        self._inverse_root = np.linalg.inv(np.linalg.cholesky(K))
        whitened = self._inverse_root @ t
        self._weights = self._inverse_root.T @ whitened
        self.signal = max(float(whitened @ whitened) / len(t), 1e-9)

    def mean(self, X: Floats) -> Floats:
        """(n,) predicted targets."""
        return np.asarray(matern(X / self._lengths, self._A) @ self._weights)

    def predict(self, X: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation without noise, each (n,)."""
        K = matern(X / self._lengths, self._A)
        V = K @ self._inverse_root.T
        variance = self.signal * (1.0 - np.einsum("ij,ij->i", V, V))
        return np.asarray(K @ self._weights), np.sqrt(np.maximum(variance, 1e-12))

    def assuming(self, X: Floats, t: Floats) -> Posterior:
        """The process that has seen `t` (n,) at `X` (n, f) as well; the signal variance stays."""
        A = X / self._lengths
        cross = matern(A, self._A) @ self._inverse_root.T
        K = matern(A, A)
        K[np.diag_indices(len(t))] = 1.0 + self._noise
        corner = np.linalg.inv(np.linalg.cholesky(K - cross @ cross.T))
        old, new = len(self._t), len(t)
        root = np.zeros((old + new, old + new))
        root[:old, :old] = self._inverse_root
        root[old:, :old] = -corner @ cross @ self._inverse_root
        root[old:, old:] = corner
        grown = Posterior.__new__(Posterior)
        grown._lengths, grown._noise, grown.signal = self._lengths, self._noise, self.signal
        grown._A, grown._t = np.concatenate([self._A, A]), np.concatenate([self._t, t])
        grown._inverse_root = root
        grown._weights = root.T @ (root @ grown._t)
        return grown
