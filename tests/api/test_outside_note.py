"""A best result outside of the space that is searched now says so."""

from __future__ import annotations

from dataclasses import replace

from ambs_hpc.api.outside_note import outside_note
from ambs_hpc.problem import Problem
from ambs_hpc.records import Campaign
from tests.queue import stock


def campaign(**more: object) -> Campaign:
    problem = Problem(name="net", space={"lr": (0.001, 0.01)}, objective="model:train").to_json()
    return Campaign(1, 0.0, replace(stock.CAMPAIGN, name="net", problem={**problem, **more}), 2)


def test_what_a_revision_left_out_is_told() -> None:
    """Whoever narrowed a space because a value cannot be used must not take it from `ambs status`."""
    revised = campaign(was={})
    assert "ambs space net" in outside_note(revised, {"lr": 0.5})
    assert outside_note(revised, {"lr": 0.005}) == ""


def test_a_space_that_was_never_revised_has_no_outside() -> None:
    """Then all that ran was legal."""
    assert outside_note(campaign(), {"lr": 0.5}) == ""
