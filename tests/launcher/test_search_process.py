"""A search beside the launcher is kept alive, and nodes do not idle for one that cannot live."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ambs_hpc.clock import ManualClock
from ambs_hpc.launcher.search_process import HOPELESS_STATUS, RESTART_SECONDS, STEADY_SECONDS, SearchProcess
from tests.databases import wait_until

# It says that it was started, waits for the status it is to end with, and forgets it.
CHILD = """
import os, pathlib, sys, time
here = pathlib.Path(sys.argv[1])
with open(here / "starts", "a") as file:
    file.write(f"{os.nice(0)} {os.environ['OMP_NUM_THREADS']}\\n")
while True:
    for word in list(here.glob("end-*")):
        word.unlink()
        sys.exit(int(word.name[4:]))
    time.sleep(0.01)
"""


class Stage:
    """A search whose ends are ordered, on a clock that is moved."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, ManualClock(0.0)
        (folder / "child.py").write_text(CHILD)
        self.search = SearchProcess([sys.executable, str(folder / "child.py"), str(folder)], self.clock)

    def starts(self) -> list[str]:
        file = self.folder / "starts"
        return file.read_text().splitlines() if file.exists() else []

    def end(self, status: int) -> None:
        """The child has ended, and was looked at."""
        word = self.folder / f"end-{status}"
        word.touch()
        wait_until(lambda: not word.exists(), 10)
        child: Any = self.search._child  # its end cannot be seen from outside
        child.wait(10)
        self.search.look()


@contextmanager
def stage_in(folder: Path) -> Iterator[Stage]:
    stage = Stage(folder)
    try:
        yield stage
    finally:
        stage.search.end()


def test_it_gives_way_to_evaluations(tmp_path: Path) -> None:
    """It shares its node with them."""
    with stage_in(tmp_path) as stage:
        wait_until(lambda: len(stage.starts()) == 1, 10)
        niceness, threads = stage.starts()[0].split()
    assert int(niceness) >= 10
    assert threads == "2"


def test_it_is_started_again_after_a_while(tmp_path: Path) -> None:
    """Also while evaluations run: else the slots would run dry first."""
    with stage_in(tmp_path) as stage:
        stage.clock.sleep(STEADY_SECONDS)
        stage.end(1)
        assert stage.search.look()
        assert len(stage.starts()) == 1
        stage.clock.sleep(RESTART_SECONDS)
        assert stage.search.look()
        wait_until(lambda: len(stage.starts()) == 2, 10)


def test_nobody_waits_for_one_that_dies_again_and_again(tmp_path: Path) -> None:
    """It is still tried: another search of the campaign may have had it, and end."""
    with stage_in(tmp_path) as stage:
        for number in range(1, 4):
            stage.end(1)
            assert stage.search.look() == (number < 3)
            stage.clock.sleep(RESTART_SECONDS)
            stage.search.look()
        wait_until(lambda: len(stage.starts()) == 4, 10)
        assert not stage.search.look()
        assert not stage.search.is_complete


def test_a_complete_one_is_not_started_again(tmp_path: Path) -> None:
    """Its nodes are given back."""
    with stage_in(tmp_path) as stage:
        stage.end(0)
        assert stage.search.is_complete
        stage.clock.sleep(1000.0)
        assert not stage.search.look()
        assert len(stage.starts()) == 1


def test_one_that_found_nothing_but_failures_is_not_started_again(tmp_path: Path) -> None:
    """Another one would try the same ten times again, on all nodes."""
    with stage_in(tmp_path) as stage:
        wait_until(lambda: len(stage.starts()) == 1, 10)
        stage.end(HOPELESS_STATUS)
        assert stage.search.is_hopeless
        stage.clock.sleep(RESTART_SECONDS)
        assert not stage.search.look()
        assert len(stage.starts()) == 1
