"""One method on one problem with many workers, in whatever environment runs this; a line of JSON.

    python benchmarks/peer_run.py --method optuna-tpe --problem network --workers 16 --evaluations 500

Workers are asynchronous on a virtual clock; an evaluation takes 5 to 30 virtual minutes. Every method meets
the same luck. What the method computes does not pass on that clock: it is told as CPU time a proposal.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import numpy as np

import benchmarks.one_thread  # noqa: F401  before numpy
from benchmarks.peer_methods import METHODS, PeerMethod, quietly
from benchmarks.peer_problems import PROBLEMS, PeerProblem, Values

PACKAGES = ("ambs-hpc", "scikit-optimize", "scikit-learn", "deephyper", "optuna", "smac", "numpy")


def main() -> None:
    """Run it and print what it reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--problem", choices=PROBLEMS, required=True)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most-cpu-seconds", type=float, default=float("inf"))
    given = parser.parse_args()
    problem = PROBLEMS[given.problem]
    method = quietly(lambda: METHODS[given.method](problem.space, given.seed))
    figures = campaign(problem, method, given)
    print(json.dumps({**vars(given), **figures, "versions": versions()}))


def campaign(problem: PeerProblem, method: PeerMethod, given: argparse.Namespace) -> dict[str, object]:
    """Best regret, share of failed evaluations, CPU milliseconds a proposal over the last quarter."""
    running: list[tuple[float, int, Values, float | None]] = []
    ended: list[tuple[Values, float | None]] = []
    costs: list[tuple[int, float]] = []
    best, failed, done, proposed, now = float("inf"), 0, 0, 0, 0.0
    while done < given.evaluations and sum(cost for _, cost in costs) < given.most_cpu_seconds:
        free = given.workers - len(running)
        begun = time.process_time()
        if ended:
            method.tell([one for one, _ in ended], [value for _, value in ended])
        asked = method.ask(free)
        costs.append((len(asked), time.process_time() - begun))
        for values in asked:
            luck = np.random.default_rng([given.seed, proposed])
            value = problem.value(values)
            minutes = float(luck.uniform(5.0, 30.0)) * (0.3 if value is None else 1.0)
            heapq.heappush(running, (now + minutes, proposed, values, value))
            proposed += 1
        now = running[0][0] + 1 / 60  # one look a second
        ended = []
        while running and running[0][0] <= now:
            _, _, values, value = heapq.heappop(running)
            ended.append((values, value))
            done += 1
            failed += value is None
            best = best if value is None else min(best, value)
    late = costs[-max(1, len(costs) // 4) :]
    return {
        "ended": done,
        "regret": problem.regret(best) if np.isfinite(best) else None,
        "failed_share": failed / max(1, done),
        "cpu_ms_per_proposal": 1000 * sum(cost for _, cost in late) / max(1, sum(n for n, _ in late)),
    }


def versions() -> dict[str, str]:
    """Of the packages that matter, where they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
