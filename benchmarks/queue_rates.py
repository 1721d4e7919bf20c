"""Rates of the queue's own statements: insert, claim and complete, poll; no evaluation runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from sqlalchemy import Engine

from ambs_hpc.queue import (
    claim,
    complete,
    counts,
    create_campaign,
    enqueue,
    finished_since,
    reading,
    register_launcher,
    transaction,
)
from ambs_hpc.records import Claim, NewCampaign, NewEvaluation, NewLauncher, Outcome, Proposal, Resources

ENQUEUED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Rates:
    """Of one database, in rows per second of wall time, and milliseconds a poll."""

    database: str
    batch: int
    rows: int
    enqueue_per_second: float
    claim_complete_per_second: float
    claim_complete_cpu_ms: float  # of this process, per row
    counts_ms: float
    finished_since_ms: float


def measure_rates(engine: Engine, rows: int, batch: int) -> dict[str, object]:
    """Enqueue `rows` evaluations, then claim and complete them in batches, events included.

    Each claim and each complete is a transaction of its own, as a launcher has it.
    """
    name = f"rates-{batch}-{time.time_ns()}"
    with transaction(engine) as connection:
        campaign_id = create_campaign(connection, _campaign(name)).id
        launcher_id = register_launcher(connection, NewLauncher("here", 1, 1, batch))
    enqueue_seconds = _timed(lambda: _enqueue(engine, campaign_id, rows))
    _turn(engine, campaign_id, launcher_id, batch)  # compiles the statements
    cpu = time.process_time()
    seconds = _timed(lambda: _turns(engine, campaign_id, launcher_id, batch))
    cpu = time.process_time() - cpu
    done = rows - batch
    with reading(engine) as connection:
        repeats = 50
        counts_seconds = _timed(lambda: [counts(connection, campaign_id) for _ in range(repeats)])
        poll_seconds = _timed(
            lambda: [finished_since(connection, campaign_id, rows - 1) for _ in range(repeats)]
        )
    return asdict(
        Rates(
            database=engine.dialect.name,
            batch=batch,
            rows=rows,
            enqueue_per_second=round(rows / enqueue_seconds),
            claim_complete_per_second=round(done / seconds),
            claim_complete_cpu_ms=round(1000 * cpu / done, 4),
            counts_ms=round(1000 * counts_seconds / repeats, 3),
            finished_since_ms=round(1000 * poll_seconds / repeats, 3),
        )
    )


def _turns(engine: Engine, campaign_id: int, launcher_id: int, batch: int) -> None:
    while _turn(engine, campaign_id, launcher_id, batch):
        pass


def _turn(engine: Engine, campaign_id: int, launcher_id: int, batch: int) -> int:
    with transaction(engine) as connection:
        taken = claim(connection, launcher_id, batch, campaign_ids=[campaign_id])
    if not taken:
        return 0
    now = time.time()
    outcomes = [_outcome(one, now) for one in taken]
    with transaction(engine) as connection:
        return len(complete(connection, launcher_id, outcomes))


def _outcome(one: Claim, now: float) -> Outcome:
    return Outcome(
        one.id, one.attempt, one.token, now, now, "here", objective=0.5, metrics={"epochs": 3}, exit_status=0
    )


def _enqueue(engine: Engine, campaign_id: int, rows: int) -> None:
    for first in range(0, rows, ENQUEUED_AT_ONCE):
        new = [_new(ordinal) for ordinal in range(first, min(rows, first + ENQUEUED_AT_ONCE))]
        with transaction(engine) as connection:
            enqueue(connection, campaign_id, new)


def _new(ordinal: int) -> NewEvaluation:
    configuration = {"lr": 1.0 / (1 + ordinal), "units": ordinal % 512, "activation": "relu"}
    return NewEvaluation(ordinal, Proposal(configuration, "model", 0.5, 0.1, 0.3), Resources())


def _campaign(name: str) -> NewCampaign:
    return NewCampaign(
        name=name,
        problem={},
        objective={"command": ["true"]},
        direction="minimize",
        directory="/",
        run_directory="/",
        method="random",
        method_options={},
        seed=0,
        max_evaluations=None,
        max_failures=1,
        max_interruptions=3,
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
