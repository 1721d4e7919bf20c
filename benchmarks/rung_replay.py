"""What stopping alone could spare: the evaluations of a search without rungs, stopped afterwards at rungs.

    python benchmarks/rung_replay.py --tables trained_digits --evaluations 200 --seeds 5

Each evaluation, in the order in which it was complete, runs on from a rung while it is no worse there than
the worst of the best complete ones so far, of which there are 1, 2, 3, ...: the share of the node-hours that
this takes, and the best value that is left. What the search would have proposed otherwise is not asked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import benchmarks.one_thread  # noqa: F401, I001  before numpy
import numpy as np

from ambs_hpc.fidelity import Fidelity
from ambs_hpc.records import Configuration
from ambs_hpc.simulate.rungs.rung_simulation import RungLoad, RungSettings, simulate_rungs
from benchmarks.fidelity import LOWEST_SHARE, TRAINED, load_of
from benchmarks.learning_curves import CACHE, NAMES

FULL_RUNS = 4  # before a bar exists
COUNTS = (1, 2, 3, 5, 8, 12, 20)  # best ones that make a bar
Array = np.ndarray


def main() -> None:
    """A line for each table and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=(*TRAINED, *NAMES), default=list(TRAINED[:2]))
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=CACHE)
    given = parser.parse_args()
    for name in given.tables:
        load, _ = load_of(name, given.cache)
        steps = Fidelity("steps", load.maximum // LOWEST_SHARE, load.maximum).rungs()
        searches = [curves(load, steps, given, seed) for seed in range(given.seeds)]
        ends = [values[:, -1].min() for values in searches]
        print(f"{name:20}without rungs            best {np.mean(ends):.4f}", flush=True)
        for count in COUNTS:
            found = [stopped(values, steps, count) for values in searches]
            share, best = np.mean(found, axis=0)
            kept = np.mean([one <= end for (_, one), end in zip(found, ends, strict=True)])
            print(f"{name:20}bar of {count:2} best, share {share:.2f}, best {best:.4f}, kept in {kept:.0%}")


def curves(load: RungLoad, steps: tuple[int, ...], given: argparse.Namespace, seed: int) -> Array:
    """(evaluations, rungs) values of what a search without rungs completes, in that order."""
    found: list[list[float]] = []

    def value(configuration: Configuration, step: int) -> float:
        found.append([load.value(configuration, one) for one in steps])
        return found[-1][-1]

    watched = RungLoad(load.space, value, load.step_seconds, load.maximum)
    simulate_rungs(watched, RungSettings(given.workers, given.evaluations * load.maximum, seed=seed))
    return np.array(found)


def stopped(values: Array, steps: tuple[int, ...], count: int) -> tuple[float, float]:
    """The share of all steps that are taken, and the best value at the end."""
    done: list[Array] = []
    taken = 0
    for curve in values:
        bars = np.full(len(steps), np.inf)
        if len(done) >= FULL_RUNS:
            best = sorted(done, key=lambda one: float(one[-1]))[:count]
            bars = np.max(best, axis=0)
        passed = np.append(curve[:-1] <= bars[:-1], False)
        reached = int(np.argmin(passed))
        taken += steps[reached]
        if reached == len(steps) - 1:
            done.append(curve)
    return taken / (len(values) * steps[-1]), min(float(one[-1]) for one in done)


if __name__ == "__main__":
    main()
