"""Campaigns with several objectives and constraints: created, searched, revised, told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ambs_hpc.campaign import SearchLoop, SearchSettings, plan, revise
from ambs_hpc.campaign.creation import checked_after
from ambs_hpc.campaign.told_results import fit_results, tell_results
from ambs_hpc.campaign.warm_start import find_sources
from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import CampaignConflict, UsageError
from ambs_hpc.observations import RawObservation, RowEnding
from ambs_hpc.problem import Problem
from ambs_hpc.queue import claim, complete, front, reading, transaction
from ambs_hpc.records import Campaign
from tests.queue import stock

TWO = {"accuracy": "maximize", "latency": "minimize"}
SMALL = {"trees": 4, "candidates": 60, "design_size": 5}
SETTINGS = SearchSettings(run_root=Path("ambs-runs"))


def problem_json(**changes: Any) -> dict[str, object]:
    stated = {"direction": TWO, "constraints": {"latency": "<= 20"}, **changes}
    problem = Problem(name="digits", space={"x": (0.0, 1.0)}, objective="model:train", **stated)
    return {key: value for key, value in problem.to_json().items() if key != "name"}


def made(engine: Engine, called: str = "digits", **changes: Any) -> Campaign:
    with transaction(engine) as connection:
        return stock.campaign(
            connection,
            name=called,
            problem=problem_json(**changes),
            direction="maximize",
            method_options=SMALL,
            max_evaluations=20,
        )


def wanted(campaign: Campaign, **changes: Any) -> Any:
    asked = replace(campaign.definition, problem=problem_json(**changes))
    return checked_after(campaign, asked, SETTINGS)


def finish(engine: Engine) -> None:
    with transaction(engine) as connection:
        launcher_id = stock.launcher(connection)
        done = []
        for one in claim(connection, launcher_id, 4):
            x = float(one.configuration["x"])
            metrics = {"accuracy": x, "latency": 40 * x}
            done.append(replace(stock.success(one), objective=x, metrics=metrics))
        complete(connection, launcher_id, done)


def searched(engine: Engine, campaign: Campaign, *, restarts: bool) -> list[tuple[object, object]]:
    """All proposals of a campaign that is searched to its end."""
    loop = SearchLoop(engine, campaign, 4, ManualClock())
    loop.open()
    while not loop.step().is_complete:
        finish(engine)
        if restarts:
            loop.close()
            loop = SearchLoop(engine, campaign, 4, ManualClock())
            loop.open()
    with reading(engine) as connection:
        found = front(connection, campaign.id)
    return [(row.ordinal, row.configuration["x"]) for row in found]


def test_a_search_of_several_objectives_may_be_killed_between_any_steps(any_engine: Engine) -> None:
    """What it knows of metrics comes from rows, as all else."""
    whole = searched(any_engine, made(any_engine), restarts=False)
    with transaction(any_engine) as connection:
        again = stock.campaign(
            connection,
            name="again",
            problem=problem_json(),
            direction="maximize",
            method_options=SMALL,
            max_evaluations=20,
        )
    assert searched(any_engine, again, restarts=True) == whole
    assert max(x for _, x in whole) <= 0.5  # 20 of the latency


def test_constraints_may_be_revised_and_directions_not(any_engine: Engine) -> None:
    """A bound is a wish; what is optimised is what the campaign is."""
    campaign = made(any_engine)
    after = wanted(campaign, constraints={"latency": "<= 10", "memory": "< 4"})
    changes = [one.words for one in plan(any_engine, campaign, after).changes]
    assert changes == ["latency <= 20 -> latency <= 10", "no bound of memory -> memory < 4"]
    revised = revise(any_engine, campaign, after).campaign
    assert revised.definition.problem["constraints"] == [["latency", "<=", 10.0], ["memory", "<", 4.0]]
    without = revise(any_engine, revised, wanted(revised, constraints={})).campaign
    assert "constraints" not in without.definition.problem
    with pytest.raises(CampaignConflict, match="is another one: direction"):
        wanted(without, constraints={}, direction={"accuracy": "maximize", "loss": "minimize"})


def test_another_order_of_the_same_objectives_is_no_change(any_engine: Engine) -> None:
    """The first one stands in the rows, so the order stays."""
    campaign = made(any_engine)
    after = wanted(campaign, direction=dict(reversed(TWO.items())))
    assert list(after.problem["direction"]) == list(TWO)
    assert revise(any_engine, campaign, after).changes == []


def test_results_of_elsewhere_need_all_objectives(any_engine: Engine) -> None:
    """The search could not place one without, so its row is refused by name."""
    definition = made(any_engine).definition
    whole = RawObservation("row 1", {"x": 0.5}, RowEnding.DONE, objective=0.7, metrics={"latency": 3})
    part = RawObservation("row 2", {"x": 0.6}, RowEnding.DONE, objective=0.8)
    fitted = fit_results(definition, [whole, part])
    assert [one.metrics for one in fitted.results] == [{"accuracy": 0.7, "latency": 3.0}]
    assert fitted.refused == (
        "row 2: latency: is missing: there is x. Give a number for accuracy, latency; --map OLD=latency if "
        "it has another name there",
    )


def result(x: float, accuracy: float, **metrics: float) -> RawObservation:
    return RawObservation(f"x={x}", {"x": x}, RowEnding.DONE, objective=accuracy, metrics=metrics)


def test_results_that_differ_in_any_goal_are_told_apart(any_engine: Engine) -> None:
    """In the second objective, or in a metric with a bound; the same one is told once, from any file."""
    campaign = made(any_engine)
    rows = [
        *(result(0.1, 0.5, latency=3), result(0.1, 0.5, latency=4), result(0.1, 0.5, latency=3)),
        *(result(0.2, 0.5, latency=3), result(0.2, 0.6, latency=3)),
    ]
    results = fit_results(campaign.definition, rows).results
    assert len(tell_results(any_engine, campaign, results)) == 4
    assert tell_results(any_engine, campaign, results) == []
    more = fit_results(campaign.definition, [result(0.1, 0.5, latency=5)]).results
    assert len(tell_results(any_engine, campaign, more)) == 1


def test_a_metric_with_a_bound_is_told_where_it_was_not_known(any_engine: Engine) -> None:
    """A result without it says nothing new about one that has it, but the other way round."""
    campaign = made(any_engine, direction="maximize", constraints={"memory": "< 4"})
    with_bound, without = result(0.1, 0.5, memory=2.0), result(0.1, 0.5)
    for rows, new in (([without], 1), ([with_bound], 1), ([without, with_bound], 0)):
        results = fit_results(campaign.definition, rows).results
        assert len(tell_results(any_engine, campaign, results)) == new


def test_the_sign_of_the_only_objective_may_be_turned(any_engine: Engine) -> None:
    """Also where it has a name: its number stands in the row and among its metrics."""
    definition = made(any_engine, direction={"accuracy": "maximize"}, constraints={}).definition
    rows = [
        RawObservation("row 1", {"x": 0.5, "accuracy": -0.7}, RowEnding.DONE, objective=-0.7, is_exact=False)
    ]
    (turned,) = fit_results(definition, rows, negate=True).results
    assert (turned.objective, turned.metrics) == (0.7, {"accuracy": 0.7})
    several = made(any_engine, called="several").definition
    whole = [replace(rows[0], metrics={"latency": 1.0}, direction="minimize")]
    with pytest.raises(UsageError, match=r"has accuracy, latency\. Turn the columns"):
        fit_results(several, whole, negate=True)
    with pytest.raises(UsageError, match=r"accuracy of campaign 'several' is maximized\. Turn the"):
        fit_results(several, whole)
    assert fit_results(several, whole, negate=False).results[0].objective == -0.7


def test_a_warm_start_is_refused_and_not_forgotten(any_engine: Engine) -> None:
    """Silence would look as if the sources had been learned."""
    with pytest.raises(UsageError, match="does not start warm"):
        find_sources(any_engine, made(any_engine).definition, ["old"])
