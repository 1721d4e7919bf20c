"""A fidelity is checked before anything is stored, and says where its rungs are."""

from __future__ import annotations

from typing import Any

import pytest

from ambs_hpc.errors import ProblemError
from ambs_hpc.fidelity import Fidelity, fidelity_from_json, fidelity_to_json


@pytest.mark.parametrize(
    ("given", "rungs"),
    [
        ({"minimum": 1, "maximum": 81}, (1, 3, 9, 27, 81)),
        ({"minimum": 1, "maximum": 50}, (1, 3, 9, 27, 50)),
        ({"minimum": 1, "maximum": 28}, (1, 3, 9, 28)),
        ({"minimum": 4, "maximum": 64, "eta": 4}, (4, 16, 64)),
        ({"minimum": 2, "maximum": 3}, (2, 3)),
    ],
)
def test_rungs_rise_by_eta_to_the_maximum(given: dict[str, Any], rungs: tuple[int, ...]) -> None:
    """A rung that costs almost as much as the end would save nothing."""
    assert Fidelity("epochs", **given).rungs() == rungs


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": ""}, "fidelity.name: is ''. Say what a step is"),
        ({"minimum": 0}, "fidelity.minimum: is 0. Give a whole number from 1"),
        ({"minimum": True}, "fidelity.minimum: is True. Give a whole number from 1"),
        ({"maximum": 1.5}, "fidelity.maximum: is 1.5. Give a whole number from 1"),
        ({"maximum": 1}, "fidelity.maximum: is 1. Give more than minimum=1"),
        ({"eta": 1}, "fidelity.eta: is 1. Give a whole number from 2"),
        ({"rule": "ash"}, "fidelity.rule: is 'ash'. Did you mean 'asha'?"),
    ],
)
def test_wrong_fields_are_named(given: dict[str, Any], message: str) -> None:
    """With what they hold and what is accepted, when the problem file is read."""
    with pytest.raises(ProblemError) as caught:
        Fidelity(**{"name": "epochs", "minimum": 1, "maximum": 81, **given})
    assert message in str(caught.value)


def test_a_stored_fidelity_comes_back() -> None:
    """The search and launchers of later days decide by the same rungs."""
    fidelity = Fidelity("epochs", 1, 81, eta=4, rule="median")
    assert fidelity_from_json(fidelity_to_json(fidelity)) == fidelity
    assert fidelity_from_json(fidelity_to_json(None)) is None
    with pytest.raises(ProblemError, match="It has name, minimum, maximum, eta, rule"):
        fidelity_from_json({"name": "epochs"})
