"""The best of several objectives and within constraints: commands and views say the same."""

from __future__ import annotations

import operator
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from ambs_hpc.errors import UsageError
from ambs_hpc.queue import (
    JudgedResult,
    best,
    best_feasible,
    campaign_lines,
    claim,
    complete,
    finished_since,
    front,
    goals_of_stored,
    ids_of_front,
    judged_results,
    open_database,
    proposals_of,
    transaction,
)
from ambs_hpc.records import Campaign
from tests.queue import stock

TWO = {"accuracy": "maximize", "latency": "minimize"}
RESULTS = [  # accuracy, latency, memory
    (0.9, 30.0, 1.0),  # 0: too slow
    (0.8, 12.0, 2.0),  # 1: on the front
    (0.7, 15.0, 2.0),  # 2: dominated by 1
    (0.6, 5.0, None),  # 3: its memory is unknown
    (0.5, 6.0, 3.5),  # 4: on the front
    (0.5, 6.0, 3.0),  # 5: as good as 4
    (0.99, 21.0, 9.0),  # 6: breaks both bounds
]


def told(
    connection: Connection, name: str, problem: dict[str, Any], results: Sequence[tuple[Any, ...]]
) -> Campaign:
    """A campaign whose evaluations ended with accuracy, latency and memory."""
    stated = {"space": {}, **problem}
    campaign = stock.campaign(connection, name=name, direction="maximize", problem=stated)
    stock.evaluations(connection, campaign.id, len(results))
    launcher_id = stock.launcher(connection)
    claims = claim(connection, launcher_id, len(results), campaign_ids=[campaign.id])
    done = []
    for one in claims:
        accuracy, latency, memory = results[one.ordinal]
        metrics = {"accuracy": accuracy, "latency": latency, "memory": memory if memory else "much"}
        done.append(replace(stock.success(one), objective=accuracy, metrics=metrics))
    complete(connection, launcher_id, done)
    return campaign


def both(connection: Connection) -> Campaign:
    constraints = [["latency", "<=", 20.0], ["memory", "<", 4.0]]
    return told(connection, "net", {"direction": TWO, "constraints": constraints}, RESULTS)


def rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(statement))]


def test_the_front_is_feasible_and_undominated(any_engine: Engine) -> None:
    """Equals are both on it; what is not known to keep the bounds is not."""
    with transaction(any_engine) as connection:
        campaign = both(connection)
        told(connection, "plain", {}, RESULTS[:2])  # another campaign does not matter
        assert [row.ordinal for row in front(connection, campaign.id)] == [1, 4, 5]
        listed = rows(connection, "SELECT campaign, ordinal FROM v_pareto ORDER BY objective DESC, id")
    assert listed == [("net", 1), ("net", 4), ("net", 5)]


def test_the_best_come_feasible_first_then_unknown_then_by_excess(any_engine: Engine) -> None:
    """An infeasible one is never named before one that may be used."""
    with transaction(any_engine) as connection:
        campaign = both(connection)
        order = [row.ordinal for row in best(connection, campaign.id, 9)]
        listed = rows(connection, "SELECT place, ordinal, feasible, excess FROM v_best ORDER BY place")
    assert order == [1, 2, 4, 5, 3, 0, 6]
    assert [one[1] for one in listed] == order
    assert [one[2] for one in listed] == ["yes"] * 4 + ["unknown", "no", "no"]
    assert [one[3] for one in listed[-3:]] == pytest.approx([0.0, 0.5, 0.05 + 1.25])


def test_another_objective_may_decide(any_engine: Engine) -> None:
    """`--objective latency`."""
    with transaction(any_engine) as connection:
        campaign = told(connection, "net", {"direction": TWO}, RESULTS)
        assert [row.ordinal for row in best(connection, campaign.id, 2, "latency")] == [3, 4]
        assert [row.ordinal for row in best(connection, campaign.id, 2)] == [6, 0]
        with pytest.raises(UsageError, match="Accepted: accuracy, latency"):
            best(connection, campaign.id, 1, "loss")


def test_a_constraint_on_the_one_objective(any_engine: Engine) -> None:
    """It has no name among the metrics."""
    with transaction(any_engine) as connection:
        campaign = told(connection, "net", {"constraints": [["objective", "<", 0.9]]}, RESULTS)
        assert [row.ordinal for row in best(connection, campaign.id, 2)] == [1, 2]
        listed = rows(connection, "SELECT ordinal FROM v_best WHERE feasible = 'yes' ORDER BY place")
        assert [one[0] for one in listed] == [1, 2, 3, 4, 5]
        assert rows(connection, "SELECT * FROM v_pareto") == []


def test_a_search_reads_metrics_only_where_it_wants_them(any_engine: Engine) -> None:
    """They may be megabytes, and one objective needs none."""
    with transaction(any_engine) as connection:
        campaign = both(connection)
        assert {str(one.metrics) for one in finished_since(connection, campaign.id, 0)} == {"{}"}
        measured = finished_since(connection, campaign.id, 0, with_metrics=True)
        assert [one.metrics["latency"] for one in measured] == [latency for _, latency, _ in RESULTS]
        proposed = proposals_of(connection, campaign.id, with_metrics=True)
    assert [one.metrics["latency"] for one in proposed] == [latency for _, latency, _ in RESULTS]


def test_three_objectives_have_the_front_that_the_definition_gives() -> None:
    """It is found by another way than that of two; equals stay, and so does the front of one and of two."""
    rng = random.Random(3)
    for width in (1, 2, 3, 4):
        costs = [tuple(float(rng.randrange(6)) for _ in range(width)) for _ in range(200)]
        judged = [JudgedResult(i, one, "yes", 0.0) for i, one in enumerate(costs)]
        undominated = {
            i
            for i, one in enumerate(costs)
            if not any(other != one and all(map(operator.le, other, one)) for other in costs)
        }
        found = ids_of_front(judged)
        assert set(found) == undominated
        assert [costs[i] for i in found] == sorted(costs[i] for i in found)


def test_what_is_no_number_keeps_no_bound_in_every_reading(any_engine: Engine) -> None:
    """The database takes the numbers out of the metrics as Python does: no text, no truth value, no list."""
    values: list[Any] = [1, 1.5, True, "1", None, [1.0], {"a": 1.0}, -0.0, 10**30, 5e-324]
    constraints = [["memory.used/node:0", "<=", 2.0]]
    with transaction(any_engine) as connection:
        stated = {"space": {}, "constraints": constraints}
        campaign = stock.campaign(connection, problem=stated, direction="minimize")
        stock.evaluations(connection, campaign.id, len(values) + 1)
        launcher_id = stock.launcher(connection)
        claims = claim(connection, launcher_id, len(values) + 1)
        metrics = [{"memory.used/node:0": value} for value in values] + [{}]
        done = [
            replace(stock.success(one), objective=float(one.ordinal), metrics=metrics[one.ordinal])
            for one in claims
        ]
        complete(connection, launcher_id, done)
        goals = goals_of_stored(campaign)
        expected = [goals.feasibility(0.0, one).verdict for one in metrics]
        assert [one.verdict for one in judged_results(connection, campaign.id)] == expected
        assert expected == ["yes", "yes", *["unknown"] * 5, "yes", "no", "yes", "unknown"]
        assert [row.ordinal for row in best_feasible(connection, campaign, 9)] == [0, 1, 7, 9]
        listed = rows(connection, "SELECT feasible FROM v_best ORDER BY ordinal")
        assert [one[0] for one in listed] == expected


def test_the_best_within_constraints_is_found_by_the_index(sqlite_url: str) -> None:
    """A search that shows it each second must not read all results that there ever were."""
    engine = open_database(sqlite_url)
    asked: list[tuple[str, Any]] = []
    with transaction(engine) as connection:
        campaign = both(connection)
        event.listen(engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
        assert [row.ordinal for row in best(connection, campaign.id, 2)] == [1, 2]
        ((statement, values),) = [one for one in asked if "objective DESC" in one[0]]
        explained = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        plan = " ".join(str(row[-1]) for row in explained)
    assert len([one for one in asked if "evaluation.metrics" in one[0]]) == 2  # and that of the plan
    assert "ix_evaluation_best" in plan
    engine.dispose()


def test_the_line_of_a_campaign_has_the_best_within_constraints(any_engine: Engine) -> None:
    """`ambs top` must not show a value that cannot be used."""
    with transaction(any_engine) as connection:
        both(connection)
        told(connection, "plain", {}, RESULTS)
        told(connection, "none", {"constraints": [["latency", "<", 1.0]]}, RESULTS)
        found = {one.name: one.best for one in campaign_lines(connection)}
    assert found == {"net": 0.8, "plain": 0.99, "none": None}


@pytest.mark.parametrize("several", [True, False])
def test_views_say_what_commands_say_of_whatever_comes(any_engine: Engine, *, several: bool) -> None:
    """Equal values, missing ones, texts and truth values, bounds at 0 and touched ones, on both databases."""
    rng = random.Random(11)
    odd: list[Any] = [True, "3", None, [1], {"b": 2}, 10**25, -0.0]
    bounds = [["b", "<", 2.0], ["b", ">=", 0.0], ["c", "<=", -1], ["objective", ">", 0.0], ["loss", "<", 9.0]]
    directions = {"loss": "maximize", "b.x": "minimize", "z": "maximize"} if several else {"loss": "maximize"}
    with transaction(any_engine) as connection:
        stated = {"space": {}, "direction": directions, "constraints": bounds}
        campaign = stock.campaign(connection, problem=stated, direction="maximize", max_evaluations=150)
        stock.evaluations(connection, campaign.id, 150)
        launcher_id = stock.launcher(connection, slots=150)
        done = []
        for one in claim(connection, launcher_id, 150):
            metrics: dict[str, Any] = {name: rng.randrange(-1, 5) for name in directions}
            metrics |= {name: rng.choice([*odd, -2, -1, 0, 1, 1.5]) for name in "bc" if rng.random() < 0.9}
            done.append(replace(stock.success(one), objective=float(metrics["loss"]), metrics=metrics))
        complete(connection, launcher_id, done)
        order = [row.ordinal for row in best(connection, campaign.id, 150)]
        listed = rows(connection, "SELECT ordinal, feasible, excess FROM v_best ORDER BY place")
        judged = {one.id: one for one in judged_results(connection, campaign.id)}
        found = front(connection, campaign.id)
        pareto = rows(connection, "SELECT id FROM v_pareto ORDER BY objective DESC, id")
        rest = best_feasible(connection, campaign, 150)
        assert [one[0] for one in listed] == order
        assert {one.verdict for one in judged.values()} == {"yes", "no", "unknown"}
        ids = {row.ordinal: row.id for row in best(connection, campaign.id, 150)}
        assert [one[1] for one in listed] == [judged[ids[number]].verdict for number in order]
        assert [one[2] for one in listed] == pytest.approx([judged[ids[one]].excess for one in order])
        assert {one[0] for one in pareto} == {row.id for row in found}
        assert [row.ordinal for row in rest] == order[: len(rest)]
        assert len(rest) == sum(one.verdict == "yes" for one in judged.values())
