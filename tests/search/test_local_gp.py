"""Where the local process looks: around the best, and now and then around the best of another kind."""

from __future__ import annotations

import numpy as np

from ambs_hpc.problem.space import build_space
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import History
from ambs_hpc.search.local_gp import LocalGp, Neighbourhood
from ambs_hpc.search.objective_transform import fit_scale


def two_valleys() -> tuple[Encoding, History]:
    """The deeper one at 0.2, another at 0.8."""
    encoding = Encoding(build_space({"x": (0.0, 1.0), "still": ["one"]}))
    history = History(encoding.dimensions)
    for x in np.linspace(0.0, 1.0, 81):
        history.observe(
            encoding.encode({"x": float(x), "still": "one"}), min(abs(x - 0.2), abs(x - 0.8) + 0.1)
        )
    return encoding, history


def neighbourhood(encoding: Encoding, history: History, seed: int, niche_share: float) -> Neighbourhood:
    local = LocalGp(encoding, seed, 20, niche_share, "raw")
    return local.neighbourhood(history, fit_scale("raw", history.objectives), 5)


def test_a_niche_is_the_best_that_differs_from_the_best() -> None:
    """A search that looks around the best alone stays in the first valley that it found."""
    encoding, history = two_valleys()
    found = [neighbourhood(encoding, history, seed, 1.0) for seed in range(12)]
    niches = [one for one in found if one.is_niche]
    assert {round(float(encoding.configuration(one.centre)["x"]), 6) for one in niches} == {0.8}


def test_without_niches_the_incumbent_is_among_the_best() -> None:
    """So it was before, and so it is in the larger part of the proposals."""
    encoding, history = two_valleys()
    found = [neighbourhood(encoding, history, seed, 0.0) for seed in range(12)]
    assert not any(one.is_niche for one in found)
    assert all(abs(float(encoding.configuration(one.centre)["x"]) - 0.2) < 0.15 for one in found)


def test_no_niche_as_long_as_better_ones_come() -> None:
    """The best would only be kept waiting; what does not improve on it brings the niches back one by one."""
    encoding, history = two_valleys()
    history.observe(encoding.encode({"x": 0.201, "still": "one"}), -0.1)
    assert not any(neighbourhood(encoding, history, seed, 1.0).is_niche for seed in range(12))
    for x in np.linspace(0.3, 0.4, 10):
        history.observe(encoding.encode({"x": float(x), "still": "one"}), 0.5)
    assert 0 < sum(neighbourhood(encoding, history, seed, 1.0).is_niche for seed in range(24)) < 24


def test_many_workers_look_for_niches_at_once() -> None:
    """Proposals that still run count as well: there is room for both."""
    encoding, history = two_valleys()
    history.observe(encoding.encode({"x": 0.201, "still": "one"}), -0.1)
    for x in np.linspace(0.15, 0.25, 120):
        history.propose(encoding.encode({"x": float(x), "still": "one"}), None)
    assert any(neighbourhood(encoding, history, seed, 1.0).is_niche for seed in range(12))


def test_where_all_are_alike_there_is_no_niche() -> None:
    """The incumbent is drawn as ever."""
    encoding = Encoding(build_space({"x": (0.0, 1.0), "still": ["one"]}))
    history = History(encoding.dimensions)
    for x in np.linspace(0.4, 0.5, 30):
        history.observe(encoding.encode({"x": float(x), "still": "one"}), float(x))
    assert not any(neighbourhood(encoding, history, seed, 1.0).is_niche for seed in range(6))
