"""This machine as a scheduler: processes that outlive their submitter, and records that outlive them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc.identity import start_time
from ambs_hpc.schedulers import (
    AllocationState,
    AllocationStatus,
    CouldNotAsk,
    StatusAnswer,
    Submission,
    SubmitRequest,
    ask,
    submit,
)
from ambs_hpc.schedulers.local import supervisor_main
from ambs_hpc.schedulers.local.scheduler import Local
from tests.databases import wait_until

IGNORES_TERM = (
    "import signal,time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    yield Local(tmp_path / "local")
    for path in (tmp_path / "local").glob("*.*.json"):
        record = json.loads(path.read_text())
        if record["script_pid"] and start_time(record["script_pid"]) == record["script_ticks"]:
            os.killpg(record["script_pid"], signal.SIGKILL)


def start(local: Local, folder: Path, body: str, after: str = "") -> str:
    script = folder / f"a{after}.sh"
    script.write_text(f"#!/bin/bash\n{body}\n")
    script.chmod(0o755)
    answer = submit(local, SubmitRequest(script, "ambs-1", folder, 600, after))
    assert isinstance(answer, Submission)
    return answer.scheduler_id


def status(local: Local, scheduler_id: str) -> AllocationStatus:
    answer = ask(local.status([scheduler_id]))
    assert isinstance(answer, StatusAnswer)
    return answer.known[scheduler_id]


def record(local: Local, scheduler_id: str) -> dict[str, object]:
    return dict(json.loads((local.folder / f"{scheduler_id}.json").read_text()))


def test_what_ignores_term_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a grace, as batch systems do."""
    monkeypatch.setattr(supervisor_main, "KILL_AFTER_SECONDS", 0.2)
    process = subprocess.Popen(
        [sys.executable, "-c", IGNORES_TERM], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    reason = supervisor_main._wait(process, 0.0, [])
    process.stdout.close()
    assert (reason, process.returncode) == ("killed at the end of its walltime; ", -signal.SIGKILL)


def test_an_ended_one_says_how_it_ended(local: Local, tmp_path: Path) -> None:
    """The exit status is the first thing a person asks for; what it left running is ended with it."""
    scheduler_id = start(local, tmp_path, "sleep 60 & echo $! > left; exit 3")
    wait_until(lambda: status(local, scheduler_id).state is AllocationState.ENDED)
    ended = status(local, scheduler_id)
    assert (ended.own_state, ended.comment) == ("ended", "exit status 3")
    wait_until(lambda: start_time(int((tmp_path / "left").read_text())) is None)


def test_a_script_whose_supervisor_was_killed_still_runs_and_can_be_cancelled(
    local: Local, tmp_path: Path
) -> None:
    """Nodes in use must not be called free."""
    scheduler_id = start(local, tmp_path, "sleep 60")
    wait_until(lambda: record(local, scheduler_id)["script_pid"])
    os.kill(int(scheduler_id.partition(".")[0]), signal.SIGKILL)
    wait_until(lambda: start_time(int(scheduler_id.partition(".")[0])) is None)
    assert status(local, scheduler_id).state is AllocationState.RUNNING
    ask(local.cancel([scheduler_id]))
    wait_until(lambda: status(local, scheduler_id).state is AllocationState.ENDED)
    assert status(local, scheduler_id).own_state == "lost"


def test_one_waits_for_the_end_of_another(local: Local, tmp_path: Path) -> None:
    """Both use all of this machine: side by side they would share its cores and its memory."""
    first = start(local, tmp_path, "until [ -e go ]; do sleep 0.05; done; exit 1")
    second = start(local, tmp_path, "test -e go && echo yes > second", after=first)
    third = start(local, tmp_path, "echo yes > third", after=second)
    waiting = status(local, third)
    assert (waiting.state, waiting.comment) == (AllocationState.QUEUED, f"for the end of {second}")
    assert (waiting.started_at, waiting.ends_at) == (None, None)
    ask(local.cancel([third]))
    wait_until(lambda: status(local, third).state is AllocationState.ENDED)
    assert status(local, third).started_at is None
    assert status(local, second).state is AllocationState.QUEUED
    (tmp_path / "go").touch()
    wait_until(lambda: status(local, second).state is AllocationState.ENDED)
    assert status(local, second).comment == "exit status 0"
    assert (tmp_path / "second").exists()
    assert not (tmp_path / "third").exists()


def test_one_of_another_host_is_unknown_not_gone(local: Local, tmp_path: Path) -> None:
    """A shared folder shows the records of every login node; /proc does not."""
    scheduler_id = start(local, tmp_path, "true")
    wait_until(lambda: status(local, scheduler_id).state is AllocationState.ENDED)
    changed = record(local, scheduler_id) | {"host": "elsewhere", "ended_at": None}
    (local.folder / f"{scheduler_id}.json").write_text(json.dumps(changed))
    assert status(local, scheduler_id).state is AllocationState.UNKNOWN
    assert "elsewhere" in status(local, scheduler_id).comment


def test_a_reused_process_id_is_not_taken_for_the_allocation(local: Local, tmp_path: Path) -> None:
    """Cancelling it would end a stranger."""
    scheduler_id = start(local, tmp_path, "true")
    wait_until(lambda: status(local, scheduler_id).state is AllocationState.ENDED)
    stranger = f"{os.getpid()}.1"
    lost = record(local, scheduler_id) | {"scheduler_id": stranger, "ended_at": None}
    (local.folder / f"{stranger}.json").write_text(json.dumps(lost))
    assert status(local, stranger).own_state == "lost"
    answer = ask(local.cancel([stranger]))
    assert not isinstance(answer, CouldNotAsk)
    assert list(answer.refused) == [stranger]


def test_a_record_that_cannot_be_read_is_no_ending(local: Local) -> None:
    """A broken file system must not end allocations."""
    local.folder.mkdir()
    broken = local.folder / "7.7.json"
    broken.write_text("{")
    answer = ask(local.status(["7.7"]))
    broken.unlink()
    assert isinstance(answer, CouldNotAsk)


def test_what_is_submitted_to_balsam_is_no_record(local: Local, tmp_path: Path) -> None:
    """It lies in the same folder; a lost answer could then never be looked for."""
    local.folder.mkdir()
    (local.folder / "5.json").write_text('{"site": "here", "nodes": 1}')
    request = SubmitRequest(tmp_path / "s.sh", "ambs-1", tmp_path, 60)
    assert ask(local.find(request)) == ()


def test_an_id_names_no_file_outside_of_the_folder(local: Local, tmp_path: Path) -> None:
    """Ids come from people and from databases."""
    local.folder.mkdir()
    (tmp_path / "secret.json").write_text("{}")
    answer = ask(local.status(["../secret"]))
    assert answer == StatusAnswer({}, vanished=frozenset({"../secret"}))
