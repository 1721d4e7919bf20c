"""The distributions that a space gives its parameters shape what is tried."""

from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import (
    BetaFloatHyperparameter,
    BetaIntegerHyperparameter,
    Categorical,
    ConfigurationSpace,
    NormalFloatHyperparameter,
    NormalIntegerHyperparameter,
)

from ambs_hpc.records import Observation
from ambs_hpc.search import METHODS, create_searcher
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.sampling.sampler import ConfigurationSampler

INFORMED = {
    "normal": NormalFloatHyperparameter("p", mu=50.0, sigma=2.0, lower=0.0, upper=100.0),
    "normal on a log scale": NormalFloatHyperparameter("p", 0.01, 1.0, lower=1e-4, upper=1.0, log=True),
    "normal whole": NormalIntegerHyperparameter("p", mu=5, sigma=1.5, lower=1, upper=9),
    "beta": BetaFloatHyperparameter("p", alpha=2.0, beta=8.0, lower=-1.0, upper=1.0),
    "beta whole": BetaIntegerHyperparameter("p", alpha=3.0, beta=1.0, lower=0, upper=6),
    "weights": Categorical("p", [1, 2, 3], weights=[0.2, 0.0, 0.8]),
}


@pytest.mark.parametrize("kind", INFORMED)
def test_samples_follow_the_distribution_that_the_space_has(kind: str) -> None:
    """ConfigSpace's own samples are what a user has seen of it."""
    space = ConfigurationSpace(seed=1)
    space.add(INFORMED[kind])
    theirs = np.array([one["p"] for one in space.sample_configuration(3000)], dtype=float)
    encoding = Encoding(space)
    rows = encoding.from_uniform(np.random.default_rng(1).random((3000, 1)))
    ours = np.array([encoding.configuration(row)["p"] for row in rows], dtype=float)
    spread = theirs.std()
    np.testing.assert_allclose(ours.mean(), theirs.mean(), atol=0.1 * spread)
    np.testing.assert_allclose(ours.std(), spread, rtol=0.1)
    assert abs(np.mean(ours <= np.median(theirs)) - np.mean(theirs <= np.median(theirs))) < 0.04


@pytest.mark.parametrize("method", METHODS)
def test_every_method_begins_where_the_prior_is(method: str) -> None:
    """A belief that is not used until there is a model helps nobody."""
    space = ConfigurationSpace()
    space.add(INFORMED["normal"])
    values = [float(p.configuration["p"]) for p in create_searcher(space, method, seed=3).ask(64)]
    assert abs(np.mean(values) - 50.0) < 1.0
    assert 1.4 < np.std(values) < 2.6


def test_the_influence_of_a_prior_fades() -> None:
    """A wrong belief must not keep the search from the rest of the space for ever."""
    space = ConfigurationSpace()
    space.add(INFORMED["normal"])
    sampler = ConfigurationSampler(Encoding(space))
    far = [
        np.mean(np.abs(sampler.sample(np.random.default_rng(0), 2000, share) - 50.0) > 10.0)
        for share in (1.0, 0.5, 0.0)
    ]
    assert far[0] == 0.0
    assert 0.35 < far[1] < 0.45
    assert far[2] > 0.7


def test_a_wrong_prior_is_overcome() -> None:
    """The best lies twenty deviations from where it was expected."""
    space = ConfigurationSpace()
    space.add(INFORMED["normal"])
    searcher = create_searcher(space, "ambs", seed=1, local_share=0.5)
    for _ in range(20):
        asked = searcher.ask(4)
        searcher.tell([Observation(p.configuration, abs(float(p.configuration["p"]) - 10.0)) for p in asked])
    best = searcher.best()
    assert best is not None
    assert best.objective is not None
    assert best.objective < 1.0
