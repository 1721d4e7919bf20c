"""A node's time is divided without a rest, whatever overlaps."""

from __future__ import annotations

import random

import pytest

from ambs_hpc.insight.ledger.node_places import Run, places
from ambs_hpc.insight.ledger.node_time import Occupation, Stretch, spent
from ambs_hpc.insight.ledger.uses import Use, share_of_node
from ambs_hpc.queue import AttemptUse, LauncherNode

BACKGROUND = [Stretch(0.0, 4.0, Use.START_UP), Stretch(4.0, 10.0, Use.SEARCH_THINKS)]


def test_what_nothing_occupies_is_what_its_launcher_did() -> None:
    """Half of the node works from 2 to 6: the other half is start-up first, and idle then."""
    found = spent(BACKGROUND, [Occupation(2.0, 6.0, 0.5, Use.USEFUL, "a")])
    assert found == {("a", Use.USEFUL): 2.0, (None, Use.START_UP): 3.0, (None, Use.SEARCH_THINKS): 5.0}


def test_more_than_the_node_has_counts_for_less() -> None:
    """Clocks of nodes differ by a little; the sum is still the node's time."""
    twice = [Occupation(0.0, 10.0, 0.75, Use.USEFUL, "a"), Occupation(0.0, 10.0, 0.75, Use.FAILED, "b")]
    assert spent(BACKGROUND, twice) == pytest.approx({("a", Use.USEFUL): 5.0, ("b", Use.FAILED): 5.0})


def test_it_adds_up_whatever_there_is() -> None:
    """Also with attempts before the start, after the end, and of no length."""
    dice = random.Random(3)
    for _ in range(30):
        occupations = []
        for _ in range(dice.randrange(60)):
            start = dice.uniform(-5.0, 12.0)
            share = dice.choice([0.1, 1 / 3, 0.5, 1.0])
            occupations.append(Occupation(start, start + dice.choice([0.0, 0.5, 4.0]), share, Use.LOST, "a"))
        assert sum(spent(BACKGROUND, occupations).values()) == pytest.approx(10.0, rel=1e-12)


def attempt(**changes: object) -> AttemptUse:
    plain = AttemptUse(1, 1, "a", 1, "n1", "complete", "", 0.0, 1.0, 1, 0, 0.0, 1, False)
    return plain._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({}, 1 / 8),
        ({"cores": 3}, 1 / 2),  # the two that are left over are of no use to another of this shape
        ({"gpus": 1}, 1 / 4),
        ({"memory_gib": 20.0}, 1 / 3),
        ({"nodes": 2}, 1.0),
        ({"whole_node": True}, 1.0),
        ({"cores": 9}, 1.0),
    ],
)
def test_a_node_is_full_when_no_more_of_the_shape_fit(changes: dict[str, object], share: float) -> None:
    """The scarcest resource decides."""
    node = LauncherNode(1, "n1", cores=8, gpus=4, memory_gib=64.0, most=None)
    assert share_of_node(attempt(**changes), node, 5.0) == pytest.approx(share)


def test_a_limit_by_a_person_makes_a_node_full() -> None:
    """`--slots 2` on 8 cores: two evaluations of one core fill the node. Without any word slots count."""
    node = LauncherNode(1, "n1", cores=8, gpus=0, memory_gib=None, most=2.0)
    assert share_of_node(attempt(), node, 5.0) == 0.5
    assert share_of_node(attempt(), None, 5.0) == 0.2


def test_the_other_nodes_are_those_that_were_free() -> None:
    """A row names the first node of several; the others are neighbours that nothing else occupied."""
    runs = [Run(0.0, 5.0, "n2", 1), Run(1.0, 4.0, "n1+1", 2), Run(5.0, 6.0, "n1+2", 3), Run(0.0, 1.0, "", 1)]
    assert places(runs, ["n1", "n2", "n3"]) == [("n2",), ("n1", "n3"), ("n1", "n2", "n3"), ("n1",)]
    assert places([Run(0.0, 1.0, "n1+7", 8)], ["n1", "n2"]) == [("n1", "n2")]
