"""What the tests of the queue put into it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from ambs_hpc.identity import new_uid
from ambs_hpc.queue import create_campaign, enqueue, register_launcher
from ambs_hpc.records import (
    Campaign,
    Claim,
    NewCampaign,
    NewEvaluation,
    NewLauncher,
    Outcome,
    Proposal,
    Resources,
)
from ambs_hpc.states import FailureKind

CAMPAIGN = NewCampaign(
    name="digits",
    problem={"space": {"lr": [1e-5, 0.1]}},
    objective={"function": "model:train", "warm": True},
    direction="minimize",
    directory="/home/me/digits",
    run_directory="/home/me/digits/ambs-runs/digits",
    method="ambs",
    method_options={"kappa": 1.96},
    seed=7,
    max_evaluations=100,
    max_failures=2,
    max_interruptions=1,
)
LAUNCHER = NewLauncher(host="node1", pid=4242, process_started=99, slots=4)


def campaign(connection: Connection, **changes: object) -> Campaign:
    """A stored campaign; `changes` are fields of `CAMPAIGN`. Its uid is its own, as a real one's."""
    return create_campaign(connection, replace(CAMPAIGN, **{"uid": new_uid(), **changes}))


def launcher(connection: Connection, **changes: object) -> int:
    """A stored launcher's id."""
    return register_launcher(connection, replace(LAUNCHER, **changes))


def evaluations(connection: Connection, campaign_id: int, number: int, first: int = 0) -> list[int]:
    """Enqueue `number` evaluations of the smallest shape; their ids."""
    return enqueue(connection, campaign_id, [new(first + index) for index in range(number)])


def new(ordinal: int, resources: Resources | None = None, **fields: object) -> NewEvaluation:
    """An evaluation that learns at 1/(1+ordinal)."""
    proposal = Proposal({"lr": 1.0 / (1 + ordinal), "layers": ordinal}, "design")
    return NewEvaluation(ordinal, proposal, resources or Resources(), **fields)


def success(claim: Claim, objective: float = 0.5, **fields: object) -> Outcome:
    """The claim ended well."""
    now = time.time()
    return Outcome(
        claim.id, claim.attempt, claim.token, now - 1.0, now, "node1", objective=objective, **fields
    )


def failure(claim: Claim, kind: FailureKind = FailureKind.ERROR, error: str = "ValueError: 3") -> Outcome:
    """The claim ended badly."""
    now = time.time()
    return Outcome(
        claim.id,
        claim.attempt,
        claim.token,
        now - 1.0,
        now,
        "node1",
        failure=kind,
        error=error,
        exit_status=1,
    )


def successes(claims: Sequence[Claim]) -> list[Outcome]:
    """All of them ended well."""
    return [success(one, float(one.ordinal)) for one in claims]
