"""Quality and cost of our search beside scikit-optimize, DeepHyper, Optuna and SMAC, in one run.

    python benchmarks/peers.py                      16 workers, 500 evaluations, 5 seeds: hours
    python benchmarks/peers.py --methods ambs random optuna-tpe --problems network --seeds 2

Each peer gets an environment of its own, made once from the package index in --environments; none of them is
a dependency of ours. Regret is 0 at the best value there is and 1 at the median of random configurations;
medians over seeds, then the mean of their logarithms and of the ranks over the problems.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

from benchmarks.peer_methods import METHODS
from benchmarks.peer_problems import PROBLEMS

RUN = Path(__file__).with_name("peer_run.py")
PACKAGES = {  # of each environment
    "skopt": ["scikit-optimize", "scikit-learn", "numpy", "scipy"],
    "deephyper": ["deephyper"],
    "optuna": ["optuna", "cmaes", "scipy"],
    "optuna-gp": ["optuna", "scipy", "torch"],
    "smac": ["smac==2.4.0", "scikit-learn<1.8"],  # it does not import with later ones
}
USUAL = [one for one in METHODS if one != "optuna-gp"]  # whose torch takes gigabytes: where it is asked for
FLOOR = 1e-6  # of a regret, before its logarithm


def main() -> None:
    """Run all, print a table."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=USUAL)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--evaluations", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--most-cpu-seconds", type=float, default=900.0, help="of one campaign")
    parser.add_argument("--environments", type=Path, default=Path("peer-environments"))
    parser.add_argument("--json", action="store_true", help="a line for each campaign")
    given = parser.parse_args()
    runs = []
    for method in given.methods:
        python = interpreter(method, given.environments)
        for problem in given.problems:
            for seed in range(given.seeds):
                runs.append(run(python, method, problem, seed, given))
                line = runs[-1]
                if given.json:
                    print(json.dumps(line), flush=True)
                else:
                    told = f"regret {line['regret']:.3g}, {line['cpu_ms_per_proposal']:.1f} ms a proposal"
                    print(f"{method}, {problem}, seed {seed}: {told}", file=sys.stderr, flush=True)
    if not given.json:
        print_table(runs, given.methods, given.problems)


def interpreter(method: str, folder: Path) -> Path:
    """The Python that has the method's packages; its environment is made when it is missing."""
    name = method if method in PACKAGES else method.partition("-")[0]
    if name not in PACKAGES:
        return Path(sys.executable)
    place = (folder / name).absolute()
    python = place / "bin" / "python"
    if not (place / "complete").exists():
        print(f"installing {' '.join(PACKAGES[name])} into {place}", file=sys.stderr, flush=True)
        venv.create(place, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
        (place / "complete").touch()
    return python


def run(python: Path, method: str, problem: str, seed: int, given: argparse.Namespace) -> dict[str, object]:
    """One campaign in the method's environment."""
    numbers = {
        "--workers": given.workers,
        "--evaluations": given.evaluations,
        "--most-cpu-seconds": given.most_cpu_seconds,
        "--seed": seed,
    }
    words = [str(word) for pair in numbers.items() for word in pair]
    command = [str(python), str(RUN), "--method", method, "--problem", problem, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{method} on {problem} failed:\n{done.stderr[-2000:]}")
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def print_table(runs: Sequence[dict[str, object]], methods: Sequence[str], problems: Sequence[str]) -> None:
    """A row for each method, the best mean rank first."""
    regret = {
        (method, problem): statistics.median(
            float(str(one["regret"])) for one in runs if (one["method"], one["problem"]) == (method, problem)
        )
        for method in methods
        for problem in problems
    }
    ranks = {
        method: statistics.mean(
            1 + sum(regret[other, problem] < regret[method, problem] for other in methods)
            for problem in problems
        )
        for method in methods
    }
    head = "".join(f"{one:>12}" for one in (*problems, "mean log10", "mean rank", "ms", "failed"))
    print(f"{'':16}{head}")
    for method in sorted(methods, key=ranks.__getitem__):
        own = [one for one in runs if one["method"] == method]
        logs = statistics.mean(math.log10(max(FLOOR, regret[method, problem])) for problem in problems)
        cost = statistics.median(float(str(one["cpu_ms_per_proposal"])) for one in own)
        failed = statistics.mean(float(str(one["failed_share"])) for one in own)
        cells = "".join(f"{regret[method, problem]:>12.3g}" for problem in problems)
        print(f"{method:16}{cells}{logs:>12.2f}{ranks[method]:>12.2f}{cost:>12.2f}{failed:>12.3f}")
    known: dict[str, str] = {}
    for one in runs:
        known.update(one["versions"])  # type: ignore[call-overload]  # JSON
    print("with " + ", ".join(f"{name} {number}" for name, number in sorted(known.items())))


if __name__ == "__main__":
    main()
