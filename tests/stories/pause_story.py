"""A campaign that pauses and promotes while its programs are killed, compared with one that is left alone.

python -m tests.stories.pause_story [--db URL --other-db URL] [--kills 20] [--exempt 20] [--judged 0]

One slot, and evaluations that are worse the later they come: whoever is killed when, the order in which they
come to each rung is the same, and so must be everything that is decided there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.campaign import SearchSettings, define_campaign, open_campaign
from ambs_hpc.campaign.added_points import add_points
from ambs_hpc.fidelity import Fidelity
from ambs_hpc.fidelity.rules import FULL_RUNS
from ambs_hpc.problem.problem_file import load_problem
from ambs_hpc.queue import open_database, reading, rung_results_since, show_evaluation
from tests.stories.kill_story import _children, orphans_in

FIDELITY = Fidelity("epochs", 1, 9)
PROBLEM = """
from ambs_hpc import Fidelity, Problem
problem = Problem(
    name="paused", space={{"x": (0.0, 1000.0)}}, objective="model:train",
    fidelity={fidelity}, starting_points={points},
)
"""
# It writes a checkpoint after each epoch, then a line of what has been done, then reports. At a rung it waits
# for what is decided there, so that the story does not depend on how long a decision takes.
MODEL = """
import json, os, time
from ambs_hpc import report
from ambs_hpc.queue import open_database, reading, rungs_of
*RUNGS, LAST = map(int, os.environ["STORY_RUNGS"].split())
def told(*words):
    with open(os.environ["AMBS_STORY_LOG"], "a") as log:
        names = "AMBS_EVALUATION", "AMBS_ATTEMPT"
        log.write(" ".join(map(str, (*(os.environ[name] for name in names), *words))) + "\\n")
def train(x):
    state = os.path.join(os.environ["AMBS_CHECKPOINT_DIR"], "state.json")
    os.makedirs(os.path.dirname(state), exist_ok=True)
    done = json.load(open(state))["epoch"] if os.path.exists(state) else 0
    told("start", done)
    if x >= 950.0:  # one that reports nothing
        time.sleep(1.2)
        return x
    for epoch in range(done + 1, LAST + 1):
        time.sleep(0.1)
        with open(state + ".new", "w") as new:
            json.dump({"epoch": epoch}, new)
        os.replace(state + ".new", state)
        told("epoch", epoch)
        report(epoch, x + 1.0 / epoch)
        if epoch in RUNGS:
            wait_for_verdict(epoch)
    return x
def wait_for_verdict(rung):
    engine = open_database(os.environ["STORY_DB"], create=False)
    until = time.monotonic() + 60.0
    while time.monotonic() < until:
        with reading(engine) as connection:
            rows = {row.rung: row for row in rungs_of(connection, int(os.environ["AMBS_EVALUATION"]))}
        if rung in rows and (rows[rung].kept or rows[rung].promoted_at):
            break
        time.sleep(0.1)
    engine.dispose()
"""


@dataclass(frozen=True)
class PauseStory:
    """What was decided, and what ran.

    Args:
        decided: (ordinal, rung, value, kept, promoted) of each result at a rung, in the order of decisions.
        moves: of each evaluation by its ordinal, those that rungs caused: keep, pause, promote.
        states: by ordinals.
        begun: (epoch from which an attempt went on, epoch of the checkpoint that there was), of all attempts.
    """

    kills: int
    decided: list[tuple[int, int, float, bool, bool]]
    moves: dict[int, list[str]]
    states: dict[int, str]
    begun: list[tuple[int, int]]
    orphans: list[int]
    wall_seconds: float

    @property
    def lost(self) -> list[tuple[int, int]]:
        """Attempts that went on from less than what their checkpoint held."""
        return [(start, had) for start, had in self.begun if start < had]


def tell(
    folder: Path,
    url: str,
    *,
    kills: int,
    exempt: int,
    judged: int,
    seed: int,
    fidelity: Fidelity = FIDELITY,
) -> PauseStory:
    """Run the campaign in `folder`, killing its search, its launcher or all of it at random instants.

    Args:
        exempt: evaluations of the search; the first FULL_RUNS are never paused, and are the worst here.
        judged: that a person has added, each worse than the one before; the search's own report nothing then.
    """
    folder.mkdir(exist_ok=True)
    points = [{"x": (950.0 if judged else 900.0) + index} for index in range(min(exempt, FULL_RUNS))]
    points += [{"x": 1.0 + index} for index in range(FULL_RUNS, exempt)]
    (folder / "problem.py").write_text(PROBLEM.format(points=points, fidelity=fidelity))
    (folder / "model.py").write_text(MODEL)
    environment = {
        **os.environ,
        "AMBS_DB": url,
        "STORY_DB": url,
        "STORY_RUNGS": " ".join(map(str, fidelity.rungs())),
        "AMBS_CONFIG_DIR": str(folder / "config"),
        "AMBS_STORY_LOG": str(folder / "runs.log"),
    }
    if judged:
        _add(folder, url, judged, exempt)
    command = [sys.executable, "-m", "ambs_hpc.cli.main", "run", "problem.py", "--method", "random"]
    command += ["--max-evaluations", str(exempt), "--slots", "1", "--json"]
    chance, began, done = random.Random(seed), time.monotonic(), 0
    log_file = folder / "runs.log"
    while True:
        with (folder / "out.log").open("ab") as log:
            run = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        while done < kills and _has_gone_on(run, log_file):
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(timeout=chance.uniform(0.0, 2.0))
                break
            KINDS[done % len(KINDS)](run)
            done += 1
        if done >= kills and run.poll() is None:
            break
        if run.poll() == 0:
            break  # it ended before the next kill
    status = run.wait(timeout=300)
    if status != 0:
        raise AssertionError(f"the last run ended with {status}:\n{(folder / 'out.log').read_text()[-4000:]}")
    return _read(folder, url, done, time.monotonic() - began)


def _has_gone_on(run: subprocess.Popen[bytes], log_file: Path) -> bool:
    """Whether its evaluations have done something since now; it may take a while to start."""
    before = log_file.stat().st_size if log_file.exists() else 0
    until = time.monotonic() + 60.0
    while run.poll() is None and time.monotonic() < until:
        if log_file.exists() and log_file.stat().st_size > before:
            return True
        time.sleep(0.02)
    return run.poll() is None


def _kill_search(run: subprocess.Popen[bytes]) -> None:
    """Its launcher ends in order, a moment later."""
    run.kill()
    run.wait()


def _kill_launcher(run: subprocess.Popen[bytes]) -> None:
    """The search starts another one."""
    for child in _children(run.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _kill_allocation(run: subprocess.Popen[bytes]) -> None:
    """As when a node loses power: all that runs there, at once."""
    for pid in [*reversed(list(_descendants(run.pid))), run.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    run.wait()


KINDS: list[Callable[[subprocess.Popen[bytes]], None]] = [_kill_search, _kill_allocation, _kill_launcher]


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def _add(folder: Path, url: str, number: int, budget: int) -> None:
    before = os.environ.get("AMBS_CONFIG_DIR")
    os.environ["AMBS_CONFIG_DIR"] = str(folder / "config")
    try:
        settings = SearchSettings(method="random", max_evaluations=budget, run_root=folder / "ambs-runs")
        engine = open_database(url)
        campaign = open_campaign(
            engine, define_campaign(load_problem(folder / "problem.py"), settings), settings
        )
        add_points(engine, campaign, [{"x": 1.0 + index} for index in range(number)], again=False)
        engine.dispose()
    finally:
        if before is None:
            del os.environ["AMBS_CONFIG_DIR"]
        else:
            os.environ["AMBS_CONFIG_DIR"] = before


def _read(folder: Path, url: str, kills: int, wall: float) -> PauseStory:
    engine = open_database(url, create=False)
    with reading(engine) as connection:
        results = rung_results_since(connection, 1)
        ids = {int(line.split()[0]) for line in (folder / "runs.log").read_text().splitlines()}
        stories = [show_evaluation(connection, one) for one in sorted(ids)]
    engine.dispose()
    by_rungs = ("keep", "pause", "promote")
    return PauseStory(
        kills=kills,
        decided=[
            (row.ordinal, row.rung, row.value, row.kept, row.promoted_at is not None) for row in results
        ],
        moves={
            one.row.ordinal: [event.move.value for event in one.events if event.move.value in by_rungs]
            for one in stories
        },
        states={one.row.ordinal: one.row.state.value for one in stories},
        begun=list(_begun(folder)),
        orphans=orphans_in(folder),
        wall_seconds=wall,
    )


def _begun(folder: Path) -> Iterator[tuple[int, int]]:
    """From the lines of the attempts: where each went on, and what had been done before."""
    done: dict[int, int] = defaultdict(int)
    for line in (folder / "runs.log").read_text().splitlines():
        evaluation, _attempt, what, epoch = line.split()
        if what == "start":
            yield int(epoch), done[int(evaluation)]
        done[int(evaluation)] = max(done[int(evaluation)], int(epoch))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", default=None)
    parser.add_argument("--other-db", default=None)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--exempt", type=int, default=20)
    parser.add_argument("--judged", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pause_story_"))
    number = {"exempt": given.exempt, "judged": given.judged, "seed": given.seed}
    quiet_url, killed_url = given.other_db or str(folder / "quiet.db"), given.db or str(folder / "killed.db")
    quiet = tell(folder / "quiet", quiet_url, kills=0, **number)
    killed = tell(folder / "killed", killed_url, kills=given.kills, **number)
    for name, story in (("left alone", quiet), ("killed", killed)):
        counts: dict[str, int] = defaultdict(int)
        for state in story.states.values():
            counts[state] += 1
        promotions = [(ordinal, rung) for ordinal, rung, _, _, promoted in story.decided if promoted]
        print(f"{name}: kills {story.kills}, states {dict(counts)}, promoted {promotions}, ", end="")
        print(
            f"attempts {len(story.begun)}, from a checkpoint {sum(had > 0 for _, had in story.begun)}, ",
            end="",
        )
        print(f"lost {story.lost}, orphans {story.orphans}, wall {story.wall_seconds:.0f} s")
    # What goes on from two rungs may do so in either order: nothing is decided by it.
    orders = [sorted(one.decided, key=lambda row: row[1]) for one in (quiet, killed)]
    print(f"same decisions, on each rung in the same order: {orders[0] == orders[1]}")
    print(f"same states: {quiet.states == killed.states}, in {folder}")
    print(json.dumps(killed.decided))


if __name__ == "__main__":
    main()
