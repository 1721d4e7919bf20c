"""The program that Balsam starts: once for an attempt, within its limits, with an end that is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ambs_hpc.launcher.executors.balsam import files as balsam_files
from ambs_hpc.launcher.supervisor.messages import AttemptReport, ImportFailed, StartRequest, to_json
from ambs_hpc.launcher.supervisor.outcome import read_outcome
from tests.databases import wait_until

pytestmark = pytest.mark.timeout(60)

MODEL = """
import os, subprocess, time
def quick(configuration):
    with open("ran", "a") as file:
        file.write("once ")
    return configuration["x"]
def stubborn(configuration):
    subprocess.Popen(["sleep", "300"], start_new_session=True)
    time.sleep(300)
"""
COMMAND = [sys.executable, "-m", "ambs_hpc.launcher.executors.balsam.child_main"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(MODEL)
    made = tmp_path / "runs" / "000" / "000007-1"
    made.mkdir(parents=True)
    return made


def request(folder: Path, **changes: Any) -> None:
    """Handed over: `model:quick`, unless changed."""
    told = StartRequest(
        id=7,
        attempt=1,
        configuration={"x": 0.25},
        folder=str(folder),
        arguments=None,
        function="model:quick",
        module_directory=str(folder.parents[2]),
        environment={"AMBS_ATTEMPT_TOKEN": "t", "AMBS_RESULT": f"{folder}/.ambs-result.json"},
        grace_seconds=0.5,
    )
    (folder / ".ambs-request.json").write_text(to_json(replace(told, **changes)))


def run(folder: Path, **environment: str) -> None:
    done = subprocess.run(
        [*COMMAND, folder], check=False, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def end_of(folder: Path) -> AttemptReport:
    told = said_of(folder)
    assert isinstance(told, AttemptReport)
    return told


def said_of(folder: Path) -> balsam_files.End:
    files = balsam_files.told_ends(str(folder.parents[1]))
    told = balsam_files.read_end(files[7, 1])
    assert told is not None
    return told


def test_repeated_start_does_nothing(folder: Path) -> None:
    """Balsam starts again what it has lost sight of; the evaluation must not run twice."""
    request(folder)
    run(folder)
    assert end_of(folder).objective == 0.25
    Path(balsam_files.told_ends(str(folder.parents[1]))[7, 1]).unlink()
    run(folder)
    assert (folder / "ran").read_text() == "once "
    assert balsam_files.told_ends(str(folder.parents[1])) == {}


def test_rank_of_balsams_own_worker_is_not_ours(folder: Path) -> None:
    """In serial mode Balsam's worker is a rank of mpiexec, and hands its variables on."""
    function = [
        sys.executable,
        "-m",
        "ambs_hpc.launcher.supervisor.function_main",
        "model:quick",
        str(folder.parents[2]),
    ]
    request(folder, function=None, arguments=function, reads_request=True)
    run(folder, PMI_RANK="5")
    assert end_of(folder).objective == 0.25


def test_attempt_that_was_taken_back_never_begins(folder: Path) -> None:
    """Its launcher has given it to another."""
    request(folder)
    assert balsam_files.take(str(folder), 0.0)
    run(folder)
    assert not (folder / "ran").exists()


def test_command_and_its_result(folder: Path) -> None:
    """Its last line counts; a failing one has its status and its words."""
    request(folder, function=None, arguments=["sh", "-c", "echo AMBS-RESULT: 3.5"])
    run(folder)
    assert end_of(folder).objective == 3.5
    outcome = read_outcome(folder, 1)
    assert outcome is not None
    assert outcome.objective == 3.5


def test_module_that_cannot_be_imported_is_no_failure(folder: Path) -> None:
    """It would fail all evaluations of the campaign."""
    request(folder, function="absent:quick")
    run(folder)
    told = said_of(folder)
    assert isinstance(told, ImportFailed)
    assert "No module named 'absent'" in told.error
    assert read_outcome(folder, 1) is None


def test_time_limit_ends_all_that_it_started(folder: Path) -> None:
    """A daemon of it too."""
    request(folder, function="model:stubborn", time_limit_seconds=0.5)
    run(folder)
    assert end_of(folder).failure == "TIMEOUT"
    assert processes_in(folder) == []


@pytest.mark.parametrize("how", ["stop file", "TERM", "KILL"])
def test_nothing_runs_on_when_it_is_to_end(folder: Path, how: str) -> None:
    """At our wish, at Balsam's, and when it is killed itself."""
    request(folder, function="model:stubborn")
    child = subprocess.Popen([*COMMAND, folder])
    wait_until(lambda: len(processes_in(folder)) >= 2, 20)
    if how == "stop file":
        balsam_files.ask_to_stop(str(folder), 0.1)
    else:
        child.send_signal(signal.SIGTERM if how == "TERM" else signal.SIGKILL)
    child.wait(20)
    wait_until(lambda: processes_in(folder) == [], 10)
    if how != "KILL":
        assert end_of(folder).stopped == "stopped"


def test_life_is_told_by_the_file_systems_clock(folder: Path) -> None:
    """Clocks of nodes differ."""
    assert balsam_files.heartbeat_at(str(folder)) is None
    balsam_files.take(str(folder), 0.0)
    os.utime(folder / balsam_files.STARTED, (1000.0, 1000.0))
    assert balsam_files.heartbeat_at(str(folder)) == 1000.0
    balsam_files.heartbeat(str(folder))
    heartbeat_at = balsam_files.heartbeat_at(str(folder))
    assert heartbeat_at is not None
    assert abs(balsam_files.clock_of(str(folder)) - heartbeat_at) < 5.0


def test_other_ranks_become_the_program(folder: Path) -> None:
    """The first keeps the books; the others of the same start join it, those of a repeated start do not."""
    command = ["sh", "-c", "echo rank $PMI_RANK >> ranks; [ $PMI_RANK != 0 ] || echo AMBS-RESULT: 1.5"]
    request(folder, function=None, arguments=command, has_ranks=True)
    others = [
        subprocess.Popen([*COMMAND, folder], env={**os.environ, "PMI_RANK": str(rank)}) for rank in (1, 2)
    ]
    run(folder, PMI_RANK="0")
    assert [one.wait(20) for one in others] == [0, 0]
    assert sorted((folder / "ranks").read_text().splitlines()) == ["rank 0", "rank 1", "rank 2"]
    assert end_of(folder).objective == 1.5
    (folder / balsam_files.STARTED).write_text("1000.0\n")
    run(folder, PMI_RANK="1")
    assert len((folder / "ranks").read_text().splitlines()) == 3


def processes_in(folder: Path) -> list[int]:
    """That work in the attempt's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == folder:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
