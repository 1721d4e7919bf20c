"""What a launcher of thousands of slots costs: the real loop and queue, evaluations that only take time.

    python benchmarks/many_slots.py                    4096 slots, 60 s each, on a private PostgreSQL
    python benchmarks/many_slots.py --slots 256 --seconds 5 --minutes 0.2 --json

An executor that starts nothing keeps the slots with the real packing, so that the figures are those of the
loop: leases, heartbeats, records, placing. Ends are spread over the run time, as they are when evaluations
take different times: `slots / seconds` end each second. Another process, as the search would, keeps twice
as many READY as there are slots.
"""

from __future__ import annotations

import argparse
import heapq
import json
import multiprocessing
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

from ambs_hpc.clock import SystemClock
from ambs_hpc.launcher.executors.protocol import Ended, Placed
from ambs_hpc.launcher.loop import LauncherLoop
from ambs_hpc.launcher.packing import Node, Packing, Slot
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.queue import (
    counts,
    create_campaign,
    enqueue,
    open_database,
    reading,
    register_launcher,
    transaction,
)
from ambs_hpc.records import Claim, NewCampaign, NewEvaluation, NewLauncher, Outcome, Proposal, Resources
from ambs_hpc.states import State
from benchmarks.databases import private_postgresql

CORES_PER_NODE = 32
OBJECTIVE: dict[str, object] = {"function": "nothing:at_all", "warm": True}
STEP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the steady part of a run, the first filling left out.

    Args:
        cpu_share: of one core, user and system, of the launcher's process.
        busy: share of slot-time in use.
        idle_gap_ms: median between an end and the next start in that slot.
    """

    slots: int
    seconds_each: float
    measured_seconds: float
    ended_per_second: float
    expected_per_second: float
    cpu_share: float
    busy: float
    idle_gap_ms: float
    max_rss_mib: float


class TimedExecutor:
    """Keeps slots for as long as an evaluation would take."""

    def __init__(self, nodes: list[Node], seconds: float, seed: int) -> None:
        self._packing, self._seconds, self._random = Packing(nodes), seconds, random.Random(seed)
        self._running: dict[int, tuple[Claim, Slot, float]] = {}
        self._placed: list[Placed] = []
        self._ends: list[tuple[float, int]] = []
        self.freed: list[float] = []
        self.gaps: list[float] = []
        self.ended = 0
        self.busy_seconds = 0.0

    def count(self, shape: Resources) -> int:
        return self._packing.count(shape)

    def room(self) -> Resources | None:
        return self._packing.room()

    def most(self, shape: Resources) -> int:
        return self._packing.most(shape)

    @property
    def troubles(self) -> list[str]:
        return []

    def capacity(self) -> Resources | None:
        return self._packing.capacity()

    def start(self, claim: Claim, request: StartRequest) -> bool:
        slot = self._packing.place(claim.resources, claim.id)
        if slot is None:
            return False
        now = time.time()
        if self.freed:
            self.gaps.append(now - self.freed.pop(0))
            seconds = self._seconds
        else:  # the first filling: spread, as after a while
            seconds = self._random.uniform(0.0, self._seconds)
        self._running[claim.id] = (claim, slot, now)
        self._placed.append(Placed(claim.id, claim.attempt, slot.node))
        heapq.heappush(self._ends, (now + seconds, claim.id))
        return True

    def poll(self, timeout_seconds: float) -> list[Ended]:
        now = time.time()
        wait = min(timeout_seconds, self._ends[0][0] - now if self._ends else timeout_seconds)
        if wait > 0:
            time.sleep(wait)
        now = time.time()
        ended: list[Ended] = []
        while self._ends and self._ends[0][0] <= now:
            end, evaluation_id = heapq.heappop(self._ends)
            claim, slot, started = self._running.pop(evaluation_id)
            self._packing.free(slot)
            self.freed.append(end)
            self.busy_seconds += end - started
            objective = float(claim.configuration["x"])
            ended.append(
                Outcome(evaluation_id, claim.attempt, claim.token, started, end, slot.node, objective)
            )
        self.ended += len(ended)
        return ended

    def placed(self) -> list[Placed]:
        placed, self._placed = self._placed, []
        return placed

    def busy_until(self, now: float) -> float:
        """Slot-seconds since the beginning."""
        return self.busy_seconds + sum(now - started for _, _, started in self._running.values())

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        raise NotImplementedError(f"nothing is cancelled here: {ids}, {grace_seconds}")

    def close(self) -> None:
        self._running.clear()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slots", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=60.0, help="that an evaluation takes")
    parser.add_argument("--minutes", type=float, default=2.0, help="to measure, after the first filling")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        os.environ["AMBS_CONFIG_DIR"] = str(folder / "config")
        with private_postgresql(folder) as url:
            figures = asdict(measure(url, folder, options))
    if options.json:
        print(json.dumps(figures))
    else:
        for key, value in figures.items():
            print(f"{key:20} {value}")


def measure(url: str, folder: Path, options: argparse.Namespace) -> Figures:
    """Fill the slots, wait until all is steady, then measure."""
    engine = open_database(url)
    allow(OBJECTIVE, str(folder))
    allow_runs(f"{folder}/runs")
    with transaction(engine) as connection:
        new = NewCampaign(
            "c", {}, OBJECTIVE, "minimize", str(folder), str(folder / "runs"), "random", {}, 0, 10**9, 1, 3
        )
        campaign_id = create_campaign(connection, new).id
        launcher_id = register_launcher(connection, NewLauncher("elsewhere", 1, 1, options.slots))
    stocking = multiprocessing.get_context("spawn").Process(
        target=stock, args=(url, campaign_id, 2 * options.slots), daemon=True
    )
    stocking.start()
    nodes = [
        Node(f"n{index}", tuple(range(CORES_PER_NODE)))
        for index in range(max(1, options.slots // CORES_PER_NODE))
    ]
    executor = TimedExecutor(nodes, options.seconds, seed=0)
    loop = LauncherLoop(engine, launcher_id, executor, SystemClock(), only=[campaign_id])
    run(loop, options.seconds + 5.0)
    before = snapshot(executor)
    executor.gaps.clear()
    run(loop, 60 * options.minutes)
    after = snapshot(executor)
    stocking.kill()
    seconds = after["now"] - before["now"]
    slots = len(nodes) * CORES_PER_NODE
    return Figures(
        slots=slots,
        seconds_each=options.seconds,
        measured_seconds=round(seconds, 1),
        ended_per_second=round((after["ended"] - before["ended"]) / seconds, 2),
        expected_per_second=round(slots / options.seconds, 2),
        cpu_share=round((after["cpu"] - before["cpu"]) / seconds, 4),
        busy=round((after["busy"] - before["busy"]) / seconds / slots, 4),
        idle_gap_ms=round(1000 * statistics.median(executor.gaps), 1),
        max_rss_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )


def run(loop: LauncherLoop, seconds: float) -> None:
    """Step for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        loop.step(STEP_SECONDS)


def snapshot(executor: TimedExecutor) -> dict[str, float]:
    """Counters of this moment."""
    now = time.time()
    busy = executor.busy_until(now)
    return {"now": now, "cpu": time.process_time(), "ended": float(executor.ended), "busy": busy}


def stock(url: str, campaign_id: int, ready: int) -> None:
    """Keep so many READY, until killed."""
    engine, ordinal = open_database(url), 0
    while True:
        with reading(engine) as connection:
            lacking = ready - int(counts(connection, campaign_id).get(State.READY, 0))
        if lacking > 0:
            rows: list[Any] = [
                NewEvaluation(ordinal + index, Proposal({"x": 0.5}, "random"), Resources())
                for index in range(lacking)
            ]
            with transaction(engine) as connection:
                enqueue(connection, campaign_id, rows)
            ordinal += lacking
        time.sleep(1.0)


if __name__ == "__main__":
    main()
