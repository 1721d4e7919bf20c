"""The checks see the bugs that they are for: each is put in on purpose, and caught."""

from __future__ import annotations

import pytest

from ambs_hpc.simulate.faults import FaultBench
from tests.faults.mutations import MUTATIONS, Mutation

SEEDS = 100  # tried at most, when the one that caught it before does not any more


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_mutation_is_caught(bench: FaultBench, mutation: Mutation) -> None:
    """A check that lets its bug pass would let it pass in the programs too."""
    for seed in (mutation.caught_by, *range(SEEDS)):
        with mutation.patch():
            run = bench.run(mutation.settings_of(seed))
        if any(mutation.told in violation for violation in run.violations):
            return
    pytest.fail(f"{mutation.name}: not caught by {SEEDS} seeds")


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_the_same_seed_passes_without_the_mutation(bench: FaultBench, mutation: Mutation) -> None:
    """What was caught is the bug, and not the faults."""
    assert bench.run(mutation.settings_of(mutation.caught_by)).violations == []
