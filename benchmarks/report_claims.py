"""Whether what evaluations report slows claims: rounds with and without 50 reports a second, in turn.

    python -m benchmarks.report_claims --database sqlite --by own --pairs 20 --seconds 2

A launcher claims and completes without a pause, eight at a time. By `own`, it stores five times a second what
its own evaluations reported, with their results, as launchers do; by `others`, another process does so for
other evaluations, in transactions of its own. The order within a pair is drawn. CPU times are of the launcher
alone, for each evaluation: they say what reports cost also where others keep the machine busy.
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
from typing import NamedTuple

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
from benchmarks.databases import private_postgresql
from benchmarks.queue_rates import ENQUEUED_AT_ONCE, _campaign, _enqueue, _new, _outcome

BATCH, REPORTING = 8, 50
MOST_A_SECOND = 12_000  # of evaluations that one process can claim and complete
REPORTS_A_SECOND, TRANSACTIONS_A_SECOND = 50, 5


def measure(url: str, by: str, pairs: int, seconds: float) -> dict[str, object]:
    """Claims and completions a second of each round, and what reports make of them."""
    engine = open_database(url)
    with transaction(engine) as connection:
        running = create_campaign(connection, _campaign("running")).id
        claimed = create_campaign(connection, _campaign("claimed")).id
        holder = register_launcher(connection, NewLauncher("there", 1, 1, REPORTING))
        claimer = register_launcher(connection, NewLauncher("here", 2, 1, BATCH))
    _enqueue(engine, running, REPORTING)
    with transaction(engine) as connection:
        told = ToldReports(claim(connection, holder, REPORTING, campaign_ids=[running]))
    is_on, is_over = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=report, args=(url, told, is_on, is_over), daemon=True)
    process.start()
    rounds: list[dict[bool, Round]] = []
    for number in range(pairs + 1):
        rates = {}
        for reports in random.Random(number).sample([True, False], 2):
            fill(engine, claimed, round(MOST_A_SECOND * seconds))
            if reports and by == "others":
                is_on.set()
            own = told if reports and by == "own" else None
            rates[reports] = one_round(engine, claimed, claimer, seconds, own)
            is_on.clear()
        if number:  # the first pair warms up
            rounds.append(rates)
    is_over.set()
    process.join(30)
    slower = [100 * (1 - one[True].per_second / one[False].per_second) for one in rounds]
    costs = [100 * (one[True].cpu_ms / one[False].cpu_ms - 1) for one in rounds]
    return {
        "database": engine.dialect.name,
        "by": by,
        "pairs": pairs,
        "without_per_second": round(statistics.median(one[False].per_second for one in rounds)),
        "with_per_second": round(statistics.median(one[True].per_second for one in rounds)),
        "slower_percent": _quartiles(slower),
        "more_cpu_percent": _quartiles(costs),
    }


class Round(NamedTuple):
    """Evaluations claimed and completed a second, and milliseconds of this process for each."""

    per_second: float
    cpu_ms: float


class ToldReports:
    """Reports of evaluations that run, step by step and in turn."""

    def __init__(self, claims: list[Claim]) -> None:
        self._claims, self._step = claims, 0

    def some(self) -> list[NewReport]:
        """As many as are stored at once."""
        told = []
        for _ in range(REPORTS_A_SECOND // TRANSACTIONS_A_SECOND):
            self._step += 1
            one = self._claims[self._step % len(self._claims)]
            metrics = {"accuracy": 0.9, "lr": 1e-3}
            told.append(NewReport(one.id, one.attempt, one.token, self._step, 0.5, time.time(), metrics))
        return told


def _quartiles(values: list[float]) -> list[float]:
    return [round(one, 1) for one in statistics.quantiles(values, n=4)]


def one_round(
    engine: Engine, campaign_id: int, launcher_id: int, seconds: float, own: ToldReports | None
) -> Round:
    """Claim and complete for so long, with own reports five times a second unless None."""
    cpu, began, done, stored = time.process_time(), time.perf_counter(), 0, 0
    while (elapsed := time.perf_counter() - began) < seconds:
        with transaction(engine) as connection:
            taken = claim(connection, launcher_id, BATCH, campaign_ids=[campaign_id])
        assert len(taken) == BATCH, "more has to be enqueued"
        now = time.time()
        with transaction(engine) as connection:
            if own is not None and stored <= elapsed * TRANSACTIONS_A_SECOND:
                add_reports(connection, own.some())
                stored += 1
            done += len(complete(connection, launcher_id, [_outcome(one, now) for one in taken]))
    return Round(done / elapsed, 1000 * (time.process_time() - cpu) / done)


def fill(engine: Engine, campaign_id: int, number: int) -> None:
    """Let so many evaluations of the campaign wait."""
    with transaction(engine) as connection:
        waiting = counts(connection, campaign_id)[State.READY]
        first = sum(counts(connection, campaign_id).values())
        new = [_new(first + place) for place in range(number - waiting)]
        for start in range(0, len(new), ENQUEUED_AT_ONCE):
            enqueue(connection, campaign_id, new[start : start + ENQUEUED_AT_ONCE])


def report(url: str, told: ToldReports, is_on: Event, is_over: Event) -> None:
    """Store reports from another process, as long as it is on."""
    engine = open_database(url)
    while not is_over.is_set():
        if not is_on.wait(0.2):
            continue
        began = time.perf_counter()
        with transaction(engine) as connection:
            add_reports(connection, told.some())
        time.sleep(max(0.0, 1.0 / TRANSACTIONS_A_SECOND - (time.perf_counter() - began)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--by", choices=("own", "others"), default="own")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.database == "sqlite":
            print(json.dumps(measure(f"sqlite:///{folder}/a.db", options.by, options.pairs, options.seconds)))
            return
        with private_postgresql(Path(folder)) as url:
            print(json.dumps(measure(url, options.by, options.pairs, options.seconds)))


if __name__ == "__main__":
    main()
