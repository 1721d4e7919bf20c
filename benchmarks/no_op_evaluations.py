"""Evaluations that do nothing, end to end: queue, launcher, a process each; beside the cheapest way."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Engine

from ambs_hpc.clock import SystemClock
from ambs_hpc.launcher.life.launcher_settings import LauncherSettings
from ambs_hpc.launcher.lifecycle import run_launcher
from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.queue import counts, create_campaign, enqueue, list_evaluations, reading, transaction
from ambs_hpc.records import NewCampaign, NewEvaluation, Proposal, Resources
from ambs_hpc.states import State

SLOTS = 4
FUNCTION = "no_op_objective:no_op"
# Both parents are warm in the same way: what a fork costs grows with what its parent has loaded.
MODULE = "import sklearn.ensemble\ndef no_op(configuration):\n    return 1.0\n"
OBJECTIVES: dict[str, dict[str, object]] = {
    "command": {"command": ["/bin/echo", "AMBS-RESULT: 1"]},
    "function": {"function": FUNCTION, "warm": True},
}


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """Of one database and kind of objective.

    Args:
        per_second: evaluations from the first start to the last end.
        floor_per_second: the same number started by xargs (commands) or forked plainly (functions).
        ratio: of the two.
        idle_gap_ms: mean time between an end and the next start in a slot.
    """

    database: str
    objective: str
    evaluations: int
    per_second: float
    floor_per_second: float
    ratio: float
    idle_gap_ms: float


def measure_end_to_end(engine: Engine, objective: str, number: int, place: Path) -> dict[str, object]:
    """Run `number` evaluations through a launcher, after the floor in the same process.

    `place`: a folder under which every attempt makes one, with three files.
    """
    floor = FLOORS[objective](number)
    with tempfile.TemporaryDirectory(prefix="ambs_bench_", dir=place) as folder:
        os.environ["AMBS_CONFIG_DIR"] = folder
        (Path(folder) / "no_op_objective.py").write_text(MODULE)
        name = f"{objective}-{time.time_ns()}"
        campaign_id = stock_queue(engine, name, OBJECTIVES[objective], folder, number)
        settings = LauncherSettings(campaigns=(name,), slots=SLOTS, idle_exit_seconds=0.0)
        run_launcher(engine, settings, SystemClock())
        with reading(engine) as connection:
            assert counts(connection, campaign_id)[State.DONE] == number
            rows = list_evaluations(connection, campaign_id, limit=None)
    starts = sorted(row.started_at for row in rows if row.started_at is not None)
    ends = sorted(row.finished_at for row in rows if row.finished_at is not None)
    rate = number / (ends[-1] - starts[0])
    return asdict(
        EndToEnd(
            database=engine.dialect.name,
            objective=objective,
            evaluations=number,
            per_second=round(rate, 1),
            floor_per_second=round(floor, 1),
            ratio=round(rate / floor, 3),
            idle_gap_ms=round(1000 * mean_idle_gap(starts, ends, SLOTS), 3),
        )
    )


def mean_idle_gap(starts: Sequence[float], ends: Sequence[float], slots: int) -> float:
    """Mean seconds between an end and the start that took its place; both (n,) and sorted, n > slots."""
    gaps = [start - end for start, end in zip(islice(starts, slots, None), ends, strict=False)]
    return sum(gaps) / len(gaps)


def xargs_per_second(number: int) -> float:
    """`xargs -P` starting the same program."""
    numbers = "\n".join(map(str, range(number)))
    begin = time.perf_counter()
    subprocess.run(
        ["xargs", "-P", str(SLOTS), "-n", "1", "/bin/echo", "AMBS-RESULT:"],
        input=numbers,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return number / (time.perf_counter() - begin)


def forks_per_second(number: int) -> float:
    """Plain forks of a process that has the function loaded, SLOTS at once; a process of its own each."""
    program = (
        "import os, sys, time, json\n" + MODULE + "number, slots = int(sys.argv[1]), int(sys.argv[2])\n"
        "begin, started = time.perf_counter(), 0\n"
        "for ended in range(number):\n"
        "    while started < number and started - ended < slots:\n"
        "        started += 1\n"
        "        if os.fork() == 0:\n"
        "            no_op({})\n"
        "            os._exit(0)\n"
        "    os.wait()\n"
        "print(number / (time.perf_counter() - begin))\n"
    )
    import sys

    done = subprocess.run(
        [sys.executable, "-c", program, str(number), str(SLOTS)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


FLOORS: dict[str, Callable[[int], float]] = {"command": xargs_per_second, "function": forks_per_second}


def stock_queue(engine: Engine, name: str, objective: dict[str, object], folder: str, number: int) -> int:
    allow(objective, folder)
    allow_runs(f"{folder}/runs")
    with transaction(engine) as connection:
        campaign = create_campaign(
            connection,
            NewCampaign(
                name, {}, objective, "minimize", folder, f"{folder}/runs", "random", {}, 0, number, 1, 3
            ),
        )
        new = [
            NewEvaluation(ordinal, Proposal({"number": ordinal}, "random"), Resources())
            for ordinal in range(number)
        ]
        enqueue(connection, campaign.id, new)
    return campaign.id
