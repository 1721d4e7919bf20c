"""The search for several objectives and within constraints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ConfigSpace import Configuration

from ambs_hpc.errors import ProblemError, UsageError
from ambs_hpc.records import Observation, Proposal
from ambs_hpc.search import Searcher, create_searcher
from ambs_hpc.search.objectives.measures import hypervolume
from tests.search.spaces import rich_space

TWO = {"accuracy": "maximize", "latency": "minimize"}
SMALL = {"trees": 4, "candidates": 60}
CUBE = {f"x{i}": (0.0, 1.0) for i in range(4)}
Measure = Callable[[dict[str, float]], dict[str, float] | None]


def bent(values: dict[str, float]) -> dict[str, float]:
    """ZDT1 with the first objective turned."""
    rest = 1 + 3 * sum(values[f"x{i}"] for i in range(1, 4))
    f = values["x0"]
    return {"accuracy": -f, "latency": rest * (1 - (f / rest) ** 0.5), "load": values["x1"] + values["x2"]}


def drive(searcher: Searcher, measure: Measure, number: int, at_once: int = 4) -> list[Proposal]:
    """Ask and tell, always `at_once` pending."""
    asked: list[Proposal] = []
    pending: list[Proposal] = []
    rng = np.random.default_rng(7)
    while len(asked) < number:
        new = searcher.ask(at_once - len(pending))
        asked, pending = asked + new, pending + new
        searcher.tell([observed(pending.pop(int(rng.integers(len(pending)))), measure)])
    return asked


def observed(proposal: Proposal, measure: Measure) -> Observation:
    told = measure(dict(proposal.configuration))
    return Observation(
        proposal.configuration, None if told is None else next(iter(told.values())), told or {}
    )


def with_other(values: dict[str, float]) -> dict[str, float]:
    return {**bent(values), "other": values["x3"] - 0.1}


def volume_of(searcher: Searcher) -> float:
    front = [(-one.metrics["accuracy"], one.metrics["latency"]) for one in searcher.front()]
    return hypervolume(np.array(front), np.array([1.1, 5.0]))


def test_the_front_grows_faster_than_at_random() -> None:
    """What it is for."""
    volumes = {}
    for method in ("ambs", "random"):
        searcher = create_searcher(CUBE, method, TWO, 1)
        drive(searcher, bent, 40)
        volumes[method] = volume_of(searcher)
    assert volumes["ambs"] > volumes["random"] + 0.2


@pytest.mark.parametrize("method", ["ambs", "classic", "sobol", "optuna:NSGAII", "optuna:TPE"])
def test_every_method_knows_several_objectives_and_constraints(method: str) -> None:
    """Proposals are legal and new, failures and missing metrics do no harm, the front keeps the bounds."""
    options = SMALL if method in ("ambs", "classic") else {}
    constraints = {"load": "< 0.8"}
    searcher = create_searcher(CUBE, method, TWO, 3, constraints=constraints, **options)

    def measure(values: dict[str, float]) -> dict[str, float] | None:
        told = bent(values)
        if values["x3"] > 0.9:
            return None
        return {"accuracy": told["accuracy"], "latency": told["latency"]} if values["x3"] < 0.1 else told

    asked = drive(searcher, measure, 40)
    assert len({tuple(one.configuration.items()) for one in asked}) == len(asked)
    assert searcher.front()
    assert all(one.metrics["load"] < 0.8 for one in searcher.front())
    best = searcher.best()
    assert best is not None
    assert best.objective == max(one.metrics["accuracy"] for one in searcher.front())


def test_conditions_and_choices_are_searched_too() -> None:
    """Spaces of architectures have both."""
    space = rich_space()
    searcher = create_searcher(space, "ambs", TWO, 0, **SMALL)

    def measure(values: dict[str, float]) -> dict[str, float]:
        return {"accuracy": float(len(values)), "latency": float(sum(map(len, map(str, values.values()))))}

    asked = drive(searcher, measure, 40)
    for one in asked:
        Configuration(space, values=dict(one.configuration))  # raises
    assert len(asked) == 40


def test_a_restarted_search_proposes_the_same(cut: int = 37) -> None:
    """It is a function of the rows, however its work was batched, missing metrics among them."""
    constraints = {"load": "< 0.8", "other": "> 0"}
    searcher = create_searcher(CUBE, "ambs", TWO, 5, constraints=constraints, **SMALL)
    asked = searcher.ask(6)
    told = []
    for place in range(cut):
        told.append(observed(asked[place], bent if place % 5 else with_other))
        searcher.tell([told[-1]])
        asked += searcher.ask(1)
    again = create_searcher(CUBE, "ambs", TWO, 5, constraints=constraints, **SMALL)
    again.restore(asked, told)
    assert again.ask(3) == searcher.ask(3)


def test_one_objective_within_constraints_finds_the_edge() -> None:
    """The best lies where the bound does; a failure taught as one would hide it."""

    def measure(values: dict[str, float]) -> dict[str, float]:
        return {"objective": sum(values.values()), "load": values["x0"] ** 2 + values["x1"]}

    searcher = create_searcher(
        {"x0": (0.0, 1.0), "x1": (0.0, 1.0)}, "ambs", "maximize", 2, constraints={"load": "<= 0.5"}
    )
    drive(searcher, measure, 45)
    best = searcher.best()
    assert best is not None
    assert (best.objective or 0.0) > 0.74  # 0.75 at x0 = 0.5, x1 = 0.25
    assert best.metrics["load"] <= 0.5


def test_while_nothing_is_feasible_it_goes_where_the_least_is_broken() -> None:
    """A bound that holds in a thousandth of the space is found."""

    def measure(values: dict[str, float]) -> dict[str, float]:
        return {"objective": values["x3"], "far": sum((values[f"x{i}"] - 0.7) ** 2 for i in range(3))}

    searcher = create_searcher(CUBE, "ambs", "minimize", 2, constraints={"far": "<= 0.0045"})
    assert searcher.best() is None
    drive(searcher, measure, 60)
    assert searcher.best() is not None


def test_what_cannot_be_is_refused_at_once() -> None:
    """The first proposal would be too late."""
    with pytest.raises(UsageError, match="has one objective"):
        create_searcher(CUBE, "optuna:CmaEs", TWO)
    with pytest.raises(UsageError, match="knows no constraints"):
        create_searcher(CUBE, "optuna:QMC", "minimize", constraints={"t": "< 1"})
    with pytest.raises(ProblemError, match="Write a comparison"):
        create_searcher(CUBE, constraints={"t": "1"})
    searcher = create_searcher(CUBE, "random", TWO)
    proposal = searcher.ask(1)[0]
    with pytest.raises(ValueError, match="no number for latency"):
        searcher.tell([Observation(proposal.configuration, 0.5, {"accuracy": 0.5})])
    assert searcher.history == []


def test_the_default_sees_objectives_by_half_ranks() -> None:
    """As its name for one objective does: raw values would let one diverged run hide all others."""
    asked = [
        [
            one.configuration
            for one in drive(create_searcher(CUBE, direction=TWO, **SMALL, **options), bent, 24)
        ]
        for options in ({}, {"transform": "half_rank"}, {"transform": "raw"})
    ]
    assert asked[0] == asked[1] != asked[2]
