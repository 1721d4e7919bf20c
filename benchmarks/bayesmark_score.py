"""The score of Bayesmark: our search, and peers, tune models of scikit-learn in 16 batches of 8.

    python benchmarks/bayesmark_score.py --methods random ambs optuna-tpe --seeds 2
    python benchmarks/bayesmark_score.py --methods random ambs optuna-tpe optuna-gp hebo --problems hard

Bayesmark 0.0.8 runs as it was published: its spaces, objectives, loop, baseline and score, in an environment
of the packages that it was made for (--environment; made once from the package index, 2 GB where torch is
asked for). A problem's score is 0 at the median random configuration and 100 at the best value that any
method of the same call found, so that scores of two calls do not compare; the score is the mean over the
problems. Those of the NeurIPS 2020 challenge (HEBO 93.5, TuRBO 88, random 75) are on problems that were
never published.

Of Bayesmark's 108 problems the 62 whose evaluations take at most 60 ms are the usual ones; "hard" are twelve
of them, with five parameters or more; "all" takes hours. Only random search is Bayesmark's own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
import warnings
import zlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)  # not this folder, whose queue.py is not the library's

import benchmarks.one_thread  # noqa: F401  before numpy
from benchmarks.bayesmark_optimizers import OPTIMIZERS, Timed, Wrapped

PACKAGES = (  # what Bayesmark runs with: its data set on Boston left scikit-learn with 1.2
    *("numpy==1.24.4", "scipy==1.10.1", "pandas==1.5.3", "scikit-learn==1.1.3", "xarray==2022.12.0"),
    *("pathvalidate", "GitPython", "importlib-metadata<5", "ConfigSpace==1.2.2", "msgspec"),
    *("optuna", "cmaes"),
)
WITH_TORCH = ("optuna-gp", "hebo")
HEBO_PACKAGES = (  # without what they ask for: older packages than run here, and some that HEBO does not need
    *("HEBO==0.3.6", "gpytorch==1.11", "linear-operator", "jaxtyping", "wadler-lindig", "pymoo==0.6.0"),
    *("disjoint-set", "cma", "autograd", "alive-progress", "about-time", "grapheme", "dill", "Deprecated"),
    *("wrapt", "matplotlib==3.7.5", "contourpy==1.1.1", "cycler", "kiwisolver", "fonttools", "pillow"),
    *("pyparsing", "mpmath", "sympy", "catboost==1.2.5"),
)
BATCHES, BATCH = 16, 8
DATA = {"clf": ("breast", "digits", "iris", "wine"), "reg": ("boston", "diabetes")}
METRICS = {"clf": ("nll", "acc"), "reg": ("mae", "mse")}
MODELS = ("DT", "MLP-adam", "MLP-sgd", "RF", "SVM", "ada", "kNN", "lasso", "linear")
DEAR = {  # data -> models that take over 60 ms an evaluation
    "breast": ("MLP-adam", "MLP-sgd", "RF", "SVM", "ada", "lasso"),
    "digits": ("MLP-adam", "MLP-sgd", "RF", "SVM", "ada", "kNN", "lasso", "linear"),
    "iris": ("ada",),
    "wine": ("MLP-adam", "ada"),
    "boston": ("MLP-adam", "MLP-sgd", "ada"),
    "diabetes": ("MLP-adam", "MLP-sgd", "ada"),
}
ALL = [
    (model, data, metric)
    for kind, names in DATA.items()
    for data in names
    for model in MODELS
    for metric in METRICS[kind]
]
USUAL = [one for one in ALL if one[0] not in DEAR[one[1]]]
HARD = [one for one in USUAL if one[0] in ("DT", "RF", "MLP-sgd") and one[2] in ("nll", "mse")]
Run = dict[str, Any]


def main() -> None:
    """Run the studies, print the scores; in the environment, which is made when it is missing."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--methods", nargs="+", default=["random", "ambs", "optuna-tpe"], metavar="NAME")
    parser.add_argument(
        "--problems", default="usual", help="usual, hard, all, or how their names begin: RF_wine"
    )
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--out", type=Path, help="file that studies are added to; what it has is not run again"
    )
    parser.add_argument("--json", action="store_true", help="the scores as JSON")
    parser.add_argument("--environment", type=Path, default=Path("peer-environments/bayesmark"))
    given = parser.parse_args()
    if "random" not in given.methods:
        parser.error("--methods: the score is made of what random found, so random belongs to them")
    if find_spec("bayesmark") is None:
        python = interpreter(given)
        os.execv(python, [str(python), "-W", "ignore", *sys.argv])
    problems = [one for one in ALL if one in chosen(given.problems)]
    if not problems:
        parser.error(f"no problem begins like {given.problems}; one is RF_wine_nll")
    warnings.simplefilter("ignore")
    runs = [json.loads(line) for line in given.out.open()] if given.out and given.out.exists() else []
    known = {(one["method"], one["problem"], one["seed"]) for one in runs}
    for seed in range(given.seeds):  # the first seed of all comes first: it can be looked at
        for problem in problems:
            for method in given.methods:
                if (method, "_".join(problem), seed) not in known:
                    runs.append(study(method, problem, seed))
                    tell(runs[-1], given)
    scores = Scores(runs, given.methods, ["_".join(one) for one in problems], range(given.seeds))
    print(json.dumps(scores.figures())) if given.json else scores.print()


def chosen(text: str) -> Sequence[tuple[str, str, str]]:
    """The problems of a group, or those whose names begin so."""
    groups = {"usual": USUAL, "hard": HARD, "all": ALL}
    return groups.get(text) or [one for one in ALL if "_".join(one).startswith(text)]


def interpreter(given: argparse.Namespace) -> Path:
    """The Python of the environment with all that the methods need."""
    place = given.environment.absolute()
    python = place / "bin" / "python"
    steps = [("packages", [*PACKAGES]), ("bayesmark", ["--no-deps", "bayesmark==0.0.8"])]
    if set(given.methods) & set(WITH_TORCH):
        steps.append(("torch", ["torch"]))
    if "hebo" in given.methods:
        steps.append(("hebo", ["--no-deps", *HEBO_PACKAGES]))
    if not python.exists():
        venv.create(place, with_pip=True)
    for name, words in steps:
        if not (place / f"{name}-complete").exists():
            print(f"installing {name} into {place}", file=sys.stderr, flush=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *words], check=True)
            (place / f"{name}-complete").touch()
    return python


def study(method: str, problem: tuple[str, str, str], seed: int) -> Run:
    """One study by Bayesmark's own loop: the values of each batch, and the CPU seconds of the method."""
    import numpy as np
    from bayesmark.experiment import run_study
    from bayesmark.sklearn_funcs import SklearnModel

    objective = SklearnModel(*problem)
    name = "_".join(problem)
    np.random.seed(
        zlib.crc32(f"{name} {method} {seed}".encode())
    )  # models draw from it, so does random search
    optimizer = Timed(OPTIMIZERS.get(method, Wrapped)(objective.get_api_config(), method, seed))
    values, _, _ = run_study(optimizer, objective, BATCHES, BATCH, n_obj=2)
    return {
        "method": method,
        "problem": name,
        "seed": seed,
        "values": np.where(np.isfinite(values[..., 0]), values[..., 0], np.inf).tolist(),
        "cpu_seconds": optimizer.cpu_seconds,
    }


def tell(run: Run, given: argparse.Namespace) -> None:
    """In the file, and to whoever waits."""
    if given.out is not None:
        with given.out.open("a") as file:
            file.write(json.dumps(run) + "\n")
    best = min(min(batch) for batch in run["values"])
    head = f"{run['method']}, {run['problem']}, seed {run['seed']}"
    print(f"{head}: {best:.5g}   {run['cpu_seconds']:.1f} s", file=sys.stderr, flush=True)


class Scores:
    """What Bayesmark's baseline and analysis make of the studies."""

    def __init__(
        self, runs: Sequence[Run], methods: Sequence[str], problems: Sequence[str], seeds: Sequence[int]
    ) -> None:
        import xarray
        from bayesmark import constants
        from bayesmark.experiment_baseline import compute_baseline

        kept = {(one["problem"], one["method"], one["seed"]): one for one in runs}
        self.methods, self.problems, self.seeds = methods, problems, seeds
        self.seconds = {
            method: sum(kept[problem, method, seed]["cpu_seconds"] for problem in problems for seed in seeds)
            / (len(problems) * len(seeds) * BATCHES * BATCH)
            for method in methods
        }
        self._names = {one: f"{constants.RANDOM_SEARCH}_" if one == "random" else one for one in methods}
        values = [
            [[kept[problem, method, seed]["values"] for seed in seeds] for method in methods]
            for problem in problems
        ]
        dims = (constants.TEST_CASE, constants.METHOD, constants.TRIAL, constants.ITER, constants.SUGGEST)
        coords = (list(problems), list(self._names.values()), list(seeds), range(BATCHES), range(BATCH))
        array = xarray.DataArray(values, coords=dict(zip(dims, coords, strict=True)), dims=dims)
        order = (constants.ITER, constants.SUGGEST, constants.TEST_CASE, constants.METHOD, constants.TRIAL)
        self._values = array.transpose(*order)
        self._baseline = compute_baseline(self._values)

    def figures(self) -> dict[str, Any]:
        """For each method its score, that of every seed and problem, the interval over problems."""
        by_problem, mean, half = self._analysed(list(self.seeds))
        by_seed = [self._analysed([seed])[1] for seed in self.seeds]
        return {
            method: {
                "score": mean[method],
                "by_seed": [one[method] for one in by_seed],
                "interval_over_problems": half[method],  # half of Bayesmark's, for 95 %
                "ms_per_proposal": 1000 * self.seconds[method],
                "by_problem": by_problem[method],
            }
            for method in self.methods
        }

    def _analysed(
        self, seeds: list[int]
    ) -> tuple[dict[str, dict[str, float]], dict[str, float], dict[str, float]]:
        from bayesmark import constants
        from bayesmark.experiment_analysis import compute_aggregates

        some = self._values.isel({constants.TRIAL: seeds}).assign_coords({constants.TRIAL: range(len(seeds))})
        found, summary = compute_aggregates(some, self._baseline)
        last = {constants.ITER: -1}
        by_problem: dict[str, dict[str, float]] = {}
        mean: dict[str, float] = {}
        half: dict[str, float] = {}
        for method, name in self._names.items():
            here = {constants.METHOD: name}
            losses = found[constants.NORMED_MEAN].sel(here)[last]
            by_problem[method] = {
                one: 100 * (1 - float(losses.sel({constants.TEST_CASE: one}))) for one in self.problems
            }
            mean[method] = 100 * (1 - float(summary[constants.PERF_MEAN].sel(here)[last]))
            bounds = [summary[one].sel(here)[last] for one in (constants.LB_MEAN, constants.UB_MEAN)]
            half[method] = 50 * float(bounds[1] - bounds[0])
        return by_problem, mean, half

    def print(self) -> None:
        """A row for each problem, then the scores."""
        figures = self.figures()
        print(f"\n{'':28}" + "".join(f"{one:>12}" for one in self.methods))
        for problem in self.problems:
            cells = (figures[method]["by_problem"][problem] for method in self.methods)
            print(f"{problem:28}" + "".join(f"{one:>12.1f}" for one in cells))
        print(f"\n{len(self.problems)} problems, {len(self.seeds)} seeds, {BATCHES} batches of {BATCH}")
        for method in sorted(self.methods, key=lambda one: -figures[one]["score"]):
            one = figures[method]
            seeds = " ".join(f"{score:.2f}" for score in one["by_seed"])
            told = f"{one['score']:.2f} ± {one['interval_over_problems']:.2f} over problems; by seed {seeds}"
            print(f"{method:14}{told}; {one['ms_per_proposal']:.1f} CPU ms a proposal")


if __name__ == "__main__":
    main()
