"""A search learns from what is not complete, and a restarted one goes on as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from ambs_hpc.records import Observation, Proposal
from ambs_hpc.search import Searcher, create_searcher
from ambs_hpc.search.protocol import LearnsRungs, RungValue
from ambs_hpc.search.rungs.rung_estimates import by_quantiles
from tests.search.spaces import rich_objective, rich_space

SMALL = {"trees": 5, "candidates": 60, "training_rows": 60}
RUNGS = (1, 3, 9)


def create(direction: str = "minimize") -> Searcher:
    return create_searcher(rich_space(), "ambs", direction, seed=7, maximum_step=RUNGS[-1], **SMALL)


@dataclass
class Story:
    """A campaign with rungs as its database tells it."""

    searcher: Searcher
    proposals: list[Proposal] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    values: list[RungValue] = field(default_factory=list)

    def advance(self, rng: np.random.Generator, rounds: int) -> None:
        for _ in range(rounds):
            asked = self.searcher.ask(int(rng.integers(1, 5)))
            self.proposals += asked
            told, values = [], []
            for one in asked:
                reached = RUNGS[: int(rng.integers(0, 4))]
                objective = rich_objective(one.configuration)
                values += [RungValue(one.configuration, step, objective + 1 / step) for step in reached]
                if len(reached) == len(RUNGS):
                    told.append(Observation(one.configuration, objective + 1 / RUNGS[-1]))
                elif rng.random() < 0.1:
                    told.append(Observation(one.configuration, None))
            self.tell(told, values)
            self.observations += told
            self.values += values

    def tell(self, told: list[Observation], values: list[RungValue]) -> None:
        assert isinstance(self.searcher, LearnsRungs)
        self.searcher.tell(told)
        self.searcher.tell_rungs(values)

    def restart(self) -> None:
        self.searcher = create()
        self.searcher.restore(self.proposals, self.observations)
        self.tell([], self.values)


@pytest.mark.parametrize("stop", [1, 7, 18])
def test_a_restored_search_with_rungs_proposes_what_the_other_would_have(stop: int) -> None:
    """Nothing but the database survives a killed search, and what it tells of rungs comes all at once."""
    straight, broken = Story(create()), Story(create())
    straight.advance(np.random.default_rng(stop), 24)
    rng = np.random.default_rng(stop)
    broken.advance(rng, stop)
    broken.restart()
    broken.advance(rng, 24 - stop)
    assert broken.proposals == straight.proposals


def test_values_on_rungs_are_no_results() -> None:
    """The best is a complete evaluation, however good another one looks on its way."""
    searcher = create("maximize")
    assert isinstance(searcher, LearnsRungs)
    asked = searcher.ask(6)
    searcher.tell_rungs([RungValue(one.configuration, 1, 100.0 + n) for n, one in enumerate(asked)])
    assert searcher.best() is None
    searcher.tell([Observation(asked[0].configuration, 0.5)])
    assert searcher.best() == Observation(asked[0].configuration, 0.5)
    assert searcher.history == [Observation(asked[0].configuration, 0.5)]


def test_paused_ones_count_with_their_quantile_at_the_end() -> None:
    """A rank on a rung is known of what was stopped there; its value is that of another step."""
    complete = {number: {1: 10.0 + number, 9: float(number)} for number in range(8)}
    values = by_quantiles({**complete, 17: {1: 11.5}, 18: {1: 18.0}}, 9)
    assert values == {**{number: float(number) for number in range(8)}, 17: 1.5, 18: 8.0}


def test_a_rung_whose_order_is_another_gives_no_estimates() -> None:
    """Where the order turns round on the way, what was stopped is unknown."""
    curves = {number: {1: 8.0 - number, 9: float(number)} for number in range(8)}
    values = by_quantiles({**curves, 19: {1: 0.5}}, 9)
    assert values == {**{number: float(number) for number in range(8)}, 19: None}


def test_before_the_end_is_known_nothing_is_estimated() -> None:
    """All that is proposed for a lower rung would be good there, and perhaps nowhere else."""
    begun = {number: {1: 1.0 * number, 3: 2.0 * number} for number in range(8)}
    few = {number: {1: 1.0 * number, 3: 2.0 * number, 9: 4.0 * number} for number in range(10, 13)}
    assert by_quantiles({**begun, **few}, 9) == {}
    one_more = {13: {1: 13.0, 3: 26.0, 9: 52.0}}
    assert by_quantiles({**begun, **few, **one_more}, 9)[0] == 0.0
