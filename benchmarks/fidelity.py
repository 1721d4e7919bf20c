"""Node-hours of a search with rungs for what one without finds in all of its own, on measured curves.

    python benchmarks/fidelity.py                              asha on all tables, five seeds
    python benchmarks/fidelity.py --rules asha median --tables network_digits
    python benchmarks/fidelity.py --estimates none             only complete evaluations reach the model
    python benchmarks/fidelity.py --estimates power-law        the others by a law fitted to their curve

The tables are those of `learning_curves.py`. The search without rungs has --evaluations complete evaluations;
the one with them runs until it has found as good a value, or has spent 1.5 times as much. Shares are of its
node-hours, with the standard error over seeds; the last column divides by those after which the other one had
its final value, summed over seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

import benchmarks.one_thread  # noqa: F401, I001  before numpy
import numpy as np

from ambs_hpc.fidelity import RULE_NAMES, Fidelity
from ambs_hpc.records import Configuration
from ambs_hpc.simulate.rungs.rung_comparison import Compared, compare, mean_and_error
from ambs_hpc.simulate.rungs.rung_simulation import RungLoad, RungSettings
from benchmarks.learning_curves import CACHE, NAMES, CurveTable, load_curves

LOWEST_SHARE = 81  # the first rung is at this part of the way
Curves = Mapping[bytes, Mapping[int, float]]
Estimates = dict[bytes, float | None]


def complete_alone(curves: Curves, maximum: int) -> tuple[int, Estimates]:
    """Nothing is known of what is not complete."""
    return maximum, {key: curve.get(maximum) for key, curve in curves.items()}


def by_power_law(curves: Curves, maximum: int) -> tuple[int, Estimates]:
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
    return maximum, found


ESTIMATES = {"quantiles": None, "none": complete_alone, "power-law": by_power_law}


def main() -> None:
    """Run the comparisons; a line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--rules", nargs="+", choices=RULE_NAMES, default=["asha"])
    parser.add_argument("--estimates", choices=ESTIMATES, default="quantiles")
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--json", action="store_true", help="a line for each seed")
    given = parser.parse_args()
    for name in given.tables:
        for rule in given.rules:
            print_one(name, rule, given)


def print_one(name: str, rule: str, given: argparse.Namespace) -> None:
    """The comparison on one table by one rule."""
    table = load_curves(name, given.cache)
    fidelity = Fidelity("steps", table.steps // LOWEST_SHARE, table.steps, rule=rule)
    settings = RungSettings(
        given.workers, given.evaluations * table.steps, estimates=ESTIMATES[given.estimates]
    )
    found = compare(load_of(table), settings, fidelity, range(given.seeds))
    if given.json:
        for one in found:
            print(json.dumps({"table": name, "rule": rule, **asdict(one)}), flush=True)
    else:
        print(f"{name:20}{rule:10}{words(table, found)}", flush=True)


def load_of(table: CurveTable) -> RungLoad:
    """Each step takes a second."""

    def value(configuration: Configuration, step: int) -> float:
        return float(table.curve(configuration)[step - 1])

    return RungLoad(table.space, value, lambda configuration: 1.0, table.steps)


def words(table: CurveTable, found: Sequence[Compared]) -> str:
    """Share of node-hours, how often it was reached, the regret to reach, and the stricter share."""
    share, error = mean_and_error([one.ratio for one in found])
    strict = sum(one.with_rungs for one in found) / sum(one.found_at for one in found)
    regret = np.mean([table.regret(one.target) for one in found])
    begun, complete = (np.mean([getattr(one, key) for one in found]) for key in ("begun", "complete"))
    return (
        f"share {share:.2f} ± {error:.2f}, reached {sum(one.is_reached for one in found)} of {len(found)}, "
        f"regret {regret:.4f}, begun {begun:.0f}, complete {complete:.0f}, strict share {strict:.2f}"
    )


if __name__ == "__main__":
    main()
