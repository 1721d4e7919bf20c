"""A Gaussian process with several outputs that share their lengths: all cost one matrix.

Sources: as `gaussian_process`; outputs of one kernel, independent otherwise: Bonilla, Chai, Williams (2007),
"Multi-task Gaussian process prediction", with a diagonal matrix of outputs.
"""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.gaussian_process import JITTER, Hyperparameters, inverse_of, matern

LEAST_SIGNAL = 1e-9


class JointProcess:
    """A process conditioned on points with targets (n, q), each column standardised by the caller."""

    def __init__(self, hyperparameters: Hyperparameters, X: Floats, T: Floats) -> None:
        self._lengths, self._noise = hyperparameters.lengths, hyperparameters.noise + JITTER
        self._A = X / self._lengths
        K = matern(self._A, self._A)
        K[np.diag_indices(len(T))] = 1.0 + self._noise
        whitened = self._whiten(inverse_of(np.linalg.cholesky(K)), T)
        self._signals = np.maximum((whitened**2).mean(axis=0), LEAST_SIGNAL)

    def _whiten(self, inverse: Floats, T: Floats) -> Floats:
        """Store the targets and their weights; the whitened targets (n, q)."""
        self._inverse, self._T = inverse, T
        whitened: Floats = inverse @ T
        self._weights = inverse.T @ whitened
        self._single_root = inverse.astype(np.float32, order="C")
        self._single_weights = self._weights.astype(np.float32)
        return whitened

    def predict(self, X: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations without noise, each (n, q), in single precision."""
        from scipy.linalg.blas import strmm

        K = matern(X / self._lengths, self._A, np.float32)
        means = (K @ self._single_weights).astype(np.float64)
        # K times the triangle's transpose in half the work of a full product, as `Posterior.predict` has it
        V = strmm(1.0, self._single_root.T, K.T, trans_a=1, overwrite_b=1).T
        explained = np.einsum("ij,ij->i", V, V).astype(np.float64)
        left = np.maximum(1.0 - explained, 1e-9)
        return means, np.asarray(np.sqrt(left[:, None] * self._signals))

    @property
    def noise(self) -> Floats:
        """(q,) variances of the noise."""
        return np.asarray(self._noise * self._signals)

    def assuming(self, X: Floats) -> tuple[JointProcess, Floats]:
        """The process that believes its own predictions at `X` (n, f), and these (n, q).

        The signal variances stay.
        """
        A = X / self._lengths
        correlations = matern(A, self._A)
        assumed = correlations @ self._weights
        cross = correlations @ self._inverse.T
        K = matern(A, A)
        K[np.diag_indices(len(X))] = 1.0 + self._noise
        corner = inverse_of(np.linalg.cholesky(K - cross @ cross.T))
        old, new = len(self._T), len(X)
        inverse = np.zeros((old + new, old + new))
        inverse[:old, :old] = self._inverse
        inverse[old:, :old] = -corner @ cross @ self._inverse
        inverse[old:, old:] = corner
        grown = JointProcess.__new__(JointProcess)
        grown._lengths, grown._noise, grown._signals = self._lengths, self._noise, self._signals
        grown._A = np.concatenate([self._A, A])
        grown._whiten(inverse, np.concatenate([self._T, assumed]))
        return grown, assumed
