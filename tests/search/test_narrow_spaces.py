"""Spaces of which so little is legal that guesses miss it: what is there is found, or the tries are told."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from ConfigSpace import (
    Categorical,
    Configuration,
    ConfigurationSpace,
    Float,
    ForbiddenAndConjunction,
    ForbiddenEqualsClause,
    ForbiddenGreaterThanClause,
    ForbiddenGreaterThanRelation,
    ForbiddenLessThanClause,
    ForbiddenLessThanRelation,
    GreaterThanCondition,
    Integer,
    OrdinalHyperparameter,
)

from ambs_hpc.errors import NoLegalConfiguration, SpaceExhausted
from ambs_hpc.records import Observation
from ambs_hpc.search import create_searcher
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.sampling.enumeration import legal_rows
from tests.search.spaces import rich_space


def falling(layers: int, widths: int) -> ConfigurationSpace:
    """Layers none of which is wider than the one before."""
    space = ConfigurationSpace()
    sizes = [Integer(f"width{i}", (1, widths), default=2) for i in range(layers)]
    space.add(sizes)
    space.add([ForbiddenLessThanRelation(a, b) for a, b in pairwise(sizes)])
    return space


def falling_where_active() -> ConfigurationSpace:
    """Twelve layers of four sizes, as many of them active as another parameter says."""
    space = ConfigurationSpace()
    depth = Integer("depth", (1, 12), default=3)
    sizes = [OrdinalHyperparameter(f"size{i}", [32, 64, 128, 256]) for i in range(12)]
    space.add(depth, *sizes)
    space.add([GreaterThanCondition(size, depth, i) for i, size in enumerate(sizes) if i])
    space.add([ForbiddenLessThanRelation(a, b) for a, b in pairwise(sizes)])
    return space


def chained() -> ConfigurationSpace:
    """Eight choices, each of which goes with two of the next one's six."""
    space = ConfigurationSpace()
    links = [Categorical(f"link{i}", "abcdef", default="a") for i in range(8)]
    space.add(links)
    for left, right in pairwise(links):
        for i, one in enumerate("abcdef"):
            for j, other in enumerate("abcdef"):
                if (j - i) % 6 > 1:
                    clauses = ForbiddenEqualsClause(left, one), ForbiddenEqualsClause(right, other)
                    space.add(ForbiddenAndConjunction(*clauses))
    return space


def box(sides: int, share: float) -> ConfigurationSpace:
    """A box in the middle of a cube."""
    space, half = ConfigurationSpace(), share ** (1 / sides) / 2
    numbers = [Float(f"x{i}", (0.0, 1.0), default=0.5) for i in range(sides)]
    space.add(numbers)
    for number in numbers:
        space.add(ForbiddenLessThanClause(number, 0.5 - half), ForbiddenGreaterThanClause(number, 0.5 + half))
    return space


def rising() -> ConfigurationSpace:
    """Ten numbers in their order: 1 of 3.6 million points."""
    space = ConfigurationSpace()
    numbers = [Float(f"x{i}", (0.0, 1.0), default=(i + 0.5) / 10) for i in range(10)]
    space.add(numbers)
    space.add([ForbiddenGreaterThanRelation(a, b) for a, b in pairwise(numbers)])
    return space


SPACES = {
    "falling": lambda: falling(10, 8),
    "falling where active": falling_where_active,
    "too many to list": lambda: falling(20, 40),
    "chained": chained,
    "box in 1": lambda: box(1, 1e-6),
    "box in 6": lambda: box(6, 1e-6),
    "rising": rising,
}


@pytest.mark.parametrize("method", ["ambs", "sobol"])
@pytest.mark.parametrize("name", SPACES)
def test_legal_proposals_are_found_where_guesses_miss_them(name: str, method: str) -> None:
    """Neighbours of legal ones are legal often: nobody may hear that the space has ended."""
    space = SPACES[name]()
    searcher = create_searcher(space, method, seed=1, **({"design_size": 8} if method == "ambs" else {}))
    seen = set()
    for _ in range(6):
        asked = searcher.ask(4)
        for proposal in asked:
            Configuration(space, values=dict(proposal.configuration))
            seen.add(tuple(proposal.configuration.items()))
        searcher.tell([Observation(p.configuration, float(len(seen) % 5)) for p in asked])
    assert len(seen) == 24


def test_proposals_of_a_narrow_space_are_spread_over_it() -> None:
    """Steps from the default alone would stay beside it."""
    searcher = create_searcher(rising(), "random", seed=1)
    first = np.array([float(p.configuration["x0"]) for p in searcher.ask(60)])
    assert first.min() < 0.02 < 0.15 < first.max()  # the least of ten uniform numbers: mean 0.09


def test_listing_agrees_with_testing_every_combination() -> None:
    """What is not listed would be called exhausted."""
    space = falling(4, 5)
    encoding = Encoding(space)
    every = np.indices((5, 5, 5, 5)).reshape(4, -1).T + 1.0
    expected = every[encoding.constraints.allowed(every)]
    np.testing.assert_array_equal(legal_rows(encoding), expected)
    assert len(expected) == 70


def test_listing_counts_inactive_parameters_once() -> None:
    """The values that they would have had make no further configurations."""
    rows = legal_rows(Encoding(falling_where_active()))
    assert rows is not None
    expected = sum((k + 1) * (k + 2) * (k + 3) // 6 for k in range(1, 13))
    assert len(rows) == len(np.unique(rows, axis=0)) == expected


def test_what_is_endless_or_too_much_is_not_listed() -> None:
    """Half a list would be a false proof."""
    assert legal_rows(Encoding(rich_space())) is None
    assert legal_rows(Encoding(falling(10, 8)), limit=1000) is None


def test_a_narrow_space_ends_when_all_of_it_was_proposed() -> None:
    """455 legal configurations of 16 million: all are found, and the end is proved."""
    searcher = create_searcher(falling(12, 4), "random")
    assert len(searcher.ask(1000)) == 455
    with pytest.raises(SpaceExhausted, match=r"\(455 in all\)"):
        searcher.ask(1)


def test_nothing_found_is_not_called_exhausted() -> None:
    """One legal point in a continuous space: the message says how many tries, and what may help."""
    space = ConfigurationSpace()
    space.add(x := Float("x", (0.0, 1.0), default=0.5))
    space.add(ForbiddenLessThanClause(x, 0.5), ForbiddenGreaterThanClause(x, 0.5))
    searcher = create_searcher(space, "random")
    assert [dict(p.configuration) for p in searcher.ask(3)] == [{"x": 0.5}]
    with pytest.raises(NoLegalConfiguration, match=r"after \d+ tries .*Loosen the forbidden clauses"):
        searcher.ask(1)
