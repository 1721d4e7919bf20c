"""Limits of an attempt that runs: who is signalled, when, and which reason stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from ambs_hpc.clock import ManualClock
from ambs_hpc.launcher.supervisor import running_attempt
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.launcher.supervisor.running_attempt import LimitKeeper, RunningAttempt
from tests.databases import wait_until

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """One that ignores TERM, in a session of its own."""
    child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    child.stdout.readline()
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def attempt(process: subprocess.Popen[bytes], **limits: float) -> RunningAttempt:
    request = StartRequest(1, 1, {}, "/f", ["true"], **limits)  # type: ignore[arg-type]
    return RunningAttempt.now(request, process.pid, time.time())


def test_time_limit_terms_then_kills(process: subprocess.Popen[bytes]) -> None:
    """A program may write a checkpoint at TERM, and not stay for longer than the grace."""
    one = attempt(process, time_limit_seconds=1.0, grace_seconds=60.0)
    started = time.monotonic()
    one.enforce_time(started)
    assert one.ended_by is None
    one.enforce_time(started + 2.0)
    assert one.ended_by == "time"
    assert process.poll() is None
    one.enforce_time(time.monotonic() + 61.0)
    wait_until(lambda: process.poll() == -signal.SIGKILL)


def test_first_reason_stays(process: subprocess.Popen[bytes]) -> None:
    """What ended by its time limit did not fail for memory that it used while it ended."""
    one = attempt(process, time_limit_seconds=0.0, memory_bytes=1)
    one.enforce_time(time.monotonic() + 1.0)
    one.enforce_memory(10)
    assert one.ended_by == "time"


def test_second_stop_shortens_the_grace(process: subprocess.Popen[bytes]) -> None:
    """Who asks again has no more patience."""
    one = attempt(process)
    one.stop("stopped", 60.0)
    patient = one.next_deadline
    one.stop("stopped", 0.0)
    assert one.next_deadline < patient


def test_memory_above_the_limit_kills_at_once(process: subprocess.Popen[bytes]) -> None:
    """An interpreter has more than a page."""
    one = attempt(process, memory_bytes=4096)
    LimitKeeper().enforce([one])
    assert one.ended_by == "memory"
    wait_until(lambda: process.poll() == -signal.SIGKILL)


def test_time_in_which_all_was_suspended_is_no_attempts(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler suspends an allocation for hours: that is no failure of what ran there."""
    clock = ManualClock()
    monkeypatch.setattr(running_attempt, "time", clock)
    one = attempt(process, time_limit_seconds=60.0, grace_seconds=30.0)
    keeper = LimitKeeper()
    clock.sleep(10.0)
    keeper.enforce([one])
    clock.sleep(3600.0)
    keeper.enforce([one])
    assert one.ended_by is None
    for _ in range(5):
        clock.sleep(9.9)
        keeper.enforce([one])
    assert one.ended_by is None
    clock.sleep(1.0)
    keeper.enforce([one])
    assert one.ended_by == "time"
    clock.sleep(3600.0)
    keeper.enforce([one])
    assert process.poll() is None, "its grace is no shorter"


def test_nothing_is_due_without_limits(process: subprocess.Popen[bytes]) -> None:
    """A supervisor then sleeps until it is told something."""
    keeper = LimitKeeper()
    assert keeper.next_due([]) == float("inf")
    assert keeper.next_due([attempt(process)]) == float("inf")
    assert keeper.next_due([attempt(process, memory_bytes=1)]) < float("inf")
