"""The objective as the models see it."""

from __future__ import annotations

import numpy as np
import pytest

from ambs_hpc.search.objective_transform import TRANSFORMS, fit_scale


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("count", [1, 2, 7, 3000])
def test_the_way_back_leads_to_the_same_objective(transform: str, count: int) -> None:
    """Predictions are stored in the user's units, and lies are read from there."""
    y = np.random.default_rng(0).lognormal(0.0, 3.0, count)
    scale = fit_scale(transform, y)
    np.testing.assert_allclose(scale.backward(scale.forward(y)), y, rtol=1e-3)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_order_of_objectives_is_kept(transform: str) -> None:
    """Whatever their distribution, ties included."""
    y = np.round(np.random.default_rng(0).lognormal(0.0, 3.0, 2000), 1)
    t = fit_scale(transform, y).forward(np.sort(y))
    assert (np.diff(t) >= 0).all()


def test_ranks_are_blind_to_outliers() -> None:
    """One diverged training must not flatten the rest."""
    y = np.arange(20.0)
    wild = y.copy()
    wild[-1] = 1e30
    np.testing.assert_allclose(fit_scale("rank", y).forward(y), fit_scale("rank", wild).forward(wild))


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_failure_counts_as_the_worst_seen(transform: str) -> None:
    """Relative to what was seen, in any units; never a magic number."""
    scale = fit_scale(transform, np.array([-3.0, -1.0, -2.0]))
    assert scale.forward(np.array([np.nan]))[0] == scale.forward(np.array([-1.0]))[0] == scale.worst


def test_a_new_best_value_lies_below_the_old_one() -> None:
    """Before the next fit it must already count as better, within bounds."""
    scale = fit_scale("rank", np.arange(100.0))
    better, far_better = scale.forward(np.array([-1.0, -1e9]))
    assert scale.best - 1.0 <= far_better < better < scale.best


def test_equal_objectives_make_a_flat_but_usable_scale() -> None:
    """Every evaluation may give the same accuracy."""
    scale = fit_scale("rank", np.full(10, 4.0))
    assert scale.forward(np.array([4.0]))[0] == scale.worst == scale.best
    assert scale.backward(np.array([scale.best]))[0] == 4.0


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("factor", [1e-310, 1e-300, 1.0, 1e300, 1.7e308])
@pytest.mark.filterwarnings("error")
def test_values_of_every_size_stay_finite_and_apart(transform: str, factor: float) -> None:
    """Whatever unit an objective has, and whatever number stands for a failure."""
    y = factor * np.linspace(-1.0, 1.0, 50)
    scale = fit_scale(transform, y)
    t = scale.forward(y)
    assert np.isfinite([*t, *scale.backward(t), scale.best, scale.mean, scale.worst]).all()
    if 1e-305 < factor < 1e305:
        assert len(np.unique(t)) == 50


def test_raw_values_are_told_apart_below_a_penalty() -> None:
    """The largest float as a penalty would make all others equal."""
    y = np.append(np.linspace(0.0, 1.0, 30), np.full(30, np.finfo(float).max))
    t = fit_scale("raw", y).forward(y)
    assert np.diff(t[:30]).min() > 1e-5
    assert t[30] > 10 * t[29]
    assert fit_scale("raw", y[:30]).forward(y[:30])[-1] < 2.0


def test_a_plateau_stays_flat_in_half_ranks() -> None:
    """Values that differ in the fifth digit are no progress, however many there are of them."""
    design = np.random.default_rng(0).permutation(np.linspace(0.1, 1.0, 20))
    plateau = 0.1 - 1e-6 * np.arange(200)
    t = fit_scale("half_rank", np.concatenate([design, plateau])).forward(np.array([0.1, plateau[-1], 0.2]))
    assert abs(t[0] - t[1]) < 0.01 * (t[2] - t[0])


def test_half_ranks_are_blind_to_the_size_of_bad_values() -> None:
    """One diverged training must not flatten the rest, however it diverged."""
    y = np.array([5.0, 1.0, 3.0, 2.0, 4.0, 6.0])
    wild = np.where(y == 6.0, 1e4, y)
    np.testing.assert_allclose(
        fit_scale("half_rank", y).forward(y), fit_scale("half_rank", wild).forward(wild)
    )


def test_an_unknown_transform_is_no_raw_one() -> None:
    """A name that one place knows and this one does not would change the search in silence."""
    with pytest.raises(ValueError, match="transform 'cubic' is none of"):
        fit_scale("cubic", np.array([1.0, 2.0]))
