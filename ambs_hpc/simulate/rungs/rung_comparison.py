"""The node-hours that a search with rungs needs for what one without finds with all of its own."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ambs_hpc.fidelity import Fidelity
from ambs_hpc.simulate.rungs.rung_simulation import RungLoad, RungSettings, simulate_rungs

LONGEST = 1.5  # times the node-hours without rungs, after which a search with them gives up
SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Compared:
    """One seed.

    Args:
        target: best value of the search without rungs, minimised, in `node_hours`.
        found_at: node-hours after which it had it.
        with_rungs: node-hours of the search with rungs until it had as good a value; the longest where it
            had none.
        is_reached: whether it had.
        begun, complete: evaluations of the search with rungs.
    """

    seed: int
    target: float
    node_hours: float
    found_at: float
    with_rungs: float
    is_reached: bool
    begun: int
    complete: int

    @property
    def ratio(self) -> float:
        """Node-hours with rungs over those without."""
        return self.with_rungs / self.node_hours

    @property
    def strict_ratio(self) -> float:
        """Over those after which the search without had its final value."""
        return self.with_rungs / self.found_at


def compare(
    load: RungLoad,
    settings: RungSettings,
    fidelity: Fidelity,
    seeds: Sequence[int],
    shown: Callable[[Compared], None] = lambda one: None,
) -> list[Compared]:
    """Search without rungs for all of the node-hours, then with them until the value is as good.

    Args:
        settings: of both, but for fidelity, seed and target.
    """
    found = []
    for seed in seeds:
        full = simulate_rungs(load, replace(settings, fidelity=None, seed=seed, target=None))
        found_at, target = full.best[-1] if full.best else (settings.node_seconds, math.inf)
        longest = LONGEST * settings.node_seconds
        with_rungs = replace(settings, fidelity=fidelity, seed=seed, target=target, node_seconds=longest)
        ours = simulate_rungs(load, with_rungs)
        found.append(
            Compared(
                seed=seed,
                target=target,
                node_hours=settings.node_seconds / SECONDS_PER_HOUR,
                found_at=found_at / SECONDS_PER_HOUR,
                with_rungs=(ours.reached_at or longest) / SECONDS_PER_HOUR,
                is_reached=ours.reached_at is not None,
                begun=ours.begun,
                complete=ours.complete,
            )
        )
        shown(found[-1])
    return found


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error; the error of one value is not known."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return statistics.fmean(values), error
