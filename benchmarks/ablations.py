"""What each feature of the default search brings: one option changed at a time, where the best is known.

    python benchmarks/ablations.py                            all variants, 128 workers, 5 seeds: hours
    python benchmarks/ablations.py --variants default "no local process" --problems network --seeds 2

Regret is 0 at the best value there is and 1 at the median of random configurations: medians over the seeds,
then the mean of their logarithms over the problems. Between five seeds, a tenth or two of that mean is luck.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import benchmarks.one_thread  # noqa: F401  before numpy
from benchmarks.peer_methods import Ours
from benchmarks.peer_problems import PROBLEMS
from benchmarks.peer_run import campaign

FLOOR = 1e-6  # of a regret, before its logarithm
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "default": {},
    "no local process": {"local_share": 0.0},
    "only local process": {"local_share": 1.0},
    "fifty local points": {"local_points": 50},
    "two hundred local points": {"local_points": 200},
    "local kappa 0.5": {"local_kappa": 0.5},
    "local kappa 2": {"local_kappa": 2.0},
    "never elsewhere": {"explored_share": 0.0},
    "fixed kappa": {"exploration": "fixed"},
    "no lies": {"lie": "none"},
    "lies at the worst": {"lie": "cl_max"},
    "lies at the mean": {"lie": "cl_mean"},
    "lies at the best": {"lie": "cl_min"},
    "objective as it is": {"transform": "raw"},
    "logarithm of the objective": {"transform": "log"},
    "random design": {"design": "random"},
    "Latin hypercube design": {"design": "lhs"},
    "bootstrapped trees": {"tree": "random"},
    "leaves of three": {"min_leaf": 3},
    "eight trees": {"trees": 8},
    "trees on 500 rows": {"training_rows": 500},
    "trees renewed half as often": {"refresh": 0.2},
    "two hundred candidates": {"candidates": 200},
    "one round of candidates": {"rounds": 1},
    "no global candidates": {"global_share": 0.0},
    "only global candidates": {"global_share": 1.0},
}


def main() -> None:
    """Run all, print a row for each variant as it ends."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--workers", type=int, default=128)
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="a line for each variant")
    given = parser.parse_args()
    if not given.json:
        head = "".join(f"{one:>12}" for one in (*given.problems, "mean log10", "ms"))
        print(f"{'':28}{head}")
    for variant in given.variants:
        regrets, cost = measure(VARIANTS[variant], given)
        logs = statistics.mean(math.log10(max(FLOOR, one)) for one in regrets.values())
        if given.json:
            told = {"variant": variant, "options": VARIANTS[variant], "regrets": regrets}
            print(json.dumps({**told, "mean_log10": logs, "cpu_ms_per_proposal": cost}), flush=True)
        else:
            cells = "".join(f"{one:>12.3g}" for one in regrets.values())
            print(f"{variant:28}{cells}{logs:>12.2f}{cost:>12.2f}", flush=True)


def measure(options: Mapping[str, object], given: argparse.Namespace) -> tuple[dict[str, float], float]:
    """Median regret of each problem, and median CPU milliseconds a proposal."""
    regrets, costs = {}, []
    for name in given.problems:
        problem, found = PROBLEMS[name], []
        for seed in range(given.seeds):
            settings = argparse.Namespace(
                seed=seed,
                workers=given.workers,
                evaluations=given.evaluations,
                most_cpu_seconds=math.inf,
            )
            figures = campaign(problem, Ours(problem.space, seed, "ambs", **options), settings)
            found.append(float(str(figures["regret"])))
            costs.append(float(str(figures["cpu_ms_per_proposal"])))
        regrets[name] = statistics.median(found)
    return regrets, statistics.median(costs)


if __name__ == "__main__":
    main()
