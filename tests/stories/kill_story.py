"""A campaign that is killed again and again, told by its database; also run by hand with more kills.

python tests/stories/kill_story.py [--db URL] [--kills 20] [--evaluations 100] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="killed", space={"x": (-5.0, 5.0), "y": (-5.0, 5.0)}, objective="model:measure")
"""
# Every completed run leaves a line, so that work done and work recorded can be compared.
MODEL = """
import os, time
def measure(configuration):
    time.sleep(0.2)
    with open(os.environ["AMBS_STORY_LOG"], "a") as log:
        log.write(os.environ["AMBS_EVALUATION"] + "\\n")
    return configuration["x"] ** 2 + configuration["y"] ** 2
"""


@dataclass(frozen=True)
class Story:
    """What a killed campaign looked like at its end."""

    kills: int
    states: dict[str, int]
    ordinals: list[int]
    completions: dict[int, int]  # complete events by evaluation
    runs: dict[int, int]  # finished runs by evaluation
    moves: dict[str, int]
    orphans: list[int]
    wall_seconds: float


def tell(folder: Path, url: str, *, kills: int, evaluations: int, seed: int) -> Story:
    """Run a campaign in `folder`, kill `ambs run` at `kills` random instants, let the last one end."""
    (folder / "problem.py").write_text(PROBLEM)
    (folder / "model.py").write_text(MODEL)
    chance = random.Random(seed)
    environment = {
        **os.environ,
        "AMBS_DB": url,
        "AMBS_CONFIG_DIR": str(folder / "config"),
        "AMBS_STORY_LOG": str(folder / "runs.log"),
    }
    command = [sys.executable, "-m", "ambs_hpc.cli.main", "run", "problem.py"]
    command += ["--max-evaluations", str(evaluations), "--slots", "2", "--json"]
    began, done = time.monotonic(), 0
    while True:
        with (folder / "out.log").open("ab") as log:
            run = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        if done >= kills:
            break
        try:
            run.wait(timeout=chance.uniform(0.8, 2.0))
        except subprocess.TimeoutExpired:
            _kill(run, chance)
            done += 1
            continue
        break  # it ended before the next kill: a faster machine than expected
    status = run.wait(timeout=300)
    if status != 0:
        raise AssertionError(f"the last run ended with {status}:\n{(folder / 'out.log').read_text()[-4000:]}")
    wall = time.monotonic() - began
    return _read(folder, environment, done, wall)


def _kill(run: subprocess.Popen[bytes], chance: random.Random) -> None:
    """SIGKILL to `ambs run`, and now and then to its launcher at the same instant."""
    children = _children(run.pid)
    run.send_signal(signal.SIGKILL)
    for child in children:
        if chance.random() < 0.3:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
    run.wait()


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def orphans_in(folder: Path, *, within_seconds: float = 15.0) -> list[int]:
    """Processes that still work in `folder`, after some seconds in which they may end."""
    deadline = time.monotonic() + within_seconds
    while True:
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if str(folder).encode() in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def _read(folder: Path, environment: dict[str, str], kills: int, wall: float) -> Story:
    def query(text: str) -> list[dict[str, object]]:
        out = subprocess.run(
            [sys.executable, "-m", "ambs_hpc.cli.main", "sql", text, "--json"],
            cwd=folder,
            env=environment,
            check=True,
            capture_output=True,
        )
        return json.loads(out.stdout)  # type: ignore[no-any-return]

    rows = query("select id, ordinal, state from v_evaluations order by ordinal")
    events = query(
        "select evaluation_id, move, count(*) as n from evaluation_event group by evaluation_id, move"
    )
    moves: Counter[str] = Counter()
    for event in events:
        moves[str(event["move"])] += int(str(event["n"]))
    ended = {"complete", "accept_late"}
    completions: Counter[int] = Counter()
    for event in events:
        if event["move"] in ended:
            completions[int(str(event["evaluation_id"]))] += int(str(event["n"]))
    runs = Counter(int(line) for line in (folder / "runs.log").read_text().split())
    return Story(
        kills=kills,
        states=dict(Counter(str(row["state"]) for row in rows)),
        ordinals=[int(str(row["ordinal"])) for row in rows],
        completions=dict(completions),
        runs=dict(runs),
        moves=dict(moves),
        orphans=orphans_in(folder),
        wall_seconds=wall,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", default=None)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kill_story_"))
    url = given.db or str(folder / "ambs.db")
    story = tell(folder, url, kills=given.kills, evaluations=given.evaluations, seed=given.seed)
    print(f"kills {story.kills}, states {story.states}, moves {story.moves}, wall {story.wall_seconds:.1f} s")
    print(f"runs finished {sum(story.runs.values())}, repeated {sum(n - 1 for n in story.runs.values())}")
    print(
        f"completed once each: {set(story.completions.values()) == {1}}, orphans {story.orphans}, in {folder}"
    )


if __name__ == "__main__":
    main()
