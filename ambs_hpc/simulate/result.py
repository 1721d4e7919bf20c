"""The results of a simulated campaign as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from ambs_hpc.simulate.goals.goal_outcome import Measured
from ambs_hpc.simulate.simulated_executor import Ran

CURVE_POINTS = 400  # of the busy slots: what a figure can show


@dataclass(frozen=True, slots=True)
class AskCost:
    """The cost of one step of the search.

    Args:
        observations: number of evaluations that had ended before it.
        proposals: number of proposals made in it.
        cpu_seconds: processor time of it, including learning, refits and storing.
    """

    observations: int
    proposals: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """The result of a simulated campaign.

    Args:
        load, method, seed, slots, seconds, charged: what was simulated.
        utilisation: share of the slots that ran an evaluation, from the first start to the end, while their
            allocations were there.
        evaluations: number of evaluations that ended within the time.
        evaluations_per_hour: their rate.
        best: best objective; None when nothing ended.
        best_so_far: (seconds since the first start, best objective) at each improvement.
        busy: (seconds since the first start, evaluations running).
        ask_costs: costs of the search's steps that proposed something.
        search_cpu_seconds, launcher_cpu_seconds: total processor times.
        objectives: those of evaluations that ended within the time, in that order; not in the JSON.
        measured: of a load with several objectives or within constraints: all that ended within the time, in
            that order; not in the JSON. `best` and `best_so_far` are then of feasible ones.
    """

    load: str
    method: str
    seed: int
    slots: int
    seconds: float
    charged: bool
    utilisation: float
    evaluations: int
    evaluations_per_hour: float
    best: float | None
    best_so_far: list[tuple[float, float]]
    busy: list[tuple[float, int]]
    ask_costs: list[AskCost]
    search_cpu_seconds: float
    launcher_cpu_seconds: float
    objectives: list[float] = field(default_factory=list, repr=False)
    measured: list[Measured] = field(default_factory=list, repr=False)

    def share_above(self, value: float) -> float:
        """Share of the evaluations that ended whose objective exceeds it; 0 without any."""
        return sum(one > value for one in self.objectives) / max(1, len(self.objectives))

    @property
    def cpu_seconds_per_proposal(self) -> float | None:
        """Mean over the campaign; None when nothing was proposed."""
        proposals = sum(one.proposals for one in self.ask_costs)
        return sum(one.cpu_seconds for one in self.ask_costs) / proposals if proposals else None

    def to_json(self) -> dict[str, object]:
        """The result as JSON values."""
        fields = asdict(self)
        del fields["objectives"], fields["measured"]
        return {**fields, "cpu_seconds_per_proposal": self.cpu_seconds_per_proposal}


def busy_seconds(runs: Sequence[Ran], end: float) -> float:
    """Sum over all slots of the seconds in which they were busy before `end`."""
    return sum(min(one.finished_at, end) - one.started_at for one in runs if one.started_at < end)


def best_curve(runs: Sequence[Ran], end: float, *, maximize: bool) -> list[tuple[float, float]]:
    """(seconds since the first start, objective) whenever it became better."""
    first = min((one.started_at for one in runs), default=end)
    curve: list[tuple[float, float]] = []
    for one in sorted(runs, key=lambda ran: ran.finished_at):
        if one.objective is None or one.finished_at > end:
            continue
        if not curve or (one.objective > curve[-1][1] if maximize else one.objective < curve[-1][1]):
            curve.append((one.finished_at - first, one.objective))
    return curve


def busy_curve(runs: Sequence[Ran], end: float) -> list[tuple[float, int]]:
    """(seconds since the first start, evaluations running) at even distances up to `end`."""
    import numpy as np

    first = min((one.started_at for one in runs), default=end)
    if first >= end:
        return []
    starts = np.sort([one.started_at for one in runs])
    ends = np.sort([one.finished_at for one in runs])
    at = np.linspace(first, end, CURVE_POINTS)
    running = np.searchsorted(starts, at, "right") - np.searchsorted(ends, at, "right")
    return [(float(moment - first), int(count)) for moment, count in zip(at, running, strict=True)]
