"""The launcher's end of supervisors: what they say among what others say, many of them, and their end."""

from __future__ import annotations

import logging
import os
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from ambs_hpc.launcher.supervisor import client
from ambs_hpc.launcher.supervisor.client import SupervisorClient, SupervisorKey, close_all, wait_for_any
from ambs_hpc.launcher.supervisor.messages import NO_CONTAINER, Alive, Message
from ambs_hpc.launcher.supervisor.process_tree import state_of
from tests.databases import wait_until

ALIVE = '{"kind": "alive", "pid": 1}'


def launched(text: str, name: str = "n") -> SupervisorClient:
    """A supervisor whose launch command is this shell script, with the supervisor's own command as "$@"."""
    key = SupervisorKey(None, "", 0, None, name)
    return SupervisorClient(key, dict(os.environ), ("sh", "-c", text, "launch"))


@contextmanager
def heard(text: str, number: int) -> Iterator[tuple[SupervisorClient, list[Message]]]:
    """What it says first, at least so many messages unless it ends."""
    supervisor = launched(text)
    messages: list[Message] = []

    def listen() -> bool:
        wait_for_any([supervisor], 0.05)
        messages.extend(supervisor.receive())
        return supervisor.is_dead or len(messages) >= number

    try:
        wait_until(listen)
        yield supervisor, messages
    finally:
        supervisor.close()


def test_a_supervisor_that_was_stopped_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation that stops its parent would else keep the node, and no time limit be kept there."""
    here = SupervisorClient(SupervisorKey(None, "", 0, None, ""), dict(os.environ))
    try:
        wait_until(lambda: here.receive() or here.has_greeted)
        os.kill(here.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(here.pid) == "T")
        here.wake()
        assert state_of(here.pid) == "T", "it has been heard a moment ago"
        monkeypatch.setattr(client, "SILENCE_SECONDS", 0.0)
        here.wake()
        wait_until(lambda: state_of(here.pid) != "T")
    finally:
        here.close()


def test_lines_of_launch_commands_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """Sites have tools that print into every program's output; each kind of line is logged once."""
    lines = "for i in 1 2 3; do echo Application $i resources: utime ~0s; done; echo XALT tracking enabled"
    with caplog.at_level(logging.INFO), heard(f"{lines}; echo '[[{{'; exec \"$@\"", 1) as (supervisor, said):
        assert {type(one) for one in said} == {Alive}
        assert not supervisor.is_dead
    told = [record.getMessage() for record in caplog.records]
    assert sum("Application" in one for one in told) == 1
    assert sum("XALT" in one for one in told) == 1


def test_a_message_behind_text_without_a_line_break_is_heard() -> None:
    """A tool prints a prompt or a progress sign, and the supervisor's first word follows on its line."""
    with heard('printf "loading modules... "; exec "$@"', 1) as (supervisor, said):
        assert {type(one) for one in said} == {Alive}
        assert not supervisor.is_dead


@pytest.mark.parametrize("said", ['{"kind": []}', '{"kind": "start", "id": 1}', '{"kind": 3}', "[" * 9999])
def test_json_of_others_is_no_message(said: str) -> None:
    """Tools print JSON too."""
    with heard(f"echo '{said}'; echo '{ALIVE}'; cat", 1) as (_, messages):
        assert {type(one) for one in messages} == {Alive}


def test_a_message_that_others_have_written_into_ends_its_supervisor() -> None:
    """It may have been the report of an end, for which the launcher would wait without end."""
    with heard("""echo '{"kind": "report", "id": 1, "obXALT tracking'; cat""", 1) as (supervisor, said):
        assert supervisor.is_dead
        assert said == []


def test_what_others_say_is_no_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch command may go on to complain of a node that is gone."""
    monkeypatch.setattr("ambs_hpc.launcher.supervisor.client.GREETING_SECONDS", 0.2)
    supervisor = launched("while echo still waiting; do sleep 0.05; done")

    def is_silent() -> bool:
        supervisor.receive()
        return supervisor.is_silent

    wait_until(is_silent)
    supervisor.close()


def test_a_container_that_takes_too_long_did_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has more time than others, as its image may have to be fetched; people read what to do."""
    monkeypatch.setattr(client, "GREETING_SECONDS", 0.0)
    monkeypatch.setattr(client, "CONTAINER_SECONDS", 0.2)
    key = SupervisorKey(None, "", 1, None, within=("sh", "-c", "cat > /dev/null"))
    supervisor = SupervisorClient(key, os.environ)
    assert not supervisor.is_silent
    wait_until(lambda: supervisor.is_silent)
    supervisor.close()
    told = supervisor.no_container(time.monotonic())
    assert told is not None
    assert told.what == NO_CONTAINER
    assert "apptainer pull" in told.error


def test_supervisors_are_closed_all_at_once() -> None:
    """A launcher of a hundred nodes has some seconds for its end, and each launch command takes one."""
    supervisors = [launched("cat > /dev/null; sleep 1", f"n{number}") for number in range(60)]
    begun = time.monotonic()
    close_all(supervisors)
    assert time.monotonic() - begun < 5
    assert not any(_lives(one.pid) for one in supervisors)


def test_a_launch_command_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have one patience together, not each its own."""
    monkeypatch.setattr("ambs_hpc.launcher.supervisor.client.END_SECONDS", 0.3)
    supervisors = [launched("trap '' TERM; while :; do sleep 0.1; done") for _ in range(5)]
    begun = time.monotonic()
    close_all(supervisors)
    assert time.monotonic() - begun < 1.2
    assert not any(_lives(one.pid) for one in supervisors)


@pytest.fixture
def many_descriptors() -> Iterator[Sequence[int]]:
    """So many open files that the next one's number is above what `select` can hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this machine allows few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    yield opened
    for descriptor in opened:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_descriptors_than_select_can_hold(many_descriptors: Sequence[int]) -> None:
    """Five hundred launch commands have a thousand pipes."""
    with heard('exec "$@"', 1) as (supervisor, said):
        assert supervisor.fileno() > max(many_descriptors) > 1024
        assert {type(one) for one in said} == {Alive}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_last_words_of_many_are_not_waited_for_one_by_one() -> None:
    """A child of a dead command may hold its standard error open."""
    supervisors = [launched("echo no such image >&2; sleep 30 & exec >&- <&-") for _ in range(5)]
    try:
        wait_until(lambda: all(one.last_words(0.0) == "no such image" for one in supervisors))
        begun = time.monotonic()
        said = [one.last_words(begun + 0.15) for one in supervisors]
        assert said == ["no such image"] * 5
        assert time.monotonic() - begun < 0.4
    finally:
        for one in supervisors:
            os.killpg(one.pid, signal.SIGKILL)
        close_all(supervisors)
