"""Campaigns are compared at equal cost, seeds by their median, and nothing flatters."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambs_hpc.reporting.comparison import (
    ComparedCampaign,
    common_reach,
    compare_campaigns,
    comparison_json,
    name_of_seeds,
    value_at,
)
from ambs_hpc.reporting.comparison_figure import draw_comparison

NAN = math.nan


def campaign(label: str, objectives: list[float], hours: float = 1.0) -> ComparedCampaign:
    costs = np.full(len(objectives), hours)
    return ComparedCampaign(label, name_of_seeds(label), np.array(objectives), costs)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("net-1", "net-*"),
        ("net_seed12", "net_seed*"),
        ("netseed3", "netseed*"),
        ("net.s4", "net.s*"),
        ("resnet50", "resnet50"),
        ("net", "net"),
        ("7", "7"),
    ],
)
def test_seeds_are_known_by_their_number(name: str, group: str) -> None:
    """A number that belongs to a name makes no seeds of two networks."""
    assert name_of_seeds(name) == group


def test_what_was_paid_for_after_the_last_end_counts() -> None:
    """Otherwise a campaign of which all is paused by now would seem to have cost nothing since."""
    (found,) = compare_campaigns([replace(campaign("a", [3.0, 2.0]), later_hours=0.5)], "minimize")
    assert (found.node_hours, found.by_node_hours.at[-1]) == ((2.5,), 2.5)
    assert found.by_node_hours.median[-1] == 2.0


def test_seeds_are_one_line_with_their_median_and_range() -> None:
    """One lucky seed decides nothing; failures cost an evaluation and give none."""
    one, two, three = (
        campaign("a-1", [NAN, 5.0, 3.0, 1.0]),
        campaign("a-2", [4.0, 6.0, NAN]),
        campaign("b", [9.0, 2.0], hours=0.5),
    )
    first, second = compare_campaigns([one, two, three], "minimize")
    assert (first.label, first.campaigns, second.label) == ("a-*", ("a-1", "a-2"), "b")
    curves = first.by_evaluations
    assert curves.at.tolist() == [1, 2, 3]  # as far as both have come
    assert np.isnan(curves.median[0])  # one of them has found nothing yet
    assert curves.median[1:].tolist() == [4.5, 3.5]
    assert (curves.low[2], curves.high[2]) == (3.0, 4.0)
    assert (first.failures, first.evaluations, first.best) == ((1, 1), (4, 3), (1.0, 4.0))
    assert common_reach([first, second]) == (2, 1.0)
    assert value_at(second.by_node_hours, 0.75) == 9.0
    assert value_at(second.by_node_hours, 1.0) == 2.0
    assert value_at(first.by_evaluations, 2) == 4.5


def test_larger_is_better_where_it_is_maximized() -> None:
    """A sign that is lost turns the figure upside down."""
    (group,) = compare_campaigns([campaign("a", [1.0, 3.0, 2.0])], "maximize")
    assert group.by_evaluations.median.tolist() == [1.0, 3.0, 3.0]


def test_a_comparison_is_json_and_a_figure_also_where_nothing_has_ended(tmp_path: Path) -> None:
    """People compare while campaigns run."""
    groups = compare_campaigns([campaign("a$x$", [NAN, 2.0]), campaign("b", [])], "minimize")
    told = comparison_json(groups)
    assert told[0]["by_evaluations"] == {
        "at": [1.0, 2.0],
        "median": [None, 2.0],
        "low": [None, 2.0],
        "high": [None, 2.0],
    }
    assert told[1]["best"] == [None]
    draw_comparison(groups, "minimize", tmp_path / "c.svg")
    assert "node-hours" in (tmp_path / "c.svg").read_text()
