"""A notice arrives, or it is said why not; within limits, and without telling secrets."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from threading import Event, Thread

import pytest

from ambs_hpc.beside import notice_delivery
from ambs_hpc.beside.notice_delivery import Targets, deliver
from tests.beside.loopback import posts
from tests.databases import wait_until

NOTICE = {"kind": "best", "campaign": "net", "text": "net: new best 0.25\0", "objective": 0.25}


def script(folder: Path, body: str) -> list[str]:
    file = folder / "tell.sh"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return ["./tell.sh", "two words"]


def test_a_command_gets_the_notice_as_json_and_as_words(tmp_path: Path) -> None:
    """Nothing goes through a shell: a text with `$(...)` in it is a text."""
    command = script(tmp_path, 'cat > in.json; echo "$AMBS_NOTICE_KIND|$AMBS_NOTICE_TEXT|$1" > words')
    assert deliver(Targets(command, tmp_path), NOTICE | {"text": "$(rm -rf x)"}) == ""
    assert '"objective": 0.25' in (tmp_path / "in.json").read_text()
    assert (tmp_path / "words").read_text() == "best|$(rm -rf x)|two words\n"


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    """Its last words are what a person needs to mend it."""
    command = script(tmp_path, "echo sendmail: no route >&2; exit 3")
    assert (
        deliver(Targets(command, tmp_path), NOTICE)
        == "notify.command ./tell.sh ended with status 3: sendmail: no route"
    )
    assert "could not be started: No such file" in deliver(Targets(["./gone"], tmp_path), NOTICE)


def test_a_command_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that it has started."""
    monkeypatch.setattr(notice_delivery, "COMMAND_SECONDS", 0.3)
    command = script(tmp_path, "sleep 600 & echo $! > pid; wait")
    began = time.monotonic()
    assert "had not ended after 0.3 s" in deliver(Targets(command, tmp_path), NOTICE)
    assert time.monotonic() - began < 5.0
    child = int((tmp_path / "pid").read_text())

    def is_gone() -> bool:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        return "Z" in Path(f"/proc/{child}/stat").read_text().rpartition(")")[2][:3]

    wait_until(is_gone)


def test_a_webhook_gets_the_notice_and_its_address_is_told_to_nobody(tmp_path: Path) -> None:
    """The path of such an address is a password; it must not get into a log or the database."""
    with posts() as server:
        targets = Targets([], tmp_path, server.url)
        assert deliver(targets, NOTICE) == ""
        assert server.bodies == [NOTICE]
        server.status = 500
        assert deliver(targets, NOTICE) == "notify.webhook at 127.0.0.1 answered 500"
        server.status = 302
        assert deliver(targets, NOTICE) == "notify.webhook at 127.0.0.1 answered 302"
        assert set(server.paths) == {"/hooks/t0ken"}
    trouble = deliver(targets, NOTICE)
    assert "notify.webhook at 127.0.0.1 could not be reached" in trouble
    assert "t0ken" not in trouble


def test_a_webhook_that_answers_byte_by_byte_has_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on each read alone would let it keep all later notices for hours."""
    monkeypatch.setattr(notice_delivery, "WEBHOOK_SECONDS", 0.4)
    over = Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not over.wait(0.05):
                    connection.sendall(b"x")

        thread = Thread(target=drip)
        thread.start()
        try:
            began = time.monotonic()
            trouble = deliver(Targets([], tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}/x"), NOTICE)
            assert trouble == "notify.webhook at 127.0.0.1 had not answered after 0.4 s"
            assert time.monotonic() - began < 3.0
        finally:
            over.set()
            thread.join()


def test_one_target_does_not_keep_the_other(tmp_path: Path) -> None:
    """A broken program must not cost the post."""
    with posts() as server:
        trouble = deliver(Targets(["./gone"], tmp_path, server.url), NOTICE)
        assert "./gone could not be started" in trouble
        assert server.bodies == [NOTICE]
