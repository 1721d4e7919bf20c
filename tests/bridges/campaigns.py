"""A campaign that has all that a bridge must carry: conditions, reports, metrics of all kinds, failures."""

from __future__ import annotations

from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer
from sqlalchemy import Engine

from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.queue import NewReport, add_reports, claim, complete, enqueue, fail, transaction
from ambs_hpc.records import Campaign, Claim, NewEvaluation, Proposal, Resources
from tests.queue import stock

CONFIGURATIONS = [
    {"kind": "sgd", "lr": 0.01, "momentum": 0.5, "layers": 3},
    {"kind": "adam", "lr": 0.1, "layers": 1},
    {"kind": "adam", "lr": 0.001, "layers": 8},
    {"kind": "sgd", "lr": 0.02, "momentum": 0.9, "layers": 2},
]
METRICS = {"epochs": 3, "loss": {"train": 0.25, "test": 0.5}, "note": "plain", "flag": True}


def space() -> dict[str, object]:
    built = ConfigurationSpace()
    kind, momentum = Categorical("kind", ["sgd", "adam"]), Float("momentum", (0.0, 1.0))
    built.add(kind, momentum, Float("lr", (1e-5, 1.0), log=True), Integer("layers", (1, 8)))
    built.add(EqualsCondition(momentum, kind, "sgd"))
    return space_to_json(build_space(built))


def ended(engine: Engine) -> tuple[Campaign, int]:
    """A campaign with two results, of which one reported, a failure and one that waits; and a launcher."""
    with transaction(engine) as connection:
        campaign = stock.campaign(
            connection, problem={"space": space(), "resources": {}}, direction="maximize", max_failures=1
        )
        new = [
            NewEvaluation(ordinal, Proposal(configuration, "design"), Resources())
            for ordinal, configuration in enumerate(CONFIGURATIONS)
        ]
        enqueue(connection, campaign.id, new)
        launcher = stock.launcher(connection)
        first, second, third = claim(connection, launcher, 3)
        add_reports(
            connection,
            [
                NewReport(first.id, 1, first.token, step, step / 10, 1000.0 + step, {"acc": 0.5})
                for step in range(3)
            ],
        )
        complete(connection, launcher, [stock.success(first, 0.25, metrics=METRICS)])
        complete(connection, launcher, [stock.success(second, 0.75)])
        fail(connection, launcher, [stock.failure(third, error="Traceback\nValueError: 3")])
    return campaign, launcher


def next_ends(engine: Engine, launcher: int, objective: float) -> Claim:
    """One more evaluation ends well."""
    with transaction(engine) as connection:
        (one,) = claim(connection, launcher, 1)
        complete(connection, launcher, [stock.success(one, objective)])
    return one
