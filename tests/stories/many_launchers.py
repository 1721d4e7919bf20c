"""Several launchers on one queue; also run by hand at full size.

python tests/stories/many_launchers.py --db URL [--launchers 8] [--evaluations 2000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.queue import create_campaign, enqueue, open_database, run_read_only_sql, transaction
from ambs_hpc.records import NewCampaign, NewEvaluation, Proposal, Resources

OBJECTIVE = {"command": ["/bin/echo", "AMBS-RESULT: 1"]}


@dataclass(frozen=True)
class Story:
    """What the database says afterwards."""

    states: dict[str, int]
    completions: Counter[int]  # complete events by evaluation
    claims: Counter[int]
    by_launcher: Counter[int]  # evaluations that each launcher completed
    wall_seconds: float


def tell(folder: Path, url: str, *, launchers: int, evaluations: int) -> Story:
    """Stock a queue with evaluations that do nothing, start the launchers, wait until they have ended."""
    environment = {**os.environ, "AMBS_DB": url, "AMBS_CONFIG_DIR": str(folder / "config")}
    os.environ["AMBS_CONFIG_DIR"] = environment["AMBS_CONFIG_DIR"]
    allow(OBJECTIVE, str(folder))
    allow_runs(f"{folder}/runs")
    runs = str(folder / "runs")
    campaign = NewCampaign(
        "many", {}, OBJECTIVE, "minimize", str(folder), runs, "random", {}, 0, evaluations, 1, 3
    )
    engine = open_database(url)
    with transaction(engine) as connection:
        campaign_id = create_campaign(connection, campaign).id
        proposals = [Proposal({"number": number}, "random") for number in range(evaluations)]
        new = [NewEvaluation(number, one, Resources()) for number, one in enumerate(proposals)]
        enqueue(connection, campaign_id, new)
    began = time.monotonic()
    command = [sys.executable, "-m", "ambs_hpc.cli.main", "launch", "--slots", "2", "--idle-exit", "0"]
    started = [
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(launchers)
    ]
    for process in started:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()
    wall = time.monotonic() - began

    def query(text: str) -> list[tuple[object, ...]]:
        return run_read_only_sql(engine, text)[1]

    def counted(move: str, column: str) -> Counter[int]:
        rows = query(
            f"select {column}, count(*) from evaluation_event where move = '{move}' group by {column}"
        )
        return Counter({int(str(key)): int(str(number)) for key, number in rows})

    states = query("select state, count(*) from v_evaluations group by state")
    return Story(
        {str(state): int(str(number)) for state, number in states},
        counted("complete", "evaluation_id"),
        counted("claim", "evaluation_id"),
        counted("complete", "launcher_id"),
        wall,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", required=True)
    parser.add_argument("--launchers", type=int, default=8)
    parser.add_argument("--evaluations", type=int, default=2000)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="many_launchers_"))
    story = tell(folder, given.db, launchers=given.launchers, evaluations=given.evaluations)
    print(f"{story.states} in {story.wall_seconds:.1f} s, by launcher {sorted(story.by_launcher.values())}")
    print(f"claimed once each: {set(story.claims.values())}, completed: {set(story.completions.values())}")


if __name__ == "__main__":
    main()
