"""Many seeds, one after the other or in several processes, and what they come to."""

from __future__ import annotations

import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from ambs_hpc.simulate.faults.fault_kinds import settings_of
from ambs_hpc.simulate.faults.fault_run import FaultRun, fault_bench

SEEDS_AT_ONCE = 25  # of a process, which then reports
YEAR_SECONDS = 365.25 * 86400


@dataclass
class SeedTotals:
    """The sums over many runs; times in seconds."""

    seeds: int = 0
    virtual_seconds: float = 0.0
    wall_seconds: float = 0.0  # of all processes together
    commits: int = 0
    attempts: int = 0
    slowest_completion: float = 0.0  # from the last fault of a run to the end of its campaign
    injected: Counter[str] = field(default_factory=Counter)
    failing: list[FaultRun] = field(default_factory=list)

    def add(self, run: FaultRun) -> None:
        """Add one run."""
        self.seeds += 1
        self.virtual_seconds += run.virtual_seconds
        self.wall_seconds += run.wall_seconds
        self.commits += run.commits
        self.attempts += run.attempts
        self.slowest_completion = max(self.slowest_completion, run.completed_after or 0.0)
        self.injected.update(run.injected)
        if run.violations:
            self.failing.append(run)

    def to_json(self) -> dict[str, object]:
        """The totals as JSON values."""
        failing = [asdict(run) for run in self.failing]
        return {**vars(self), "injected": dict(self.injected), "failing": failing}

    def lines(self) -> Iterator[str]:
        """The totals as a person reads them."""
        years = self.virtual_seconds / YEAR_SECONDS
        yield f"{self.seeds} seeds, {self.virtual_seconds / 3600:.1f} virtual hours ({years:.3f} years)"
        yield f"{self.commits} commits, {self.attempts} attempts, {sum(self.injected.values())} faults"
        for kind, number in sorted(self.injected.items()):
            yield f"  {kind:<20} {number:>8}"
        yield f"slowest completion after the last fault: {self.slowest_completion:.0f} virtual s"
        yield f"{self.wall_seconds:.1f} s of wall time in all processes"
        for run in self.failing:
            yield f"seed {run.seed} fails:"
            yield from (f"  {violation}" for violation in run.violations)
        yield f"{len(self.failing)} failing seeds"


def run_seeds(seeds: Iterable[int]) -> list[FaultRun]:
    """Run these seeds in this process; the programs' own warnings about the faults are not shown."""
    logging.disable(logging.CRITICAL)
    try:
        with fault_bench() as bench:
            return [bench.run(settings_of(seed)) for seed in seeds]
    finally:
        logging.disable(logging.NOTSET)


def run_all(first: int, number: int, processes: int) -> Iterator[FaultRun]:
    """Run `number` seeds from `first` on, in so many processes; those of a batch come together."""
    batches = _batches(first, number)
    if processes == 1:
        for batch in batches:
            yield from run_seeds(batch)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for runs in pool.imap_unordered(run_seeds, batches):
            yield from runs


def _batches(first: int, number: int) -> Sequence[range]:
    end = first + number
    return [range(start, min(start + SEEDS_AT_ONCE, end)) for start in range(first, end, SEEDS_AT_ONCE)]
