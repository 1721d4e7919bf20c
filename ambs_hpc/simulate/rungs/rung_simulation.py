"""The real search and the real rules on workers that run nothing: node-hours with rungs and without.

No database and no launcher: what they cost is `simulation`'s matter. A paused evaluation goes on from its
checkpoint, on the next worker that is free.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ambs_hpc.errors import SpaceExhausted
from ambs_hpc.fidelity import Fidelity, Rule, keep_shares, rule_of
from ambs_hpc.records import Configuration, Observation, Proposal
from ambs_hpc.search import DEFAULT_METHOD, create_searcher
from ambs_hpc.search.protocol import LearnsRungs, RungValue, Searcher

if TYPE_CHECKING:
    from ambs_hpc.search.rungs.rung_searcher import Estimates


@dataclass(frozen=True, slots=True)
class RungLoad:
    """Evaluations that are pretended.

    Args:
        space: as a problem has it.
        value: of a configuration after a step, to be minimised.
        step_seconds: that one step of a configuration takes, > 0.
        maximum: the step at which evaluations are complete.
    """

    space: Mapping[str, object]
    value: Callable[[Configuration, int], float]
    step_seconds: Callable[[Configuration], float]
    maximum: int


@dataclass(frozen=True, slots=True)
class RungSettings:
    """How they are searched.

    Args:
        workers: that evaluate, each on one node, >= 1.
        node_seconds: after which the search ends, > 0.
        fidelity: None runs all to the end; else its maximum is that of the load.
        target: the search ends when a complete value is as good; None for never.
        method, seed: of the search.
        estimates: of what is not complete, for comparisons; None for the search's own.
        is_judging: rules are loosened where rungs mislead.
    """

    workers: int
    node_seconds: float
    fidelity: Fidelity | None = None
    target: float | None = None
    method: str = DEFAULT_METHOD
    seed: int = 0
    estimates: Estimates | None = None
    is_judging: bool = True


@dataclass(slots=True)
class RungOutcome:
    """What came of it.

    Args:
        best: (node-seconds, best complete value) at each improvement.
        begun, complete, promoted: evaluations.
        node_seconds: that were spent in all.
        reached_at: node-seconds after which the target was reached; None where it was not.
    """

    best: list[tuple[float, float]] = field(default_factory=list)
    begun: int = 0
    complete: int = 0
    promoted: int = 0
    node_seconds: float = 0.0
    reached_at: float | None = None


@dataclass(slots=True)
class _Run:
    """An evaluation: how far it is, by the index of the rung that it reached last; -1 at its begin."""

    number: int
    configuration: Configuration
    reached: int = -1


class _RungCampaign:
    """The workers, the search and the rungs of one simulation."""

    def __init__(self, load: RungLoad, settings: RungSettings) -> None:
        self._load, self._settings = load, settings
        fidelity = settings.fidelity
        self._rungs: Sequence[int] = (load.maximum,) if fidelity is None else fidelity.rungs()
        self._searcher = _searcher(load, settings)
        self._standings: list[dict[int, float | None]] = [{} for _ in self._rungs]
        self._runs: list[_Run] = []
        self._paused: list[set[int]] = [set() for _ in self._rungs]
        self._promoted: list[int] = []
        self._ends: list[tuple[float, int]] = []  # a heap of (seconds, number)
        self._now, self._free = 0.0, settings.workers
        self.result = RungOutcome()

    def run(self) -> None:
        settings = self._settings
        while self.result.reached_at is None:
            while self._free and (run := self._next()) is not None:
                self._free -= 1
                self._go_on(run)
            if not self._ends:
                return
            self._now, number = heapq.heappop(self._ends)
            spent = self._now * settings.workers
            self.result.node_seconds = min(spent, settings.node_seconds)
            if spent > settings.node_seconds:
                return
            self._arrive(self._runs[number])

    def _next(self) -> _Run | None:
        """Promoted ones go first: more is known of them."""
        if self._promoted:
            return self._runs[self._promoted.pop(0)]
        try:
            proposal: Proposal = self._searcher.ask(1)[0]
        except SpaceExhausted:
            return None
        self._runs.append(_Run(len(self._runs), proposal.configuration))
        self.result.begun += 1
        return self._runs[-1]

    def _go_on(self, run: _Run) -> None:
        done = self._rungs[run.reached] if run.reached >= 0 else 0
        steps = self._rungs[run.reached + 1] - done
        seconds = steps * self._load.step_seconds(run.configuration)
        heapq.heappush(self._ends, (self._now + seconds, run.number))

    def _arrive(self, run: _Run) -> None:
        """At its next rung: its value is told, and it runs on, pauses or is complete."""
        run.reached += 1
        index, step = run.reached, self._rungs[run.reached]
        value = self._load.value(run.configuration, step)
        others = list(self._standings[index].values())
        self._standings[index][run.number] = value
        if self._settings.fidelity is not None and isinstance(self._searcher, LearnsRungs):
            self._searcher.tell_rungs([RungValue(run.configuration, step, value)])
        if index == len(self._rungs) - 1:
            self._free += 1
            self._complete(run, value)
            return
        rule = self._rule()
        if index < rule.first_rung(run.number) or rule.keeps(index, others, value).keep:
            self._go_on(run)
        else:
            self._paused[index].add(run.number)
            self._free += 1
        for one in rule.promotable(index, self._standings[index], self._paused[index]):
            self._paused[index].discard(one)
            self._promoted.append(one)
            self.result.promoted += 1

    def _complete(self, run: _Run, value: float) -> None:
        self.result.complete += 1
        self._searcher.tell([Observation(run.configuration, value)])
        spent, best = self.result.node_seconds, self.result.best
        if not best or value < best[-1][1]:
            best.append((spent, value))
        target = self._settings.target
        if target is not None and value <= target:
            self.result.reached_at = spent

    def _rule(self) -> Rule:
        fidelity = self._settings.fidelity
        assert fidelity is not None
        if not self._settings.is_judging:
            return rule_of(fidelity)
        return rule_of(fidelity, keep_shares(fidelity, self._standings))


def _searcher(load: RungLoad, settings: RungSettings) -> Searcher:
    has_rungs = settings.fidelity is not None
    made = create_searcher(
        load.space, settings.method, seed=settings.seed, maximum_step=load.maximum if has_rungs else None
    )
    if settings.estimates is not None and has_rungs:
        made._estimates = settings.estimates  # type: ignore[attr-defined]  # for comparisons alone
    return made


def simulate_rungs(load: RungLoad, settings: RungSettings) -> RungOutcome:
    """Search until the node-seconds are spent or the target is reached."""
    campaign = _RungCampaign(load, settings)
    campaign.run()
    return campaign.result
