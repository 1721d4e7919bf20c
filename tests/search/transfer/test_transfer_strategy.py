"""A related problem gives a head start, an unrelated one costs next to nothing, and both can be replayed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.problem import build_space
from ambs_hpc.records import Configuration, Observation, Proposal, Source
from ambs_hpc.search import create_searcher
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.gaussian_process import Posterior, prior
from ambs_hpc.search.transfer.mapped_source import map_source
from ambs_hpc.search.transfer.source_model import SourceModel
from tests.search.spaces import rich_objective, rich_space

SPACE = {
    "lr": (1e-5, 1e-1, "log"),
    "decay": (1e-6, 1e-2, "log"),
    "units": (8, 512, "log"),
    "drop": (0.0, 1.0),
    "warmup": (0.0, 1.0),
    "clip": (0.0, 1.0),
    "kind": ["a", "b", "c"],
    "optimizer": ["sgd", "adam", "lion", "rmsprop"],
}
SEEDS = range(5)
EVALUATIONS = 20


def loss(values: Configuration, moved: float) -> float:
    """0 at the best, which lies a little elsewhere for every problem."""
    places = [
        math.log10(float(values["lr"]) / 1e-5) / 4.0 - 0.6 - moved,
        math.log10(float(values["decay"]) / 1e-6) / 4.0 - 0.3 + moved,
        math.log(float(values["units"]) / 8.0) / math.log(64.0) - 0.7,
        float(values["drop"]) - 0.4 - moved,
        float(values["warmup"]) - 0.2,
        float(values["clip"]) - 0.8 + moved,
    ]
    wrong = (values["kind"] != "b") + (values["optimizer"] != "adam")
    return sum(one * one for one in places) + 0.2 * wrong


def source_of(objective: Callable[[Configuration], float], name: str = "old", rows: int = 200) -> Source:
    rng = np.random.default_rng(5)
    encoding = Encoding(build_space(SPACE))
    drawn = [encoding.configuration(row) for row in encoding.from_uniform(rng.random((rows, len(SPACE))))]
    return Source(name, "minimize", tuple(Observation(one, objective(one)) for one in drawn))


RELATED = source_of(lambda values: loss(values, 0.05))
NEGATED = source_of(lambda values: -loss(values, 0.05), "negated")


def bests(*sources: Source) -> list[float]:
    """The best loss of a search for each seed."""
    found = []
    for seed in SEEDS:
        searcher = create_searcher(SPACE, seed=seed, sources=sources)
        values = []
        for _ in range(EVALUATIONS):
            configuration = searcher.ask(1)[0].configuration
            values.append(loss(configuration, 0.0))
            searcher.tell([Observation(configuration, values[-1])])
        found.append(min(values))
    return found


def test_a_related_source_halves_the_regret_and_an_adversary_does_no_harm() -> None:
    """The promise of a warm start, kept also where both are given together."""
    cold, warm, misled = bests(), bests(RELATED), bests(NEGATED)
    both = bests(NEGATED, RELATED)
    assert np.median(warm) < 0.5 * np.median(cold)
    assert np.median(both) < 0.5 * np.median(cold)
    logs = np.log10(np.array(misled) / np.array(cold))
    assert logs.mean() < 0.1 + 2.0 * logs.std(ddof=1) / math.sqrt(len(logs))


def test_maximized_sources_serve_a_minimised_campaign() -> None:
    """A source's own direction says which of its results are good."""
    turned = Source(
        "old",
        "maximize",
        tuple(Observation(o.configuration, -(o.objective or 0.0)) for o in RELATED.observations),
    )
    asked = [create_searcher(SPACE, seed=1, sources=[one]).ask(6) for one in (RELATED, turned)]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("source", [RELATED, NEGATED], ids=["related", "negated"])
def test_the_best_of_a_source_is_tried_once_two_results_agree_with_it(source: Source) -> None:
    """One evaluation of a few is dear: nobody's best is tried against what is known already."""
    searcher = create_searcher(SPACE, seed=3, sources=[source])
    for _ in range(2):
        asked = searcher.ask(1)[0]
        assert asked.kind == "design"
        searcher.tell([Observation(asked.configuration, loss(asked.configuration, 0.0))])
    third = searcher.ask(1)[0]
    if source is NEGATED:
        assert third.kind == "design"
    else:
        best = min(RELATED.observations, key=lambda one: one.objective or 0.0)
        assert third == Proposal(dict(best.configuration), "source")


def test_a_misleading_source_costs_no_evaluation() -> None:
    """One after the other, the proposals are those of a search without it."""
    searchers = [create_searcher(SPACE, seed=1, sources=given) for given in ([], [NEGATED])]
    for _ in range(EVALUATIONS):
        cold, misled = (one.ask(1)[0] for one in searchers)
        assert cold == misled
        for one in searchers:
            one.tell([Observation(cold.configuration, loss(cold.configuration, 0.0))])


def test_many_proposals_at_once_are_not_all_made_on_trust() -> None:
    """A thousand slots are filled before any result says whether the source is right."""
    asked = create_searcher(SPACE, seed=3, sources=[NEGATED]).ask(300)
    assert 5 < sum(one.kind == "source" for one in asked) < 40
    assert len({tuple(one.configuration.items()) for one in asked}) == 300


def test_a_restarted_search_has_the_same_sources_and_proposals() -> None:
    """Nothing is remembered that is not a row: also with failures, pending proposals and a rich space."""
    encoding = Encoding(rich_space())
    rng = np.random.default_rng(2)
    rows = encoding.from_uniform(rng.random((60, encoding.dimensions)))
    legal = [encoding.configuration(row) for row in rows[encoding.constraints.allowed(rows)]]
    sources = [Source("old", "minimize", tuple(Observation(one, rich_objective(one)) for one in legal))]
    small = {"trees": 5, "candidates": 60}
    straight = create_searcher(rich_space(), seed=4, sources=sources, **small)
    proposals: list[Proposal] = []
    observations: list[Observation] = []
    pending: list[Proposal] = []
    for turn in range(12):
        asked = straight.ask(3)
        proposals += asked
        pending += asked
        ended, pending = pending[:2], pending[2:]
        told = [
            Observation(one.configuration, None if turn % 5 == 1 else rich_objective(one.configuration))
            for one in ended
        ]
        straight.tell(told)
        observations += told
        restarted = create_searcher(rich_space(), seed=4, sources=sources, **small)
        restarted.restore(proposals, observations)
    assert any(one.kind == "source" for one in proposals[6:])
    assert restarted.ask(4) == straight.ask(4)


@pytest.mark.parametrize("method", ["random", "lhs", "sobol", "classic", "optuna:TPE"])
def test_methods_that_learn_from_nobody_say_so(method: str) -> None:
    """A source that is silently left out would be believed to have been used."""
    with pytest.raises(UsageError, match=r"does not learn from other problems.*: ambs"):
        create_searcher(SPACE, method, sources=[RELATED])


def test_a_source_without_a_usable_success_changes_nothing() -> None:
    """No result of it fits, or all of it failed."""
    empty = Source("old", "minimize", (Observation({"lr": 5.0}, 1.0), Observation({"lr": 1e-3}, None)))
    assert create_searcher(SPACE, seed=2, sources=[empty]).ask(5) == create_searcher(SPACE, seed=2).ask(5)


def test_leads_are_good_and_far_apart() -> None:
    """The best points of a search lie together; trying all of them would teach one thing many times."""
    encoding = Encoding(build_space(SPACE))
    mapped = map_source(encoding, RELATED)
    model = SourceModel(encoding, mapped, 0, 0)
    best = mapped.rows[int(np.argmin(mapped.objectives))]
    assert np.array_equal(model.leads[0], best)
    assert len({row.tobytes() for row in model.leads}) == len(model.leads) > 8
    X = encoding.smooth_features(model.leads)
    first, last = (np.abs(X[:4, None] - X[None, :4]).sum(2), np.abs(X[:, None] - X[None]).sum(2))
    assert first[~np.eye(4, dtype=bool)].min() > last[~np.eye(len(X), dtype=bool)].min()


def test_left_out_predictions_are_those_without_the_target() -> None:
    """The shortcut and n processes of n - 1 points say the same."""
    rng = np.random.default_rng(0)
    X, t = rng.random((9, 2)), rng.standard_normal(9)
    one_by_one = [
        Posterior(prior(2), np.delete(X, place, 0), np.delete(t, place)).mean(X[place : place + 1])[0]
        for place in range(9)
    ]
    assert np.allclose(Posterior(prior(2), X, t).left_out(), one_by_one, rtol=1e-6)
