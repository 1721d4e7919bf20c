"""The four comparisons with which the method was first presented, on pretended machines.

    python benchmarks/deck.py --folder figures              all, 5 seeds: hours
    python benchmarks/deck.py --only scaling --seeds 1 --nodes 128,256

* methods: AMBS, random search, a genetic algorithm and others on 128 Theta nodes for 2 h, six problems:
  evaluations, and the share of them above an accuracy of 0.8.
* scaling: AMBS on rnn2, 128 to 4096 nodes.
* cooley: AMBS and random search on 64 Cooley nodes for 1 h (two GPUs each, one of all for the search).
* sampling: points proposed together with lies about one another, and without.

The problems' objectives are models of accuracies over the published spaces (`ambs_hpc/simulate/loads.py`),
not trainings: shares of good configurations compare methods, not networks. Figures go into --folder, tables
to the terminal, with the published bars beside where there are any.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import benchmarks.one_thread  # noqa: F401  before numpy
from benchmarks import published
from benchmarks.deck_figures import draw
from benchmarks.simulated import Case, Medians, run_case

METHODS = {
    "AMBS": "ambs",
    "classic": "classic",
    "random": "random",
    "GA": "optuna:NSGAII",
    "TPE": "optuna:TPE",
    "CMA-ES": "optuna:CmaEs",
}
COOLEY_WORKERS = 127
LIES = {"conditioned": {}, "naive": {"lie": "none", "exploration": "fixed", "local_share": 0.0}}


def main() -> None:
    """Simulate, print, draw."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--only", choices=COMPARISONS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--nodes", default="128,256,512,1024,2048,4096", help="of `scaling`")
    parser.add_argument("--minutes", type=float, help="of every campaign, for a quick look")
    parser.add_argument("--problems", default=",".join(published.PROBLEMS), help="of `methods`")
    parser.add_argument("--folder", type=Path, help="for figures")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for name in [given.only] if given.only else COMPARISONS:
        rows = [run_case(case, given.seeds) for case in COMPARISONS[name](given)]
        show(name, rows, as_json=given.json)
        if given.folder is not None:
            given.folder.mkdir(parents=True, exist_ok=True)
            draw(name, rows, given.folder / f"{name}.png")


def methods(given: argparse.Namespace) -> list[Case]:
    """128 nodes, 2 h, each method on each problem."""
    return [
        Case(label, problem, 128, given.minutes or 120.0, method)
        for problem in given.problems.split(",")
        for label, method in METHODS.items()
    ]


def scaling(given: argparse.Namespace) -> list[Case]:
    """rnn2 on ever more nodes."""
    return [Case("AMBS", "rnn2", nodes, given.minutes or 120.0) for nodes in map(int, given.nodes.split(","))]


def cooley(given: argparse.Namespace) -> list[Case]:
    """cifar10cnn on GPUs."""
    minutes = given.minutes or 60.0
    pairs = (("AMBS", "ambs"), ("random", "random"))
    return [Case(label, "cifar10cnn", COOLEY_WORKERS, minutes, method) for label, method in pairs]


def sampling(given: argparse.Namespace) -> list[Case]:
    """Many points from one model: each conditioned on the others, or all at the same optimum."""
    return [
        Case(label, "ackley", 128, given.minutes or 30.0, "ambs", options) for label, options in LIES.items()
    ]


COMPARISONS: dict[str, Callable[[argparse.Namespace], list[Case]]] = {
    "methods": methods,
    "scaling": scaling,
    "cooley": cooley,
    "sampling": sampling,
}


def beside(name: str, case: Case) -> str:
    """What was published for this cell; empty when nothing was."""
    if name == "methods" and case.label in published.EVALUATIONS_128_NODES_2_HOURS:
        index = published.PROBLEMS.index(case.load)
        number = published.EVALUATIONS_128_NODES_2_HOURS[case.label][index]
        return f"{number}, {published.GOOD_SHARE_128_NODES_2_HOURS[case.label][index]:.3f} good"
    if name == "scaling" and case.slots in published.RNN2_UTILISATION:
        return f"{published.RNN2_UTILISATION[case.slots]:.3f} busy"
    if name == "cooley":
        return f"{published.COOLEY_EVALUATIONS[case.label]} evaluations"
    return ""


def show(name: str, rows: Sequence[Medians], *, as_json: bool) -> None:
    """A table, or a line of JSON for each row."""
    if not as_json:
        print(
            f"\n{name}\n{'':14}{'load':>12}{'slots':>7}{'busy':>9}{'evaluations':>13}{'good':>7}{'best':>11}"
        )
    for one in rows:
        case = one.case
        if as_json:
            print(json.dumps({"comparison": name, "label": case.label, **figures(one)}), flush=True)
            continue
        print(
            f"{case.label:14}{case.load:>12}{case.slots:>7}{one.utilisation:>9.4f}{one.evaluations:>13.0f}"
            f"{one.good_share:>7.3f}{one.best:>11.4g}   {beside(name, case)}"
        )


def figures(one: Medians) -> dict[str, object]:
    """A row as JSON values."""
    return {
        "load": one.case.load,
        "slots": one.case.slots,
        "method": one.case.method,
        "options": dict(one.case.options),
        "seeds": one.seeds,
        "utilisation": one.utilisation,
        "utilisation_range": one.utilisation_range,
        "evaluations": one.evaluations,
        "good_share": one.good_share,
        "best": one.best,
        "cpu_ms_per_proposal": one.cpu_ms_per_proposal,
    }


if __name__ == "__main__":
    main()
