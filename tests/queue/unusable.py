"""Databases into which somebody has written what no version of ours would."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, text

from ambs_hpc.problem import build_space
from ambs_hpc.problem.space import space_to_json
from ambs_hpc.queue import claim, complete, enqueue, fail, transaction
from ambs_hpc.records import NewEvaluation, Proposal, Resources
from tests.queue import stock

SPACE = {"x": (0.0, 1.0), "n": (1, 8), "kind": ["a", "b"]}
NUMBER, FAILED = 24, (21, 22, 23, 24)  # evaluations of each campaign; ids of those of the first that fail

# By the id of an evaluation, what stands in place of its configuration.
CONFIGURATIONS = {
    2: "{}",
    3: '{"x": 0.2, "n": 2, "kind": "a", "depth": 1}',
    4: "[1, 2]",
    5: '{"x": 5.0, "n": 2, "kind": "a"}',
    6: '{"x": {"a": 1}, "n": 2, "kind": [3]}',
    21: "{}",
}
# The same, for SQLite, which lets anybody write any text.
TEXTS = {7: '{"x": NaN, "n": 1, "kind": "a"}', 8: "not json"}
# Names of campaigns, and what stands in place of their problems.
PROBLEMS = {
    "empty": {},
    "spaceless": {"name": "spaceless", "direction": "minimize"},
    "unknown_type": {"space": {"hyperparameters": [{"name": "x", "type": "of_tomorrow"}]}},
    "odd_goals": {"space": {}, "direction": {"a": "up"}, "constraints": 3},
    "odd_fidelity": {"space": {}, "fidelity": 7},
}


def healthy(engine: Engine, name: str = "good") -> int:
    """A campaign of NUMBER evaluations that have ended; its id."""
    space = space_to_json(build_space(SPACE))
    problem = {
        "name": name,
        "space": space,
        "starting_points": [],
        "resources": {},
        "time_limit_seconds": None,
        "direction": "minimize",
    }
    with transaction(engine) as connection:
        campaign_id = stock.campaign(
            connection, name=name, problem=problem, method="random", method_options={}, max_failures=1
        ).id
        enqueue(connection, campaign_id, [_evaluation(index) for index in range(NUMBER)])
        launcher_id = stock.launcher(connection)
        held = claim(connection, launcher_id, NUMBER, campaign_ids=[campaign_id])
        complete(connection, launcher_id, [stock.success(one, one.ordinal / 10) for one in held[:20]])
        fail(connection, launcher_id, [stock.failure(one) for one in held[20:]])
    return campaign_id


def _evaluation(index: int) -> NewEvaluation:
    values = {"x": index / NUMBER, "n": 1 + index % 8, "kind": "ab"[index % 2]}
    return NewEvaluation(index, Proposal(values, "design"), Resources())


def spoil(engine: Engine) -> None:
    """Write what cannot be used beside what can, into the first campaign and into others."""
    for name in PROBLEMS:
        healthy(engine, name)
    with transaction(engine) as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        for number, value in {**CONFIGURATIONS, **(TEXTS if is_sqlite else {})}.items():
            _write(connection, "evaluation", "configuration", number, value)
        for place, problem in enumerate(PROBLEMS.values(), start=2):
            _write(connection, "campaign", "problem", place, json.dumps(problem))
        _write(connection, "evaluation", "metrics", 9, "[1]")
        _write(connection, "campaign_revision", "changes", 3, "7", key="campaign_id")
        _write(connection, "launcher", "serves", 1, '"all"')
        _write(connection, "evaluation_event", "move", 1, "teleport")
        _write(connection, "evaluation_event", "failure_kind", 2, "SAD")


def ignore_checks(connection: Connection, statements: Sequence[str]) -> None:
    """Write what a CHECK constraint forbids, on SQLite, where they can be turned off."""
    raw = connection.connection.cursor()
    raw.execute("PRAGMA ignore_check_constraints = ON")
    for one in statements:
        raw.execute(one)
    raw.execute("PRAGMA ignore_check_constraints = OFF")


def _write(connection: Connection, table: str, field: str, number: int, value: str, key: str = "id") -> None:
    connection.execute(
        text(f"UPDATE {table} SET {field} = :value WHERE {key} = :number"), {"value": value, "number": number}
    )
