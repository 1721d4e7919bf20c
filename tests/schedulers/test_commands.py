"""Commands are run once, in a known language and time zone, and always with a time limit."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ambs_hpc.schedulers import Completed, CouldNotAsk, SchedulerCommand, ask


def echo(completed: Completed) -> Completed:
    return completed


def sh(script: str, **options: object) -> SchedulerCommand[Completed]:
    return SchedulerCommand(("/bin/sh", "-c", script), echo, **options)  # type: ignore[arg-type]  # options of one test


def test_a_missing_command_could_not_be_asked() -> None:
    """On a machine without the scheduler nothing may change."""
    answer = ask(SchedulerCommand(("no-such-qstat",), echo))
    assert isinstance(answer, CouldNotAsk)
    assert "PATH" in answer.words


def test_questions_are_asked_in_plain_language_and_utc_without_personal_formats() -> None:
    """A user's SQUEUE_FORMAT or LANG would change what is read."""
    mine = dict(os.environ) | {
        "LANG": "de_DE",
        "TZ": "America/Chicago",
        "SQUEUE_FORMAT": "%i",
        "QSTAT_HEADER": "X",
    }
    answer = ask(sh('echo "$LC_ALL $TZ ${SQUEUE_FORMAT-none} ${QSTAT_HEADER-none}"'), environ=mine)
    assert answer == Completed(0, "C UTC none none\n", "")


def test_a_submission_keeps_the_callers_environment() -> None:
    """sbatch copies it into the allocation, where objectives would see a strange language and zone."""
    mine = dict(os.environ) | {"TZ": "America/Chicago"}
    assert ask(sh('echo "$TZ"', inherits=True), environ=mine) == Completed(0, "America/Chicago\n", "")


def test_what_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    """A wrapper's child would hold our pipes and block without end."""
    started = time.monotonic()
    answer = ask(sh("echo half; sleep 60 & sleep 60"), timeout_seconds=0.3)
    assert time.monotonic() - started < 10.0
    assert isinstance(answer, Completed)
    assert (answer.exit_code, answer.stdout) == (None, "half\n")


def test_streams_and_exit_code_are_kept_apart(tmp_path: Path) -> None:
    """Noise on stderr is no answer, and bytes that are no text are no crash."""
    answer = ask(sh("printf 'a\\377\\n'; pwd; echo noise >&2; exit 35", directory=tmp_path))
    assert answer == Completed(35, f"a\ufffd\n{tmp_path}\n", "noise\n")


def test_evidence_is_read_after_the_command(tmp_path: Path) -> None:
    """A scheduler may leave it while it runs."""
    file = tmp_path / "log"
    assert ask(sh(f"echo 7 > {file}", evidence=file)) == Completed(0, "", "", evidence="7\n")
    assert ask(sh("true", evidence=tmp_path / "none")) == Completed(0, "", "", evidence=None)


def test_a_second_question_is_asked_but_not_a_hundredth() -> None:
    """Readers may need one; a loop of them would be a storm."""
    first: SchedulerCommand[Completed] = SchedulerCommand(
        ("/bin/sh", "-c", "echo first"), lambda completed: sh("echo second")
    )
    assert ask(first) == Completed(0, "second\n", "")

    def again(completed: Completed) -> SchedulerCommand[Completed]:
        return SchedulerCommand(("true",), again)

    assert isinstance(ask(SchedulerCommand(("true",), again)), CouldNotAsk)
