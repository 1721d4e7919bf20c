"""What a proposal of the `ambs` method costs with few and with many observations, as users run it.

    python benchmarks/proposal_cost.py [--json] [--clock cpu] [--reruns 0.1]

Nothing is set about threads or cores: that is the search's own matter. --reruns 0.1 also tells a tenth of
the evaluations again, in batches of 16 with a proposal after each, as `ambs rerun` brings them.
A space of twelve parameters of every kind, a thousand evaluations pending. Each size is loaded cold in a
process of its own, as a restarted search is; then 16 results are told and 16 proposals asked, again and
again. Wall-clock times are from a shared machine as it is: say what ran beside when you quote them. Where
others take most of the core, --clock cpu counts the processor time of this process alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

SIZES = (1_000, 10_000, 50_000, 100_000)
BATCH = 16
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
SPACE = {
    "rate": (1e-5, 1e-1, "log"),
    "decay": (1e-6, 1e-2, "log"),
    "dropout": (0.0, 0.8),
    "momentum": (0.5, 0.999),
    "mixing": (0.0, 1.0),
    "layers": (1, 12),
    "units": (8, 1024, "log"),
    "warm_up": (0, 5000),
    "batch": [16, 32, 64, 128, 256],
    "optimizer": ["sgd", "adam", "rmsprop", "lion"],
    "activation": ["relu", "gelu", "tanh"],
    "norm": [False, True],
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one number of observations.

    Args:
        median_ms, p90_ms: per proposal, over rounds of telling and asking 16.
        load_ms: a cold load, all rows told and the first models made; first_ask_ms: the first 16 after it.
        worst_ask_ms: the longest single ask of 16 of all, the first included.
        reruns_s: of all results that were told again.
        resident_mib: of the process at the end.
    """

    observations: int
    pending: int
    median_ms: float
    p90_ms: float
    load_ms: float
    first_ask_ms: float
    worst_ask_ms: float
    resident_mib: float
    reruns_s: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--pending", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--reruns", type=float, default=0.0, help="share that is told again")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--tiny", action="store_true", help="a check that it runs, no figures to quote")
    parser.add_argument("--json", action="store_true", help="one object a line")
    given = parser.parse_args()
    if given.tiny:
        given.sizes, given.pending, given.rounds = [100, 300], 40, 3
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [path for path in sys.path if path != here]  # queue.py there hides Python's own module
    names = list(Cost.__dataclass_fields__)
    if not given.json:
        print("  ".join(f"{name:>12}" for name in names))
    for size in given.sizes:
        with get_context("spawn").Pool(1) as pool:  # a process of its own: nothing warm, its own memory
            cost = asdict(pool.apply(measure, (size, given.pending, given.rounds, given.clock, given.reruns)))
        if given.json:
            print(json.dumps(cost), flush=True)
        else:
            print("  ".join(f"{cost[name]:>12}" for name in names), flush=True)


def measure(observations: int, pending: int, rounds: int, clock: str, reruns: float) -> Cost:
    """Load cold, then tell and ask `rounds` times."""
    import numpy as np

    from ambs_hpc.records import Observation, Proposal
    from ambs_hpc.search import create_searcher

    now = CLOCKS[clock]
    rows = made_up(observations + pending)
    searcher = create_searcher(SPACE, "ambs", seed=1)
    begin = now()
    searcher.restore(
        [Proposal(row, "design") for row in rows],
        [Observation(row, objective(row)) for row in rows[:observations]],
    )
    loaded = now()
    waiting = [*rows[observations:], *(dict(p.configuration) for p in searcher.ask(BATCH))]
    first_ask = now() - loaded
    totals, asks = [], [first_ask]
    for _ in range(rounds):
        told = [Observation(row, objective(row)) for row in waiting[:BATCH]]
        start = now()
        searcher.tell(told)
        middle = now()
        asked = searcher.ask(BATCH)
        end = now()
        waiting = [*waiting[BATCH:], *(dict(p.configuration) for p in asked)]
        totals.append((end - start) / BATCH)
        asks.append(end - middle)
    again = rows[:observations][:: round(1 / reruns)] if reruns else []
    resident, start = resident_mib(), now()
    for first in range(0, len(again), BATCH):
        searcher.tell([Observation(row, objective(row) + 0.1) for row in again[first : first + BATCH]])
        searcher.ask(1)
    middle_cost, high_cost = np.percentile(totals, (50, 90))
    return Cost(
        observations,
        pending,
        _ms(middle_cost),
        _ms(high_cost),
        _ms(loaded - begin),
        _ms(first_ask),
        _ms(max(asks)),
        round(resident, 1),
        round(now() - start, 2),
    )


def made_up(count: int) -> list[dict[str, bool | int | float | str]]:
    """Configurations drawn from the whole space."""
    import numpy as np

    from ambs_hpc.problem import build_space
    from ambs_hpc.search.encoding import Encoding

    encoding = Encoding(build_space(SPACE))
    rows = encoding.from_uniform(np.random.default_rng(0).random((count, encoding.dimensions)))
    return [encoding.configuration(row) for row in rows]


def objective(row: dict[str, bool | int | float | str]) -> float:
    """Smooth in some parameters, by steps in others."""
    import math

    value = math.log10(float(row["rate"]) / 3e-3) ** 2 + (float(row["dropout"]) - 0.2) ** 2
    value += 0.3 * (math.log2(float(row["units"])) - 8.0) ** 2 / 9.0 + 0.02 * abs(int(row["layers"]) - 5)
    return value + {"sgd": 0.2, "adam": 0.0, "rmsprop": 0.1, "lion": 0.05}[str(row["optimizer"])]


def resident_mib() -> float:
    """Memory of this process that is not swapped out."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def _ms(seconds: float) -> float:
    return round(1000.0 * float(seconds), 2)


if __name__ == "__main__":
    main()
