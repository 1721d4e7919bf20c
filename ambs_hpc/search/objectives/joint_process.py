"""A Gaussian process with several outputs that share their lengths: all cost one matrix.

Sources: as `gaussian_process`; outputs of one kernel, independent otherwise: Bonilla, Chai, Williams (2007),
"Multi-task Gaussian process prediction", with a diagonal matrix of outputs.
"""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.gaussian_process import JITTER, Hyperparameters, matern

LEAST_SIGNAL = 1e-9


class JointProcess:
    """A process conditioned on points with targets (n, q), each column standardised by the caller."""

    def __init__(self, hyperparameters: Hyperparameters, X: Floats, T: Floats) -> None:
        self._lengths, self._noise = hyperparameters.lengths, hyperparameters.noise + JITTER
        self._A = X / self._lengths
        K = matern(self._A, self._A)
        K[np.diag_indices(len(T))] = 1.0 + self._noise
        self._set(np.linalg.cholesky(K), T)
        self._signals = np.maximum((self._whitened**2).mean(axis=0), LEAST_SIGNAL)

    def _set(self, root: Floats, T: Floats) -> None:
        from scipy.linalg import solve_triangular

        self._root, self._T = root, T
        self._whitened = solve_triangular(root, T, lower=True, check_finite=False)
        self._weights = solve_triangular(root, self._whitened, lower=True, trans=1, check_finite=False)

    def mean(self, X: Floats) -> Floats:
        """(n, q) predicted targets."""
        return np.asarray(matern(X / self._lengths, self._A) @ self._weights)

    def predict(self, X: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations without noise, each (n, q), in single precision."""
        from scipy.linalg import solve_triangular

        K = matern(X / self._lengths, self._A, np.float32)
        means = (K @ self._weights.astype(np.float32)).astype(np.float64)
        V = solve_triangular(self._root.astype(np.float32), K.T, lower=True, check_finite=False)
        explained = np.einsum("ij,ij->j", V, V).astype(np.float64)
        left = np.maximum(1.0 - explained, 1e-9)
        return means, np.asarray(np.sqrt(left[:, None] * self._signals))

    @property
    def noise(self) -> Floats:
        """(q,) variances of the noise."""
        return np.asarray(self._noise * self._signals)

    def assuming(self, X: Floats) -> JointProcess:
        """The process that believes its own predictions at `X` (n, f); the signal variances stay."""
        from scipy.linalg import solve_triangular

        A = X / self._lengths
        correlations = matern(A, self._A)
        assumed = correlations @ self._weights
        cross = solve_triangular(self._root, correlations.T, lower=True, check_finite=False).T
        K = matern(A, A)
        K[np.diag_indices(len(X))] = 1.0 + self._noise
        old, new = len(self._T), len(X)
        root = np.zeros((old + new, old + new))
        root[:old, :old], root[old:, :old] = self._root, cross
        root[old:, old:] = np.linalg.cholesky(K - cross @ cross.T)
        grown = JointProcess.__new__(JointProcess)
        grown._lengths, grown._noise, grown._signals = self._lengths, self._noise, self._signals
        grown._A = np.concatenate([self._A, A])
        grown._set(root, np.concatenate([self._T, assumed]))
        return grown
