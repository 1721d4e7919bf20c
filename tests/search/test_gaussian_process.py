"""The local Gaussian process: exact conditioning, a true gradient, sensible lengths."""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.gaussian_process import (
    NOISE_BOUNDS,
    Hyperparameters,
    Posterior,
    _Likelihood,
    fit,
    matern,
    prior,
)

RNG = np.random.default_rng(0)
X = RNG.random((60, 4))
T = np.sin(6.0 * X[:, 0]) + X[:, 1] ** 2
T = (T - T.mean()) / T.std()


def test_the_kernel_is_one_at_no_distance_and_falls() -> None:
    """Checked against the formula at one distance."""
    a, b = np.zeros((1, 1)), np.array([[0.0], [0.5], [3.0]])
    r = np.sqrt(5.0) * 0.5
    np.testing.assert_allclose(matern(a, b)[0, :2], [1.0, (1 + r + r * r / 3) * np.exp(-r)])
    assert 0.0 < matern(a, b)[0, 2] < 0.1
    np.testing.assert_allclose(matern(X, X, np.float32), matern(X, X), rtol=2e-6)


def test_the_gradient_is_the_slope_of_the_likelihood() -> None:
    """A wrong gradient makes the fit stop early and silently."""
    likelihood = _Likelihood(X, T, np.zeros(5))
    theta = np.array([-0.3, 0.2, 0.5, 0.1, -2.0])
    step = 1e-5
    slopes = [
        (likelihood(theta + step * e)[0] - likelihood(theta - step * e)[0]) / (2 * step) for e in np.eye(5)
    ]
    np.testing.assert_allclose(likelihood(theta)[1], slopes, rtol=1e-5, atol=1e-6)


def test_the_fit_finds_which_features_matter() -> None:
    """The others get long lengths."""
    lengths = fit(X, T, prior(4)).lengths
    assert max(lengths[0], lengths[1]) < min(lengths[2], lengths[3])


def test_predictions_are_exact_at_the_points_and_unsure_away() -> None:
    """Small noise, so nearly interpolating."""
    posterior = Posterior(fit(X, T, prior(4)), X, T)
    mean, std = posterior.predict(X)
    np.testing.assert_allclose(mean, T, atol=0.05)
    assert posterior.predict(np.full((1, 4), 3.0))[1][0] > 5 * std.max()


def test_assuming_points_equals_conditioning_on_all() -> None:
    """The cheap update of the root is exact; the signal variance stays by intention."""
    hyperparameters, new = fit(X, T, prior(4)), RNG.random((9, 4))
    posterior = Posterior(hyperparameters, X, T)
    assumed = posterior.assuming(new, posterior.mean(new) + 0.3)
    whole = Posterior(hyperparameters, np.vstack([X, new]), np.append(T, posterior.mean(new) + 0.3))
    at = RNG.random((30, 4))
    np.testing.assert_allclose(assumed.mean(at), whole.mean(at), atol=1e-8)
    np.testing.assert_allclose(assumed.predict(at)[0], whole.predict(at)[0], atol=1e-4)
    scaled = whole.predict(at)[1] * np.sqrt(assumed.signal / whole.signal)
    np.testing.assert_allclose(assumed.predict(at)[1], scaled, rtol=1e-2)


def test_single_precision_tells_candidates_apart() -> None:
    """Also where the noise is as small as it may be, and the weights as large."""
    posterior = Posterior(Hyperparameters(np.full(4, 1.0), NOISE_BOUNDS[0]), X, T)
    near = X[0] + RNG.normal(scale=0.05, size=(200, 4))
    mean, std = posterior.predict(near)
    spread = posterior.mean(near).std()
    np.testing.assert_allclose(mean, posterior.mean(near), atol=0.01 * spread)
    root = posterior._inverse_root @ matern(near, X).T
    exact = np.sqrt(posterior.signal * (1.0 - np.einsum("ij,ij->j", root, root)))
    np.testing.assert_allclose(std, exact, atol=0.01 * spread)


def test_believing_its_own_prediction_changes_only_the_uncertainty() -> None:
    """The believer's lie on a Gaussian process."""
    posterior, new = Posterior(fit(X, T, prior(4)), X, T), RNG.random((5, 4))
    believed = posterior.assuming(new, posterior.mean(new))
    at = RNG.random((30, 4))
    np.testing.assert_allclose(believed.mean(at), posterior.mean(at), atol=1e-7)
    assert (believed.predict(at)[1] <= posterior.predict(at)[1] + 1e-9).all()


def test_constant_targets_and_repeated_points_do_no_harm() -> None:
    """Every evaluation may give the same value."""
    same = np.repeat(X[:3], 4, axis=0)
    fitted = fit(same, np.zeros(12), prior(4))
    mean, std = Posterior(fitted, same, np.zeros(12)).predict(X)
    assert np.isfinite(mean).all()
    assert np.isfinite(std).all()


def test_two_points_are_enough() -> None:
    """A user may set the design to its smallest."""
    assert np.isfinite(fit(X[:2], T[:2], prior(4)).lengths).all()
    assert len(prior(4).lengths) == 4
