"""When a launcher believes that its allocation is over, and how often it asks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.launcher.node_pool import Tenancy
from ambs_hpc.launcher.watch import allocation_watch
from ambs_hpc.launcher.watch.allocation_watch import VARIABLE, AllocationWatch, interval_seconds
from ambs_hpc.launcher.watch.lifeline import Lifeline
from ambs_hpc.schedulers.cobalt import Cobalt
from tests.databases import wait_until

RECORDED = Path(__file__).parents[2] / "schedulers" / "recorded" / "cobalt"
RUNNING = "JobID: 7\\n    State    : running\\n"
LIMITED = (
    "JobID: 7\\n    State    : running\\n    WallTime : 00:{minutes}:00\\n"
    "    StartTime : Mon Nov 23 07:34:06 2026 +0000 (UTC)\\n"
)
STARTED_AT = 1795419246.0
KILLING = "JobID: 7\\n    State    : killing\\n"


class Tie(Lifeline):
    """Holds until it is cut."""

    def __init__(self) -> None:
        self.is_cut = False

    def lost(self) -> str:
        return "the process that started the script is gone" if self.is_cut else ""


@dataclass
class Node:
    """A node whose qstat says what is set."""

    folder: Path
    seconds: float = 0.05
    tie: Tie = field(default_factory=Tie)

    def says(self, stdout: str = "", stderr: str = "", code: int = 0) -> None:
        (self.folder / "error").write_text(stderr)
        text = f"#!/bin/sh\nprintf '{stdout}'\ncat {self.folder}/error >&2\necho x >> {self.folder}/calls\n"
        part = self.folder / "part"
        part.write_text(f"{text}exit {code}\n")
        part.chmod(0o755)
        part.replace(self.folder / "qstat")

    def watch(self, ends_at: float | None = None) -> AllocationWatch:
        environ = {"PATH": f"{self.folder}:/usr/bin:/bin", VARIABLE: str(self.seconds)}
        return AllocationWatch(Tenancy(Cobalt("alice"), "7", ends_at), environ, self.tie)

    @property
    def calls(self) -> int:
        file = self.folder / "calls"
        return file.read_text().count("x") if file.exists() else 0

    def asked(self, watch: AllocationWatch, more: int) -> str:
        """What is said after so many further questions."""
        before = self.calls
        wait_until(lambda: bool(watch.over()) or self.calls >= before + more, 20.0)
        time.sleep(0.05)
        return watch.over()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    yield Node(tmp_path)


def test_one_that_runs_goes_on(node: Node) -> None:
    """However often it is asked about."""
    node.says(RUNNING)
    assert node.asked(node.watch(), 3) == ""


def test_one_that_is_being_killed_is_over(node: Node) -> None:
    """qdel kills the ssh client, and qstat shows it for some seconds: long enough to be asked again."""
    node.says(KILLING)
    assert node.asked(node.watch(), 3) == "cobalt allocation 7 is ended by the scheduler (killing)"
    assert node.calls == 2


def test_one_that_seemed_to_end_for_a_moment_goes_on(node: Node) -> None:
    """Schedulers have states for what passes."""
    node.says(KILLING)
    watch = node.watch()
    wait_until(lambda: bool(watch.over()) or node.calls == 1)
    node.says(RUNNING)
    assert node.asked(watch, 3) == ""


def test_one_that_has_vanished_is_asked_for_once_more(node: Node) -> None:
    """qstat forgets what has ended; one answer may be a mistake."""
    node.says(code=1)
    watch = node.watch()
    assert node.asked(watch, 3) == "cobalt allocation 7 is not known to the scheduler any more"
    assert node.calls == 2
    assert watch.over()
    assert node.calls == 2, "nobody asks about what is over"


def test_one_that_was_unknown_for_a_moment_goes_on(node: Node) -> None:
    """The second answer counts."""
    node.says(code=1)
    watch = node.watch()
    wait_until(lambda: bool(watch.over()) or node.calls == 1)
    node.says(RUNNING)
    assert node.asked(watch, 3) == ""


@pytest.mark.parametrize("file", ["qstat_just_died.txt", "qstat_unregistered.txt"])
def test_an_unreachable_scheduler_ends_nothing_and_is_left_in_peace(node: Node, file: str) -> None:
    """It cannot give the nodes away either; and thousands of launchers would keep it down."""
    node.says(stderr=(RECORDED / file).read_text(), code=1)
    node.tie.is_cut = True
    watch = node.watch()
    assert node.asked(watch, 3) == ""
    assert watch._backoff.wait_seconds >= 4 * node.seconds
    node.says(code=1)
    assert "not known" in node.asked(watch, 3)


def test_a_loss_is_a_reason_to_ask_at_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the end is known in seconds."""
    node.seconds = 600.0
    node.says(KILLING)
    watch = node.watch()
    assert watch.over() == ""
    assert node.calls == 0
    node.tie.is_cut = True
    monkeypatch.setattr(allocation_watch, "CONFIRM_SECONDS", 0.05)
    assert "killing" in node.asked(watch, 2)


def test_a_loss_while_a_question_is_under_way_is_asked_about_after_it(node: Node) -> None:
    """Its answer may be older than the loss."""
    node.seconds = 600.0
    node.says(RUNNING)
    watch = node.watch()
    is_answered = threading.Event()
    watch._thread = threading.Thread(target=is_answered.wait)
    watch._thread.start()
    node.tie.is_cut = True
    assert watch.over() == ""
    is_answered.set()
    watch._thread.join()
    node.asked(watch, 1)
    assert node.calls == 1


def test_a_loss_is_no_end_while_the_scheduler_says_that_it_runs(node: Node) -> None:
    """Such as the daemon that starts scripts, when it is started anew."""
    node.says(RUNNING)
    node.tie.is_cut = True
    assert node.asked(node.watch(), 3) == ""


def test_where_nobody_can_be_asked_a_loss_is_the_end(node: Node) -> None:
    """Compute nodes of some sites do not have the scheduler's commands."""
    watch = node.watch()
    assert watch.over() == ""
    node.tie.is_cut = True
    assert watch.over() == "the process that started the script is gone"


@pytest.mark.parametrize("was_told", [True, False])
def test_a_changed_walltime_is_noticed(node: Node, *, was_told: bool) -> None:
    """A person may change it while all runs; an end that means another moment is compared with none."""
    node.says(LIMITED.format(minutes=30))
    watch = node.watch(STARTED_AT + 30 * 60 if was_told else None)
    seen = []
    for minutes in (30, 50, 10):
        node.says(LIMITED.format(minutes=minutes))
        node.asked(watch, 2)  # the first may have been under way
        seen.append(watch.moved_seconds)
    node.says(RUNNING)
    node.asked(watch, 2)
    node.says(stderr=(RECORDED / "qstat_just_died.txt").read_text(), code=1)
    node.asked(watch, 2)
    assert [*seen, watch.moved_seconds] == [0.0, 1200.0, -1200.0, -1200.0]


def test_an_end_that_was_only_supposed_is_corrected(node: Node) -> None:
    """The scheduler did not answer at the start, and the script had run for a while."""
    node.says(LIMITED.format(minutes=30))
    watch = node.watch(STARTED_AT + 40 * 60)
    node.asked(watch, 1)
    assert watch.moved_seconds == -600.0


def test_it_can_be_turned_off(node: Node) -> None:
    """For sites that forbid questions from compute nodes."""
    node.seconds = 0
    node.says(code=1)
    node.tie.is_cut = True
    watch = node.watch()
    assert watch.over() == ""
    assert node.calls == 0


def test_nobody_waits_for_an_answer(node: Node) -> None:
    """A scheduler may take a minute to say nothing."""
    node.says(RUNNING)
    slow = (node.folder / "qstat").read_text().replace("#!/bin/sh\n", "#!/bin/sh\nsleep 1\n")
    (node.folder / "qstat").write_text(slow)
    watch = node.watch()
    begun = time.monotonic()
    while time.monotonic() < begun + 0.3:
        before = time.monotonic()
        watch.over()
        assert time.monotonic() - before < 0.2
    watch._thread.join() if watch._thread else None


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_an_interval_that_is_no_time_is_told(text: str) -> None:
    """Instead of a launcher that never asks."""
    with pytest.raises(UsageError, match="AMBS_WATCH_SECONDS"):
        interval_seconds({VARIABLE: text})
    assert interval_seconds({}) == 30.0
    assert interval_seconds(os.environ | {VARIABLE: "45"}) == 45.0
