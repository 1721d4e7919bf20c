"""Simulated campaigns over several seeds, and their medians."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ambs_hpc.simulate import SimulationResult, SimulationSettings, named_load, shared, simulate

GOOD = 0.8  # the accuracy above which published figures count a configuration


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of a comparison.

    Args:
        label: of its row or line.
        options: of the method.
        minutes: of virtual time.
    """

    label: str
    load: str
    slots: int
    minutes: float
    method: str = "ambs"
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Medians:
    """Of a case over its seeds, with the lowest and highest utilisation."""

    case: Case
    seeds: int
    utilisation: float
    utilisation_range: tuple[float, float]
    evaluations: float
    best: float
    good_share: float
    cpu_ms_per_proposal: float
    runs: Sequence[SimulationResult]


def run_case(case: Case, seeds: int, tell: Callable[[str], None] | None = None) -> Medians:
    """Simulate it with every seed; the processor time of search and launcher is charged."""
    results = []
    shares = []
    for seed in range(seeds):
        settings = SimulationSettings(
            named_load(case.load), shared(case.slots, 1), case.minutes, case.method, case.options, seed
        )
        result = simulate(settings)
        results.append(result)
        shares.append(result.share_above(GOOD))
        (tell or _tell)(
            f"{case.label}: {case.load}, {case.slots} slots, seed {seed}: "
            f"{100 * result.utilisation:.2f} % busy, {result.evaluations} evaluations, best {result.best:.4g}"
        )
    busy = [one.utilisation for one in results]
    return Medians(
        case,
        seeds,
        statistics.median(busy),
        (min(busy), max(busy)),
        statistics.median(one.evaluations for one in results),
        statistics.median(one.best for one in results if one.best is not None),
        statistics.median(shares),
        1000 * statistics.median(one.cpu_seconds_per_proposal or 0.0 for one in results),
        results,
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
