"""Every attempt draws random numbers of its own, and the same ones when it is replayed."""

from __future__ import annotations

import random

import numpy as np

from ambs_hpc.launcher.supervisor.random_seed import load_generators, seed_generators, seed_of


def test_attempts_have_seeds_of_their_own() -> None:
    """Of evaluation, attempt and campaign alike."""
    seeds = {
        seed_of(seed, ordinal, attempt) for seed in (0, 1) for ordinal in range(50) for attempt in (1, 2)
    }
    assert len(seeds) == 200
    assert all(0 <= one < 2**32 for one in seeds)
    assert seed_of(7, 3, 1) == seed_of(7, 3, 1)


def test_global_generators_follow_the_seed() -> None:
    """Python's and numpy's legacy one."""
    load_generators()
    seed_generators(5)
    first = random.random(), np.random.rand()
    seed_generators(6)
    other = random.random(), np.random.rand()
    seed_generators(5)
    assert (random.random(), np.random.rand()) == first
    assert not set(first) & set(other)
