"""A space is changed by short texts, and what changed is told in short words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.problem.space import build_space, space_from_json, space_to_json
from ambs_hpc.problem.space_differences import parameters_of, space_differences
from ambs_hpc.problem.space_edits import narrowed, pinned, widened, with_forbidden


def full() -> dict[str, object]:
    from ConfigSpace import ConfigurationSpace, InCondition

    space = ConfigurationSpace(
        {"opt": ["sgd", "adam", "lamb"], "momentum": (0.0, 0.99), "lr": (1e-5, 1e-1), "n": (1, 9)}
    )
    space.add(InCondition(space["momentum"], space["opt"], ["sgd", "lamb"]))
    return space_to_json(build_space(space))


def sorted_by_names(space: Any) -> dict[str, object]:
    """The reader of stored spaces has an order of its own."""
    return {**space, "hyperparameters": sorted(space["hyperparameters"], key=lambda one: one["name"])}


EDITS = [
    (narrowed, "lr=1e-4..1e-2", ["lr 1e-05..0.1 -> 0.0001..0.01"]),
    (widened, "n=0..20", ["n 1..9 -> 0..20"]),
    (
        narrowed,
        "opt=adam,sgd",
        [
            "choice lamb of opt removed",
            CONDITION := ("condition of momentum: opt in (sgd, lamb) -> opt in (sgd)"),
        ],
    ),
    (widened, "opt=radam", ["choice radam of opt added"]),
    (pinned, "n=3", ["n 1..9 -> 3 (fixed)"]),
    (pinned, "opt=adam", ["opt sgd, adam, lamb -> adam (fixed)", "momentum removed"]),
    (pinned, "momentum=0.9", ["momentum 0..0.99 -> 0.9 (fixed)"]),
    (with_forbidden, "opt=adam,n=3", ["forbidden: opt=adam, n=3"]),
    (with_forbidden, "n=5", ["forbidden: n=5"]),
]


@pytest.mark.parametrize(("edit", "text", "words"), EDITS, ids=[text for _, text, _ in EDITS])
def test_an_edit_changes_what_it_says(
    edit: Callable[..., dict[str, object]], text: str, words: list[str]
) -> None:
    """And leaves a space that the library takes, with what hung on removed choices."""
    before = full()
    after = edit(before, text)
    assert [one.words for one in space_differences(before, after)] == words
    assert sorted_by_names(space_to_json(space_from_json(after))) == sorted_by_names(after)
    assert before == full()
    assert [one.words for one in space_differences(after, edit(after, text))] == []


def layered() -> dict[str, object]:
    """What hangs on comparisons: of a whole number and of an ordered choice."""
    from ConfigSpace import GreaterThanCondition, LessThanCondition

    parts = {"count": (1, 4), "size": [10, 20, 30], **dict.fromkeys("abcd", (0.0, 1.0))}
    space = build_space(parts)
    count, size = space["count"], space["size"]
    space.add(GreaterThanCondition(space["a"], count, 1), GreaterThanCondition(space["b"], count, 3))
    space.add(LessThanCondition(space["c"], size, 30), GreaterThanCondition(space["d"], size, 10))
    return space_to_json(build_space(space))


COMPARED = [
    (pinned, "count=2", "b", {"c": "size", "d": "size"}),
    (pinned, "count=4", "", {"c": "size", "d": "size"}),
    (narrowed, "count=1..3", "b", {"a": "count", "c": "size", "d": "size"}),
    (narrowed, "count=2..4", "", {"b": "count", "c": "size", "d": "size"}),
    (pinned, "size=10", "d", {"a": "count", "b": "count"}),
    (narrowed, "size=20,30", "", {"a": "count", "b": "count", "c": "size"}),
]


@pytest.mark.parametrize(("edit", "text", "gone", "left"), COMPARED, ids=[one[1] for one in COMPARED])
def test_what_hangs_on_a_comparison_is_always_there_or_gone(
    edit: Callable[..., dict[str, Any]], text: str, gone: str, left: dict[str, str]
) -> None:
    """As layers hang on their number, which a person pins."""
    after = edit(layered(), text)
    assert {one["name"] for one in after["hyperparameters"]} == {"count", "size", *"abcd"} - set(gone)
    assert {one["child"]: one["parent"] for one in after["conditions"]} == left
    assert sorted_by_names(space_to_json(space_from_json(after))) == sorted_by_names(after)


REFUSED = [
    (narrowed, "lr=1..2", "within 1e-05..0.1"),
    (widened, "lr=1e-4..1", "around 1e-05..0.1"),
    (narrowed, "lr=0.001", "LOW..HIGH"),
    (narrowed, "learning=1..2", "no parameter 'learning'"),
    (narrowed, "opt=radam", "'radam' is none of sgd, adam, lamb"),
    (pinned, "n=3.5", "no whole number"),
    (pinned, "n=12", "n is 1..9"),
    (pinned, "n", "write NAME="),
    (with_forbidden, "n=3,opt=x", "'x' is none of"),
    (with_forbidden, "lr=nan", "'nan' is no number"),
]


@pytest.mark.parametrize(("edit", "text", "part"), REFUSED, ids=[text for _, text, _ in REFUSED])
def test_an_edit_that_cannot_be_made_says_what_can(edit: Callable[..., object], text: str, part: str) -> None:
    """Nothing is stored of it."""
    with pytest.raises(UsageError) as caught:
        edit(full(), text)
    assert part in str(caught.value)
    assert text in str(caught.value)


def test_the_order_of_parameters_is_no_difference() -> None:
    """Whoever sorts the dict in a problem file has the same space."""
    from ConfigSpace import ConfigurationSpace, Float

    one, other = ConfigurationSpace(), ConfigurationSpace()
    one.add(Float("a", (0, 1)), Float("b", (0, 1)))
    other.add(Float("b", (0, 1)), Float("a", (0, 1)))
    assert space_differences(space_to_json(one), space_to_json(other)) == []


def test_an_edited_space_keeps_the_order_of_the_problem() -> None:
    """Tables, `ambs best` and the script of an evaluation show parameters as their author wrote them."""
    space = space_to_json(build_space({"z": (0.0, 1.0), "a": ["p", "q"], "m": (1, 9)}))
    for edit, text in (
        (narrowed, "z=0..0.5"),
        (widened, "a=r"),
        (pinned, "m=3"),
        (with_forbidden, "a=q,m=3"),
    ):
        space = dict(edit(space, text))
    assert list(parameters_of(space)) == ["z", "a", "m"]
