"""What a script notices of the end of whoever started it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ambs_hpc.launcher.watch import lifeline as lifeline_module
from ambs_hpc.launcher.watch.lifeline import Lifeline
from tests.databases import wait_until

ORPHAN = """
import os, sys, time
from pathlib import Path
if {setsid}:
    os.setsid()
from ambs_hpc.launcher.watch.lifeline import Lifeline
lifeline = Lifeline(())
assert lifeline.lost() == ""
Path("ready").touch()
while not lifeline.lost():
    time.sleep(0.02)
Path("told.part").write_text(lifeline.lost())
os.rename("told.part", "told")
"""
PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, 'orphan.py']); sys.stdin.read()"


@pytest.mark.parametrize("make", [os.pipe, lambda: _socket_pair()])
def test_output_that_nobody_reads_any_more_is_a_loss(make: object) -> None:
    """sshd gives pipes, or sockets, and closes them when its client is gone; writing is harmless then."""
    reader, writer = make()  # type: ignore[operator]
    lifeline = Lifeline((writer,))
    assert lifeline.lost() == ""
    os.close(reader)
    assert "nobody reads" in lifeline.lost()
    os.write(writer, b"into nothing")
    assert "nobody reads" in lifeline.lost()
    os.close(writer)


def _socket_pair() -> tuple[int, int]:
    import socket

    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


def test_files_and_what_was_dead_before_are_no_loss(tmp_path: Path) -> None:
    """Most schedulers write into files; and who starts with a dead pipe has lost nothing since."""
    reader, writer = os.pipe()
    os.close(reader)
    with (tmp_path / "log").open("w") as log:
        assert Lifeline((log.fileno(), writer)).lost() == ""
    os.close(writer)


def test_a_parent_of_which_nothing_can_be_read_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with too many open files cannot open /proc either, and has not lost anybody."""
    monkeypatch.setattr(lifeline_module, "parent_of", lambda _: 4711)
    lifeline = Lifeline(())

    def fails(_: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(lifeline_module, "parent_of", fails)
    assert lifeline.lost() == ""
    monkeypatch.setattr(lifeline_module, "parent_of", lambda _: None)
    assert lifeline.lost() == "the process that started the script is gone"


@pytest.mark.parametrize("setsid", [True, False])
def test_a_parent_that_dies_is_a_loss(tmp_path: Path, *, setsid: bool) -> None:
    """That of the session: the script may have started us without becoming us."""
    (tmp_path / "orphan.py").write_text(ORPHAN.format(setsid=setsid))
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        wait_until((tmp_path / "ready").exists, 20.0)
    finally:
        parent.kill()
        parent.communicate()
    wait_until((tmp_path / "told").exists, 20.0)
    assert (tmp_path / "told").read_text() == "the process that started the script is gone"


def test_a_loss_is_told_where_no_file_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A launcher with too many open files goes on to its orderly end."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    reader, writer = os.pipe()
    lifeline = Lifeline((writer,))
    os.close(reader)
    monkeypatch.setattr(lifeline_module.os, "open", refuse)
    assert "nobody reads" in lifeline.lost()
    os.close(writer)
