"""A Gaussian process on about a hundred points: Matern 5/2 with a length for each feature, and noise.

Targets are standardised by the caller. Sources: Rasmussen & Williams (2006), chapters 2 and 5; lengths
that grow with the dimension: Hvarfner, Hellsten, Nardi (2024), "Vanilla Bayesian optimization performs
great in high dimensions".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.search.constraints import Floats

JITTER = 1e-6
MIDDLE_LENGTH, LENGTH_SPREAD = 0.5, 1.2  # log-normal prior of lengths, in the units of positions
MIDDLE_NOISE, NOISE_SPREAD = 1e-2, 2.0  # prior of the noise variance, as a share of the signal variance
LENGTH_BOUNDS, NOISE_BOUNDS = (0.02, 20.0), (1e-6, 1.0)
FIT_STEPS = 20


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Lengths (f,) in feature units and the noise variance as a share of the signal variance."""

    lengths: Floats
    noise: float


def prior(features: int) -> Hyperparameters:
    """The most probable hyperparameters before any data."""
    return Hyperparameters(np.full(features, MIDDLE_LENGTH * features**0.25), MIDDLE_NOISE)


def halfway(one: Hyperparameters, other: Hyperparameters) -> Hyperparameters:
    """The geometric means of two sets of hyperparameters."""
    return Hyperparameters(np.sqrt(one.lengths * other.lengths), math.sqrt(one.noise * other.noise))


def matern(A: Floats, B: Floats, dtype: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    """(n, m) Matern 5/2 correlations of points that are divided by their lengths.

    Args:
        dtype: single precision takes half the time, with relative errors of 1e-6.
    """
    square = A @ (-10.0 * B.T)  # in place from here: this is the search's hottest function
    square += 5.0 * np.einsum("ij,ij->i", A, A)[:, None]
    square += 5.0 * np.einsum("ij,ij->i", B, B)
    np.maximum(square, 0.0, out=square)
    found = square.astype(dtype, copy=False)  # not before: the difference of large squares is small
    r = np.sqrt(found)
    found *= dtype(1.0 / 3.0)
    found += r
    found += dtype(1.0)
    np.negative(r, out=r)
    found *= np.exp(r, out=r)
    return found


def fit(X: Floats, t: Floats, start: Hyperparameters) -> Hyperparameters:
    """The most probable hyperparameters of standardised targets `t` (n,) at `X` (n, f), n >= 2.

    The signal variance is profiled out.

    Args:
        start: where to begin; few steps are taken, so a fit to earlier data brings it closer.
    """
    from scipy.optimize import minimize

    likelihood = _Likelihood(X, t, _logarithms(prior(X.shape[1])))
    bounds = [tuple(np.log(LENGTH_BOUNDS))] * X.shape[1] + [tuple(np.log(NOISE_BOUNDS))]
    options = {"maxiter": FIT_STEPS}
    theta = _logarithms(start)
    found = minimize(likelihood, theta, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return Hyperparameters(np.exp(found.x[:-1]), math.exp(found.x[-1]))


def leave_one_out(hyperparameters: Hyperparameters, X: Floats, t: Floats) -> Floats:
    """(n,) what the process predicts at each of `X` (n, f) from the targets `t` (n,) of all others.

    Source: Rasmussen & Williams (2006), section 5.4.2.
    """
    A = X / hyperparameters.lengths
    K = matern(A, A)
    K[np.diag_indices(len(t))] = 1.0 + hyperparameters.noise + JITTER
    root = inverse_of(np.linalg.cholesky(K))
    inverse = root.T @ root
    return np.asarray(t - (inverse @ t) / np.diag(inverse))


def _logarithms(hyperparameters: Hyperparameters) -> Floats:
    found: Floats = np.log(np.append(hyperparameters.lengths, hyperparameters.noise))
    return found


def inverse_of(root: NDArray[Any]) -> Floats:
    """The inverse of a lower triangular matrix, in a third of the time that a general inverse takes."""
    from scipy.linalg.lapack import dtrtri

    found, _ = dtrtri(root, lower=1)
    return np.asarray(found)


class _Likelihood:
    """Negative log posterior of log lengths and log noise, with its gradient."""

    def __init__(self, X: Floats, t: Floats, centre: Floats) -> None:
        self._t, self._centre = t, centre
        self._spread = np.append(np.full(X.shape[1], LENGTH_SPREAD), NOISE_SPREAD)
        rows, columns = np.triu_indices(len(t), 1)
        self._squares = (X[rows] - X[columns]) ** 2  # (pairs, f)
        self._below = columns * len(t) + rows  # places of the pairs in a flat matrix, below its diagonal
        self._above = rows * len(t) + columns

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        n, noise = len(self._t), math.exp(theta[-1])
        weights = np.exp(-2.0 * theta[:-1])
        r = np.sqrt(5.0 * (self._squares @ weights))
        decay = np.exp(-r)
        K = np.zeros(n * n)  # its lower triangle is all that is read
        K[:: n + 1] = 1.0 + noise + JITTER
        K[self._below] = (1.0 + r + r * r / 3.0) * decay
        L = np.linalg.cholesky(K.reshape(n, n))  # cannot fail: the noise bound keeps K well conditioned
        inverse = inverse_of(L)
        inverse = inverse.T @ inverse
        alpha = inverse @ self._t
        signal = max(float(self._t @ alpha) / n, 1e-12)
        outer = np.outer(alpha, alpha) / signal - inverse
        deviation = (theta - self._centre) / self._spread
        value = (
            0.5 * n * math.log(signal) + float(np.log(np.diag(L)).sum()) + 0.5 * float(deviation @ deviation)
        )
        slope = outer.take(self._above) * (5.0 / 3.0) * (1.0 + r) * decay
        gradient = np.append(-(slope @ self._squares) * weights, -0.5 * noise * float(np.trace(outer)))
        return value, gradient + deviation / self._spread


class Posterior:
    """A process conditioned on points; assumed points can be added one after another."""

    def __init__(self, hyperparameters: Hyperparameters, X: Floats, t: Floats) -> None:
        self._lengths, self._noise = hyperparameters.lengths, hyperparameters.noise + JITTER
        self._A = X / self._lengths
        K = matern(self._A, self._A)
        K[np.diag_indices(len(t))] = 1.0 + self._noise
        whitened = self._whiten(inverse_of(np.linalg.cholesky(K)), t)
        self.signal = max(float(whitened @ whitened) / len(t), 1e-9)

    def _whiten(self, inverse_root: Floats, t: Floats) -> Floats:
        """Store the targets and their weights; the whitened targets."""
        self._inverse_root, self._t = inverse_root, t
        whitened: Floats = inverse_root @ t
        self._weights = inverse_root.T @ whitened
        self._single_root = inverse_root.astype(np.float32, order="C")
        self._single_weights = self._weights.astype(np.float32)
        return whitened

    def mean(self, X: Floats) -> Floats:
        """(n,) predicted targets."""
        return np.asarray(matern(X / self._lengths, self._A) @ self._weights)

    def left_out(self) -> Floats:
        """(n,) what the process would predict for each of its targets from all the others.

        Source: Rasmussen & Williams (2006), equation 5.12.
        """
        return np.asarray(self._t - self._weights / (self._inverse_root**2).sum(axis=0))

    def predict(self, X: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation without noise, each (n,), in single precision, to compare points."""
        from scipy.linalg.blas import strmm

        K = matern(X / self._lengths, self._A, np.float32)
        mean = (K @ self._single_weights).astype(np.float64)
        # K times the triangle's transpose in half the work of a full product, in place of K
        V = strmm(1.0, self._single_root.T, K.T, trans_a=1, overwrite_b=1).T
        explained = np.einsum("ij,ij->i", V, V).astype(np.float64)
        return mean, np.sqrt(np.maximum(self.signal * (1.0 - explained), 1e-12))

    def assuming(self, X: Floats, t: float | None) -> Posterior:
        """The process conditioned also on `t` at each of `X` (n, f); the signal variance stays.

        Args:
            t: target; None takes the prediction there.
        """
        A = X / self._lengths
        correlations = matern(A, self._A)
        assumed = correlations @ self._weights if t is None else np.full(len(X), t)
        cross = correlations @ self._inverse_root.T
        K = matern(A, A)
        K[np.diag_indices(len(X))] = 1.0 + self._noise
        corner = inverse_of(np.linalg.cholesky(K - cross @ cross.T))
        old, new = len(self._t), len(X)
        root = np.zeros((old + new, old + new))
        root[:old, :old] = self._inverse_root
        root[old:, :old] = -corner @ cross @ self._inverse_root
        root[old:, old:] = corner
        grown = Posterior.__new__(Posterior)
        grown._lengths, grown._noise, grown.signal = self._lengths, self._noise, self.signal
        grown._A = np.concatenate([self._A, A])
        grown._whiten(root, np.concatenate([self._t, assumed]))
        return grown
