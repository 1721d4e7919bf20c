"""What an old configuration means in a new space."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ambs_hpc.campaign.carry_over import CarryOver
from ambs_hpc.campaign.legal_rows import LegalRows
from ambs_hpc.problem import build_space
from ambs_hpc.problem.space import space_to_json
from ambs_hpc.queue import Proposed
from ambs_hpc.records import Campaign, Configuration, Proposal, Value
from ambs_hpc.states import State
from tests.queue.stock import CAMPAIGN

OLD = {"x": 0.5, "n": 3, "kind": "a", "gone": 2}


def carry_over(was: dict[str, Value | None], **changes: object) -> CarryOver:
    space = {"x": (0.0, 1.0), "n": (1, 9), "kind": ["a", "b"], **changes}
    return CarryOver(space_to_json(build_space(space)), was)


CASES: list[tuple[dict[str, Value | None], dict[str, object], Configuration | None]] = [
    ({"gone": 2}, {}, {"x": 0.5, "n": 3, "kind": "a"}),
    ({"gone": None}, {}, {"x": 0.5, "n": 3, "kind": "a"}),
    ({"gone": 1}, {}, None),
    ({}, {}, None),
    ({"gone": True}, {}, None),
    ({"gone": 2, "rate": 0.1}, {"rate": (0.0, 0.5)}, {"x": 0.5, "n": 3, "kind": "a", "rate": 0.1}),
    ({"gone": 2, "rate": 0.9}, {"rate": (0.0, 0.5)}, None),
    ({"gone": 2}, {"kind": ["b", "c"]}, None),
    ({"gone": 2}, {"kind": "a"}, {"x": 0.5, "n": 3, "kind": "a"}),
    ({"gone": 2}, {"x": (0.6, 1.0)}, None),
    ({"gone": 2}, {"n": [1, 2, 3]}, {"x": 0.5, "n": 3, "kind": "a"}),
]


@pytest.mark.parametrize(("was", "changes", "expected"), CASES)
def test_an_old_configuration_fits_or_does_not(
    was: dict[str, Value | None], changes: dict[str, object], expected: Configuration | None
) -> None:
    """Added parameters had a value before, removed ones have one since."""
    found = carry_over(was, **changes).carried(OLD)
    assert found == expected
    if found is not None:
        assert carry_over(was, **changes).carried(found) == found


def test_forbidden_configurations_are_outside() -> None:
    """As if they had never been proposed."""
    from ConfigSpace import ForbiddenEqualsClause

    space = build_space({"x": (0.0, 1.0), "n": (1, 9)})
    space.add(ForbiddenEqualsClause(space["n"], 3))
    carried = CarryOver(space_to_json(space), {}).carried
    assert (carried({"x": 0.5, "n": 3}), carried({"x": 0.5, "n": 4})) == (None, {"x": 0.5, "n": 4})


def test_those_that_have_become_the_same_all_count() -> None:
    """Which one was proposed first says nothing: it may have been cancelled, and the other measured."""
    proposals = [Proposal({**OLD, "gone": number}, "design") for number in (4, 5)]
    rows = [Proposed(1 + i, i, one, State.DONE, 0.0, 1 + i) for i, one in enumerate(proposals)]
    same = Proposal({"x": 0.5, "n": 3, "kind": "a"}, "design")
    assert legal_rows({"gone": None}).of_proposals(rows) == [same, same]
    assert legal_rows({"gone": 4}).of_proposals(rows) == [same, None]


def legal_rows(was: dict[str, Value | None]) -> LegalRows:
    space = build_space({"x": (0.0, 1.0), "n": (1, 9), "kind": ["a", "b"]})
    problem = {"space": space_to_json(space), "was": was}
    return LegalRows(Campaign(1, 0.0, replace(CAMPAIGN, problem=problem), 2))
