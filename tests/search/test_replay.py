"""A restarted search goes on as if it had never stopped, however its work was batched."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from ambs_hpc.records import Observation, Proposal
from ambs_hpc.search import METHODS, Searcher, create_searcher
from tests.search.spaces import rich_objective, rich_space

SMALL = {
    "classic": {"trees": 4, "candidates": 80},
    "ambs": {"trees": 5, "candidates": 60, "training_rows": 60},
    "optuna:TPE": {"n_startup_trials": 5, "n_ei_candidates": 4},
}


@dataclass
class Story:
    """A campaign as its database tells it."""

    searcher: Searcher
    proposals: list[Proposal] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    pending: list[Proposal] = field(default_factory=list)
    discarded: list[Proposal] = field(default_factory=list)

    def advance(self, rng: np.random.Generator, rounds: int) -> None:
        for _ in range(rounds):
            asked = self.searcher.ask(int(rng.integers(1, 9)))
            self.proposals += asked
            self.pending += asked
            ended = [
                self.pending.pop(int(rng.integers(len(self.pending)))) for _ in range(len(self.pending) // 3)
            ]
            if ended and rng.random() < 0.3:
                self.discarded.append(ended.pop())
                self.searcher.discard([self.discarded[-1].configuration])
            told = [Observation(p.configuration, self.objective(p, rng)) for p in ended]
            self.searcher.tell(told)
            self.observations += told

    def objective(self, proposal: Proposal, rng: np.random.Generator) -> float | None:
        return None if rng.random() < 0.15 else rich_objective(proposal.configuration)

    def restart(self, searcher: Searcher) -> None:
        searcher.restore(self.proposals, self.observations)
        searcher.discard([p.configuration for p in self.discarded])
        self.searcher = searcher


EXACT = (*METHODS, "optuna:TPE", "optuna:Random")  # Optuna's others keep notes that no row tells


def create(method: str) -> Searcher:
    return create_searcher(rich_space(), method, seed=7, **SMALL.get(method, {}))


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("stop", [1, 6, 13, 24])
def test_a_restored_searcher_proposes_what_the_other_would_have(method: str, stop: int) -> None:
    """Nothing but the database survives a killed search."""
    straight, broken = Story(create(method)), Story(create(method))
    straight.advance(np.random.default_rng(stop), 30)
    rng = np.random.default_rng(stop)
    broken.advance(rng, stop)
    broken.restart(create(method))
    broken.advance(rng, 30 - stop)
    assert broken.proposals == straight.proposals


@pytest.mark.parametrize("method", EXACT)
def test_batches_make_no_difference(method: str) -> None:
    """Asking for ten is asking ten times; telling ten is telling ten times."""
    together, apart = create(method), create(method)
    for _ in range(8):
        a = together.ask(10)
        b = [apart.ask(1)[0] for _ in range(10)]
        assert a == b
        told = [Observation(p.configuration, rich_objective(p.configuration)) for p in a[:7]]
        together.tell(told)
        for one in told:
            apart.tell([one])


def test_a_rerun_evaluation_forgets_its_first_result() -> None:
    """A failure that was repeated with success leaves no trace; a restart sees only the last row."""
    a, b = create("ambs"), create("ambs")
    proposals = a.ask(40)
    assert b.ask(40) == proposals
    told = [Observation(p.configuration, rich_objective(p.configuration)) for p in proposals]
    a.tell([Observation(proposals[3].configuration, None)])
    a.tell(told[4:])
    assert a.ask(3) != []
    restored = create("ambs")
    a.tell([told[3]])
    after = a.ask(5)
    b.tell(told[4:])
    lost = b.ask(3)
    b.tell([told[3]])
    restored.restore([*proposals, *lost], [*told[4:], told[3]])
    assert restored.ask(5) == b.ask(5)
    assert len(after) == 5


@pytest.mark.parametrize("method", EXACT)
def test_a_repetition_that_fails_replaces_no_success(method: str) -> None:
    """The value was measured, whatever happened to the node of the second attempt."""
    together, apart = create(method), create(method)
    made = together.ask(8)
    assert apart.ask(8) == made
    told = [Observation(p.configuration, rich_objective(p.configuration)) for p in made]
    failure = Observation(made[2].configuration, None)
    apart.tell(told)
    apart.tell([failure])
    together.tell([failure, *told, failure])
    assert together.history == apart.history == told
    restored = create(method)
    restored.restore(made, [*told, failure])
    assert together.ask(4) == apart.ask(4) == restored.ask(4)


@pytest.mark.parametrize("method", EXACT)
def test_what_does_not_count_keeps_its_ordinal_and_nothing_else(method: str) -> None:
    """After a revision of the space some proposals are outside; the others keep their random numbers."""
    made = create(method).ask(12)
    told = [Observation(p.configuration, rich_objective(p.configuration)) for p in made[::2]]
    counted = [None if place in (1, 5, 11) else one for place, one in enumerate(made)]
    one, other = create(method), create(method)
    one.restore(counted, told)
    other.restore(counted, told)
    assert one.ask(6) == other.ask(6)
    empty = create(method)
    empty.restore([None] * 12, [])
    whole = create(method)
    whole.restore(made, [])
    if method in ("random", "lhs", "sobol"):
        assert empty.ask(3) == whole.ask(3)
    assert one.history == [Observation(p.configuration, rich_objective(p.configuration)) for p in made[::2]]
