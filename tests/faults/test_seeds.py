"""Campaigns under faults keep every invariant, and a seed tells the same story each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from ambs_hpc.simulate.faults import FaultBench, FaultKind, FaultSettings, settings_of

SEEDS_OF_A_TEST, TESTS = 10, 3
NOTHING: frozenset[FaultKind] = frozenset()


@pytest.mark.parametrize("first", range(0, SEEDS_OF_A_TEST * TESTS, SEEDS_OF_A_TEST))
def test_no_seed_breaks_an_invariant(bench: FaultBench, injected: Counter[str], first: int) -> None:
    """Whatever dies, stops, is lost or comes late: each evaluation ends once, by its own result."""
    runs = [bench.run(settings_of(seed)) for seed in range(first, first + SEEDS_OF_A_TEST)]
    assert {run.seed: run.violations for run in runs if run.violations} == {}
    for run in runs:
        injected.update(run.injected)


def test_a_seed_is_replayed_exactly(bench: FaultBench) -> None:
    """A failure that cannot be shown again cannot be repaired."""
    for seed in range(3):
        first, second = bench.run(settings_of(seed)), bench.run(settings_of(seed))
        assert (first.digest, first.injected) == (second.digest, second.injected)


def test_another_process_replays_it_too(bench: FaultBench) -> None:
    """The order of sets of texts differs between processes, and must not matter."""
    arguments = [sys.executable, "-m", "ambs_hpc.simulate.faults.main", "--seeds", "3", "--json"]
    answer = subprocess.run(
        arguments, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "4711"}
    )
    digests = json.loads(answer.stdout)["digests"]
    assert digests == {str(seed): bench.run(settings_of(seed)).digest for seed in range(3)}


def test_seeds_differ(bench: FaultBench) -> None:
    """A machine that plays one game a thousand times finds nothing."""
    assert len({bench.run(settings_of(seed)).digest for seed in range(3)}) == 3


def test_without_faults_nothing_happens(bench: FaultBench) -> None:
    """No evaluation is interrupted by the machine itself, so what is seen under faults is theirs."""
    run = bench.run(FaultSettings(1, NOTHING, failing=0.0, faulty_seconds=0.0))
    assert run.violations == []
    assert run.injected == {}
    assert run.attempts == FaultSettings(1).budget


def test_every_kind_of_fault_happens(bench: FaultBench, injected: Counter[str]) -> None:
    """A fault that is never injected tests nothing. Those that the seeds before had are not run again."""
    for kind in FaultKind:
        kinds = frozenset({kind, FaultKind.ALLOCATION_VANISHES})
        for seed in range(20):
            if injected[kind.value]:
                break
            run = bench.run(replace(settings_of(seed), kinds=kinds, rate=0.2, seconds_between=10.0))
            injected.update(run.injected)
    assert {kind for kind in FaultKind if not injected[kind.value]} == set()
