"""How long the report of many evaluations takes, and how large it is.

    python -m benchmarks.report_time --evaluations 100000 [--keep FILE.html]

The campaign has eight parameters, 64 slots on eight nodes and two planted causes of failures, in SQLite. The
report is written by `ambs report` in a process of its own, whose start counts.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.queue import (
    claim,
    complete,
    create_campaign,
    enqueue,
    fail,
    open_database,
    register_launcher,
    transaction,
)
from ambs_hpc.records import (
    Claim,
    Configuration,
    NewCampaign,
    NewEvaluation,
    NewLauncher,
    Outcome,
    Proposal,
    Resources,
)
from ambs_hpc.states import FailureKind

SLOTS, AT_ONCE, SLOT_SECONDS = 64, 512, 5.0
SPACE: dict[str, object] = {
    "lr": (1e-5, 1.0, "log"),
    "layers": (1, 10),
    "batch": [64, 128, 256, 512, 1024],
    "act": ["relu", "tanh"],
    "drop": (0.0, 0.9),
    "units": (16, 512, "log"),
    "decay": (1e-6, 1e-1, "log"),
    "opt": ["adam", "sgd"],
}


def drawn(rng: random.Random) -> Configuration:
    return {
        "lr": 10 ** rng.uniform(-5, 0),
        "layers": rng.randint(1, 10),
        "batch": rng.choice([64, 128, 256, 512, 1024]),
        "act": rng.choice(["relu", "tanh"]),
        "drop": rng.uniform(0, 0.9),
        "units": round(16 * 32 ** rng.random()),
        "decay": 10 ** rng.uniform(-6, -1),
        "opt": rng.choice(["adam", "sgd"]),
    }


def outcome(one: Claim, place: int, began: float, rng: random.Random) -> Outcome:
    """How the evaluation ended that was the `place`-th to start."""
    made = dict(one.configuration)
    start = began + SLOT_SECONDS * (place // SLOTS)
    values: dict[str, object] = {"finished_at": start + 3 + 1.9 * rng.random(), "started_at": start}
    values["node"] = f"n{place % SLOTS // 8}"
    if made["batch"] >= 512 and made["layers"] > 6:
        values |= {"failure": FailureKind.OUT_OF_MEMORY, "error": f"MemoryError: {place} bytes"}
    elif made["opt"] == "sgd" and made["lr"] > 0.3:
        values |= {"failure": FailureKind.ERROR, "error": f"ValueError: loss is nan at step {place}"}
    else:
        values["objective"] = (math.log10(made["lr"]) + 2) ** 2 + 0.1 * made["layers"] + made["drop"]
    return Outcome(one.id, one.attempt, one.token, **values)  # type: ignore[arg-type]


def fill(url: str, number: int) -> None:
    """A campaign of so many ended evaluations."""
    engine, rng = open_database(url), random.Random(0)
    problem = {"space": space_to_json(build_space(SPACE)), "resources": {"cores": 1}, "starting_points": []}
    wanted = NewCampaign(
        name="many",
        problem=problem,
        objective={"function": "model:train"},
        direction="minimize",
        directory="/",
        run_directory="/",
        method="ambs",
        method_options={},
        seed=0,
        max_evaluations=number,
        max_failures=1,
        max_interruptions=3,
    )
    with transaction(engine) as connection:
        campaign_id = create_campaign(connection, wanted).id
        launcher_id = register_launcher(connection, NewLauncher("n0", 1, 1, SLOTS))
        new = [
            NewEvaluation(n, Proposal(drawn(rng), "model", 0.5, 0.1, 0.3), Resources()) for n in range(number)
        ]
        for first in range(0, number, 2000):
            enqueue(connection, campaign_id, new[first : first + 2000])
    began, done = time.time() - SLOT_SECONDS * number / SLOTS, 0
    while True:
        with transaction(engine) as connection:
            taken = claim(connection, launcher_id, AT_ONCE)
            if not taken:
                return
            ended = [outcome(one, done + place, began, rng) for place, one in enumerate(taken)]
            complete(connection, launcher_id, [one for one in ended if one.failure is None])
            fail(connection, launcher_id, [one for one in ended if one.failure is not None])
        done += len(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="where to leave the report")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = options.keep or Path(folder) / "r.html"
        fill(f"sqlite:///{folder}/many.db", options.evaluations)
        began = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "ambs_hpc.cli.main",
            "report",
            "--db",
            f"{folder}/many.db",
            "-o",
            file,
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = {
            "evaluations": options.evaluations,
            "seconds": round(seconds, 2),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
            "peak_mib": used.ru_maxrss // 1024,
            "bytes": file.stat().st_size,
        }
        print(json.dumps(told))


if __name__ == "__main__":
    main()
