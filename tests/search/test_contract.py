"""The rules that every search method keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ConfigSpace import Configuration, ConfigurationSpace, ForbiddenGreaterThanClause, Integer

from ambs_hpc.errors import SpaceExhausted, UsageError
from ambs_hpc.records import Observation, Proposal
from ambs_hpc.search import METHODS, Searcher, create_searcher
from tests.search.spaces import PLAIN, plain_objective, rich_objective, rich_space

SMALL = {"classic": {"trees": 5, "candidates": 100}, "ambs": {"trees": 4, "candidates": 60}}
OPTUNA = ("optuna:TPE", "optuna:CmaEs", "optuna:NSGAII", "optuna:QMC", "optuna:RandomSampler")
every_method = pytest.mark.parametrize("method", (*METHODS, *OPTUNA))


def create(method: str, space: object, seed: int = 0, **more: object) -> Searcher:
    return create_searcher(space, method, seed=seed, **{**SMALL.get(method, {}), **more})


def key(proposal: Proposal) -> tuple:
    return tuple(sorted(proposal.configuration.items()))


def observed(proposal: Proposal) -> Observation:
    return Observation(proposal.configuration, rich_objective(proposal.configuration))


@every_method
def test_proposals_are_legal_and_never_repeat(method: str) -> None:
    """Conditions and forbidden clauses hold, known and pending configurations stay away."""
    space = rich_space()
    searcher = create(method, space)
    seen: set[tuple] = set()
    rng = np.random.default_rng(1)
    pending: list[Proposal] = []
    for _ in range(25):
        asked = searcher.ask(int(rng.integers(1, 20)))
        for proposal in asked:
            Configuration(space, values=dict(proposal.configuration))
            assert key(proposal) not in seen
            seen.add(key(proposal))
        pending += asked
        ended = [pending.pop(int(rng.integers(len(pending)))) for _ in range(len(pending) // 2)]
        searcher.tell(
            [Observation(p.configuration, None) if rng.random() < 0.2 else observed(p) for p in ended]
        )
    assert len(seen) > 150


@every_method
def test_starting_points_come_first_in_their_order(method: str) -> None:
    """The user's knowledge is worth more than a design."""
    points = [{"x": 0.1 * i, "y": 0.5, "k": i, "c": "a", "z": "fixed"} for i in range(1, 4)]
    proposals = create(method, PLAIN, starting_points=points).ask(5)
    assert [dict(p.configuration) for p in proposals[:3]] == points
    assert [p.kind for p in proposals] == ["start"] * 3 + ["design"] * 2


@every_method
def test_a_starting_point_that_is_known_is_left_out(method: str) -> None:
    """It has been told from elsewhere."""
    point = {"x": 0.1, "y": 0.5, "k": 3, "c": "a", "z": "fixed"}
    searcher = create(method, PLAIN, starting_points=[point])
    searcher.tell([Observation(point, 1.0)])
    assert searcher.ask(1)[0].kind != "start"


@every_method
@pytest.mark.parametrize("objective", [math.nan, math.inf, -math.inf])
def test_an_objective_that_is_no_number_is_refused(method: str, objective: float) -> None:
    """Failures are a state, never a magic number."""
    searcher = create(method, PLAIN)
    proposal = searcher.ask(1)[0]
    with pytest.raises(ValueError, match="None for an evaluation that failed"):
        searcher.tell([Observation(proposal.configuration, objective)])


@every_method
def test_foreign_configurations_are_learned_and_not_proposed(method: str) -> None:
    """An earlier study can be told."""
    space = {"a": [1, 2, 3, 4], "b": ["u", "v"]}
    searcher = create(method, space)
    searcher.tell([Observation({"a": a, "b": "u"}, float(a)) for a in (1, 2, 3, 4)])
    assert {p.configuration["b"] for p in searcher.ask(4)} == {"v"}


@every_method
def test_a_finite_space_is_proposed_whole_and_then_ends(method: str) -> None:
    """The last proposals come, fewer than asked; then a clear end."""
    searcher = create(method, {"a": [1, 2, 3], "b": ["u", "v"], "c": (1, 3)})
    found = searcher.ask(7)
    searcher.tell([Observation(p.configuration, float(i)) for i, p in enumerate(found)])
    found += searcher.ask(30)
    assert len({key(p) for p in found}) == len(found) == 18
    with pytest.raises(SpaceExhausted, match="18 in all"):
        searcher.ask(1)


@every_method
def test_a_large_space_with_few_legal_configurations_ends_too(method: str) -> None:
    """Rejection alone would never find out."""
    space = ConfigurationSpace()
    space.add(Integer("a", (1, 100), default=1), Integer("b", (1, 100), default=1))
    space.add(ForbiddenGreaterThanClause(space["a"], 2), ForbiddenGreaterThanClause(space["b"], 3))
    searcher = create(method, space)
    assert len(searcher.ask(50)) == 6


@every_method
def test_discarded_configurations_stay_known(method: str) -> None:
    """A cancelled evaluation is not proposed again."""
    searcher = create(method, {"a": [1, 2, 3, 4]})
    searcher.discard([p.configuration for p in searcher.ask(2)])
    assert len(searcher.ask(9)) == 2


@every_method
def test_asking_for_none_gives_none(method: str) -> None:
    """The loop may want nothing."""
    assert create(method, PLAIN).ask(0) == []


@every_method
def test_direction_turns_the_search_around(method: str) -> None:
    """Maximising f proposes what minimising -f proposes, and predicts in the user's sign."""
    up = create_searcher(PLAIN, method, "maximize", 3, **SMALL.get(method, {}))
    down = create_searcher(PLAIN, method, "minimize", 3, **SMALL.get(method, {}))
    for _ in range(6):
        a, b = up.ask(5), down.ask(5)
        assert [p.configuration for p in a] == [p.configuration for p in b]
        assert [p.mean for p in a] == [None if p.mean is None else -p.mean for p in b]
        assert [p.std for p in a] == [p.std for p in b]
        up.tell([Observation(p.configuration, -plain_objective(p.configuration)) for p in a])
        down.tell([Observation(p.configuration, plain_objective(p.configuration)) for p in b])


def test_a_misspelt_method_is_answered_with_the_right_one() -> None:
    """The message is the documentation of the moment."""
    with pytest.raises(UsageError, match="Did you mean 'ambs'"):
        create_searcher(PLAIN, "amsb")


def test_a_misspelt_option_is_answered_with_the_accepted_ones() -> None:
    """A silent typo would run a day with the default."""
    with pytest.raises(UsageError, match=r"Did you mean 'kappa'.*trees"):
        create_searcher(PLAIN, "ambs", kapa=1.0)


@pytest.mark.parametrize(
    ("name", "value"), [("trees", 0), ("trees", "many"), ("trees", 1.5), ("kappa", -1), ("lie", "cl_median")]
)
def test_an_option_out_of_range_is_refused(name: str, value: object) -> None:
    """Before anything is spent."""
    with pytest.raises(UsageError, match=name):
        create_searcher(PLAIN, "ambs", **{name: value})


def test_options_may_come_as_text() -> None:
    """A command line has nothing else."""
    assert create_searcher(PLAIN, "ambs", trees="4", kappa="0.5").ask(1)


def test_a_method_without_options_takes_none() -> None:
    """Not even one that another method has."""
    with pytest.raises(UsageError, match="'random' has no option 'trees'"):
        create_searcher(PLAIN, "random", trees=3)


@pytest.mark.timeout(300)
def test_ten_thousand_proposals_are_legal_and_different() -> None:
    """The promise at the length of a campaign, with the model at work."""
    space = rich_space()
    searcher = create_searcher(
        space, "ambs", trees=2, candidates=24, local_points=20, local_share=0.3, training_rows=200
    )
    seen: set[tuple] = set()
    for _ in range(200):
        asked = searcher.ask(50)
        for proposal in asked:
            Configuration(space, values=dict(proposal.configuration))
        seen.update(key(p) for p in asked)
        searcher.tell([observed(p) for p in asked[5:]])
    assert len(seen) == 10_000


@pytest.mark.parametrize("method", ["ambs", "classic"])
def test_the_model_works_where_little_is_legal(method: str) -> None:
    """Steps from the elite may all be forbidden; the search goes on to the last configuration."""
    space = ConfigurationSpace()
    space.add(Integer("a", (1, 60), default=1), Integer("b", (1, 60), default=1))
    space.add(ForbiddenGreaterThanClause(space["a"], 3), ForbiddenGreaterThanClause(space["b"], 20))
    searcher = create(method, space, design_size=5)
    found: list[Proposal] = []
    for _ in range(12):
        asked = searcher.ask(5)
        searcher.tell([Observation(p.configuration, float(p.configuration["b"])) for p in asked])
        found += asked
    assert len({key(p) for p in found}) == 60
    assert {p.kind for p in found} >= {"design", "model", "random"}


@pytest.mark.parametrize("method", ["ambs", "classic"])
def test_a_search_goes_on_while_everything_fails(method: str) -> None:
    """Without one success there is nothing to model."""
    searcher = create(method, PLAIN)
    for _ in range(8):
        asked = searcher.ask(5)
        assert {p.kind for p in asked} == {"design"}
        searcher.tell([Observation(p.configuration, None) for p in asked])


@pytest.mark.parametrize("method", ["ambs", "classic"])
def test_one_success_is_enough_for_a_model_if_so_wished(method: str) -> None:
    """The smallest design, and equal objectives after it."""
    searcher = create(method, PLAIN, design_size=1)
    for _ in range(6):
        asked = searcher.ask(4)
        searcher.tell([Observation(p.configuration, 2.0) for p in asked])
    assert {p.kind for p in asked} == {"model"}


@pytest.mark.parametrize("method", ["ambs", "classic"])
def test_the_model_beats_random_search(method: str) -> None:
    """Or else it is not worth its cost: medians over five seeds on a bowl."""

    def best_of(name: str, seed: int) -> float:
        searcher = create(name, PLAIN, seed)
        best = float("inf")
        for _ in range(24):
            asked = searcher.ask(5)
            values = [plain_objective(p.configuration) for p in asked]
            best = min(best, *values)
            told = zip(asked, values, strict=True)
            searcher.tell([Observation(p.configuration, value) for p, value in told])
        return best

    model, chance = (np.median([best_of(name, seed) for seed in range(5)]) for name in (method, "random"))
    assert model < 0.7 * chance


def test_a_failing_region_is_avoided() -> None:
    """Failures are sampled less than half as often as random search does."""

    def failures(method: str) -> int:
        searcher, failed = create_searcher(PLAIN, method, seed=2), 0
        for _ in range(30):
            asked = searcher.ask(5)
            fails = [float(p.configuration["x"]) > 0.65 for p in asked]
            failed += sum(fails)
            searcher.tell(
                [
                    Observation(p.configuration, None if fail else plain_objective(p.configuration))
                    for p, fail in zip(asked, fails, strict=True)
                ]
            )
        return failed

    assert failures("ambs") < 0.5 * failures("random")
