"""Whether what evaluations report slows claims: rounds with and without 50 reports a second, in turn.

    python benchmarks/report_claims.py --database sqlite --pairs 20 --seconds 2

Another process reports, in five transactions a second, as of ten launchers, for evaluations that run; this one claims and completes
meanwhile without a pause, eight at a time. The order within a pair is drawn.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from databases import private_postgresql
from queue_rates import ENQUEUED_AT_ONCE, _campaign, _enqueue, _new, _outcome
from sqlalchemy import Engine

from ambs_hpc.queue import (
    NewReport,
    add_reports,
    claim,
    complete,
    counts,
    create_campaign,
    enqueue,
    open_database,
    register_launcher,
    transaction,
)
from ambs_hpc.records import Claim, NewLauncher
from ambs_hpc.states import State

BATCH, REPORTING = 8, 50
MOST_A_SECOND = 4000  # of evaluations that one process can claim and complete
REPORTS_A_SECOND, TRANSACTIONS_A_SECOND = 50, 5


def measure(url: str, pairs: int, seconds: float) -> dict[str, object]:
    """Claims and completions a second of each round, and what reports make of them."""
    engine = open_database(url)
    with transaction(engine) as connection:
        running = create_campaign(connection, _campaign("running")).id
        claimed = create_campaign(connection, _campaign("claimed")).id
        reporter = register_launcher(connection, NewLauncher("there", 1, 1, REPORTING))
        claimer = register_launcher(connection, NewLauncher("here", 2, 1, BATCH))
    _enqueue(engine, running, REPORTING)
    with transaction(engine) as connection:
        claims = claim(connection, reporter, REPORTING, campaign_ids=[running])
    is_on, is_over = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=report, args=(url, claims, is_on, is_over), daemon=True)
    process.start()
    rounds: list[dict[str, float]] = []
    for number in range(pairs + 1):
        rates = {}
        for with_reports in random.Random(number).sample([True, False], 2):
            rates["with" if with_reports else "without"] = one_round(
                engine, claimed, claimer, seconds, is_on if with_reports else None
            )
        if number:  # the first pair warms up
            rounds.append(rates)
    is_over.set()
    process.join(30)
    slower = [100 * (1 - one["with"] / one["without"]) for one in rounds]
    low, median, high = statistics.quantiles(slower, n=4)
    return {
        "database": engine.dialect.name,
        "pairs": pairs,
        "without_per_second": round(statistics.median(one["without"] for one in rounds)),
        "with_per_second": round(statistics.median(one["with"] for one in rounds)),
        "slower_percent": round(median, 1),
        "slower_percent_quartiles": [round(low, 1), round(high, 1)],
    }


def one_round(
    engine: Engine, campaign_id: int, launcher_id: int, seconds: float, is_on: Event | None
) -> float:
    """Evaluations claimed and completed a second."""
    fill(engine, campaign_id, round(MOST_A_SECOND * seconds))
    if is_on is not None:
        is_on.set()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        with transaction(engine) as connection:
            taken = claim(connection, launcher_id, BATCH, campaign_ids=[campaign_id])
        assert len(taken) == BATCH, "more has to be enqueued"
        now = time.time()
        with transaction(engine) as connection:
            done += len(complete(connection, launcher_id, [_outcome(one, now) for one in taken]))
    took = time.perf_counter() - began
    if is_on is not None:
        is_on.clear()
    return done / took


def fill(engine: Engine, campaign_id: int, number: int) -> None:
    """Let so many evaluations of the campaign wait."""
    with transaction(engine) as connection:
        waiting = counts(connection, campaign_id)[State.READY]
        first = sum(counts(connection, campaign_id).values())
        new = [_new(first + place) for place in range(number - waiting)]
        for start in range(0, len(new), ENQUEUED_AT_ONCE):
            enqueue(connection, campaign_id, new[start : start + ENQUEUED_AT_ONCE])


def report(url: str, claims: list[Claim], is_on: Event, is_over: Event) -> None:
    """Tell a further step of some of the evaluations, as long as it is on."""
    engine, step, place = open_database(url), 0, 0
    at_once = REPORTS_A_SECOND // TRANSACTIONS_A_SECOND
    while not is_over.is_set():
        if not is_on.wait(0.2):
            continue
        began = time.perf_counter()
        told = []
        for _ in range(at_once):
            one = claims[place % len(claims)]
            step, place = step + 1, place + 1
            told.append(
                NewReport(
                    one.id, one.attempt, one.token, step, 0.5, time.time(), {"accuracy": 0.9, "lr": 1e-3}
                )
            )
        with transaction(engine) as connection:
            add_reports(connection, told)
        time.sleep(max(0.0, 1.0 / TRANSACTIONS_A_SECOND - (time.perf_counter() - began)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.database == "sqlite":
            print(json.dumps(measure(f"sqlite:///{folder}/a.db", options.pairs, options.seconds)))
            return
        with private_postgresql(Path(folder)) as url:
            print(json.dumps(measure(url, options.pairs, options.seconds)))


if __name__ == "__main__":
    main()
