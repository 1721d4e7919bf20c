"""Node-hours of a search with rungs for what one without finds in all of its own, on measured curves.

    python benchmarks/fidelity.py                              asha on all tables, five seeds
    python benchmarks/fidelity.py --rules asha median --tables network_digits
    python benchmarks/fidelity.py --estimates none             only complete evaluations reach the model
    python benchmarks/fidelity.py --estimates power-law        the others by a law fitted to their curve
    python benchmarks/fidelity.py --estimates forest           the others by trees with the step as a feature

The tables are those of `learning_curves.py`, measured once, and networks that are trained meanwhile, of
`network_curves.py`. The search without rungs has --evaluations complete evaluations, the others up to
LONGEST times as much. A share is that of its node-hours until the mean value over all seeds is as good as its
mean value at the end, and the error that of resampled seeds; `each` is the mean over seeds until each is as
good as the same seed without rungs. `control` is a search without rungs by other seeds: what chance does to a
share.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import benchmarks.one_thread  # noqa: F401, I001  before numpy
import numpy as np

from ambs_hpc.fidelity import RULE_NAMES, Fidelity
from ambs_hpc.records import Configuration
from ambs_hpc.simulate.rungs.rung_comparison import mean_and_error
from ambs_hpc.simulate.rungs.rung_simulation import RungLoad, RungOutcome, RungSettings, simulate_rungs
from benchmarks.learning_curves import CACHE, NAMES, load_curves
from benchmarks.network_curves import DATA, EPOCHS, SPACE, TrainedCurves

LOWEST_SHARE = 81  # the first rung is at this part of the way
LONGEST = 1.2  # times the node-hours without rungs, after which a search gives up
POINTS = 240  # at which mean values are compared, up to LONGEST
RESAMPLED = 300
OTHER_SEEDS = 1000
TRAINED = tuple(f"trained_{data}" for data in DATA)
Array = np.ndarray
Curves = Mapping[bytes, Mapping[int, float]]
Estimates = dict[bytes, float | None]


def complete_alone(curves: Curves, maximum: int) -> Estimates:
    """Nothing is known of what is not complete."""
    return {key: curve.get(maximum) for key, curve in curves.items()}


def by_power_law(curves: Curves, maximum: int) -> Estimates:
    """A + B / step through the last two rungs of each; nothing of those that have one."""
    found: Estimates = {}
    for key, curve in curves.items():
        steps = sorted(curve)[-2:]
        if steps[-1] == maximum:
            found[key] = curve[maximum]
        elif len(steps) < 2:
            found[key] = None
        else:
            (low, high), (a, b) = steps, (curve[step] for step in steps)
            slope = (a - b) / (1 / low - 1 / high)
            found[key] = b - slope * (1 / high - 1 / maximum)
    return found


def by_forest(curves: Curves, maximum: int) -> Estimates:
    """Of trees over the configuration and the step, what they say at the end of those that are not there.

    Source of the step as a feature: Klein et al. (2017), "Fast Bayesian optimization of machine learning
    hyperparameters on large datasets", with a process in place of trees.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    if not any(maximum in curve for curve in curves.values()):
        return {}
    rows = {key: np.frombuffer(key) for key in curves}
    known = [((*rows[key], np.log(step)), y) for key, curve in curves.items() for step, y in curve.items()]
    X, y = (np.array(one) for one in zip(*known, strict=True))
    forest = ExtraTreesRegressor(n_estimators=50, min_samples_leaf=1, random_state=0).fit(X, y)
    ends = forest.predict(np.array([(*row, np.log(maximum)) for row in rows.values()]))
    return {
        key: curve.get(maximum, float(end)) for (key, curve), end in zip(curves.items(), ends, strict=True)
    }


ESTIMATES = {"quantiles": None, "none": complete_alone, "power-law": by_power_law, "forest": by_forest}


def main() -> None:
    """Run the comparisons; a line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=(*TRAINED, *NAMES), default=[*TRAINED, *NAMES])
    parser.add_argument("--rules", nargs="+", choices=RULE_NAMES, default=["asha"])
    parser.add_argument("--estimates", choices=ESTIMATES, default="quantiles")
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--json", action="store_true", help="a line for each seed")
    given = parser.parse_args()
    for name in given.tables:
        searched = Searched.of(name, given)
        print_one(name, "control", searched, searched.full(OTHER_SEEDS), given)
        for rule in given.rules:
            print_one(name, rule, searched, searched.with_rungs(rule), given)


@dataclass(frozen=True)
class Searched:
    """A problem, and what a search without rungs found.

    Args:
        regret: of a value, for people.
        found: (seeds, POINTS) best values so far, up to LONGEST times its node-hours; infinite before a
            first one.
    """

    load: RungLoad
    settings: RungSettings
    regret: Callable[[float], float]
    seeds: range
    found: Array

    @classmethod
    def of(cls, name: str, given: argparse.Namespace) -> Searched:
        load, regret = load_of(name, given.cache)
        settings = RungSettings(
            given.workers, given.evaluations * load.maximum, estimates=ESTIMATES[given.estimates]
        )
        made = cls(load, settings, regret, range(given.seeds), np.empty(0))
        return replace(made, found=made.full())

    def full(self, first_seed: int = 0) -> Array:
        """Without rungs."""
        return self._searched(None, first_seed)

    def with_rungs(self, rule: str) -> Array:
        steps = self.load.maximum
        return self._searched(Fidelity("steps", steps // LOWEST_SHARE, steps, rule=rule), 0)

    def _searched(self, fidelity: Fidelity | None, first_seed: int) -> Array:
        longest = replace(self.settings, fidelity=fidelity, node_seconds=LONGEST * self.settings.node_seconds)
        outcomes = [
            simulate_rungs(self.load, replace(longest, seed=first_seed + seed)) for seed in self.seeds
        ]
        return np.array([self._at_points(one) for one in outcomes])

    def _at_points(self, outcome: RungOutcome) -> Array:
        points = POINT_SHARES * self.settings.node_seconds
        times, values = (np.array(one) for one in zip(*outcome.best, strict=True))
        places = np.searchsorted(times, points + 1e-9, side="right")
        return np.array([np.inf, *values])[places]


POINT_SHARES = np.linspace(0.0, LONGEST, POINTS + 1)[1:]
END = int(np.searchsorted(POINT_SHARES, 1.0 - 1e-9))
QUARTER = int(np.searchsorted(POINT_SHARES, 0.25 - 1e-9))


def share(full: Array, other: Array) -> float:
    """Of the node-hours of one, until the mean of the other is as good as its mean at the end; or LONGEST."""
    return _reached(other.mean(axis=0), float(full[:, END].mean()))


def _reached(found: Array, target: float) -> float:
    good = np.flatnonzero(found <= target + 1e-12 * abs(target))
    return float(POINT_SHARES[good[0]]) if len(good) else LONGEST


def resampled(full: Array, other: Array) -> float:
    """The standard error of the share over seeds."""
    random, count = np.random.default_rng(0), len(full)
    drawn = random.integers(0, count, (RESAMPLED, 2, count))
    return float(np.std([share(full[a], other[b]) for a, b in drawn]))


def print_one(name: str, rule: str, full: Searched, found: Array, given: argparse.Namespace) -> None:
    """The comparison on one table."""
    each = [_reached(a, float(b[END])) for a, b in zip(found, full.found, strict=True)]
    at_quarter, at_end = (
        [full.regret(float(np.mean(one[:, place]))) for one in (full.found, found)]
        for place in (QUARTER, END)
    )
    told = {
        "share": share(full.found, found),
        "error": resampled(full.found, found),
        "each": mean_and_error(each),
        "reached": sum(one < LONGEST for one in each),
        "regret_at_a_quarter": dict(zip(("without", "with"), at_quarter, strict=True)),
        "regret_at_the_end": dict(zip(("without", "with"), at_end, strict=True)),
    }
    if given.json:
        print(json.dumps({"table": name, "rule": rule, **told}), flush=True)
        return
    mean, error = mean_and_error(each)
    print(
        f"{name:20}{rule:10}share {told['share']:.2f} ± {told['error']:.2f}, each {mean:.2f} ± {error:.2f}, "
        f"reached {told['reached']} of {len(each)}; regret at a quarter {at_quarter[1]:.4f} "
        f"(without {at_quarter[0]:.4f}), at the end {at_end[1]:.4f} ({at_end[0]:.4f})",
        flush=True,
    )


def load_of(name: str, cache: Path) -> tuple[RungLoad, Callable[[float], float]]:
    """The problem, each of whose steps takes a second, and the regret of its values.

    The best of a trained one is not known: its values are their own regret.
    """
    if name in TRAINED:
        trained = TrainedCurves(name.removeprefix("trained_"))
        return RungLoad(SPACE, trained.value, lambda configuration: 1.0, EPOCHS), lambda value: value
    table = load_curves(name, cache)

    def value(configuration: Configuration, step: int) -> float:
        return float(table.curve(configuration)[step - 1])

    return RungLoad(table.space, value, lambda configuration: 1.0, table.steps), table.regret


if __name__ == "__main__":
    main()
