"""A notice reaches people within limits: by a program of theirs, or by a post to their address."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from threading import Thread
from typing import IO
from urllib.parse import urlsplit

COMMAND_SECONDS, WEBHOOK_SECONDS = 30.0, 10.0
PREFIX, WORDS = "AMBS_NOTICE_", ("kind", "campaign", "text")  # in the environment of the command


@dataclass(frozen=True, slots=True)
class Targets:
    """Where notices go.

    Args:
        command: a program and its arguments; empty for none.
        folder: in which it runs.
        webhook: the address; "" for none. It may be a secret: nothing that is told has more than its host.
    """

    command: Sequence[str]
    folder: Path
    webhook: str = ""


def deliver(targets: Targets, notice: Mapping[str, object]) -> str:
    """Send the notice everywhere; "" where that went well, else why not, in one line.

    Args:
        notice: JSON values; `kind`, `campaign` and `text` are texts.
    """
    content = json.dumps(dict(notice)).encode()
    troubles = []
    if targets.command:
        troubles.append(_run(targets, notice, content))
    if targets.webhook:
        troubles.append(_post(targets.webhook, content))
    return "; ".join(filter(None, troubles))


def _run(targets: Targets, notice: Mapping[str, object], content: bytes) -> str:
    """Run the command; it and all that it started are ended when the time is over."""
    words = {f"{PREFIX}{name.upper()}": str(notice[name]).replace("\0", "") for name in WORDS}
    name = targets.command[0]
    # Files, not pipes: what the command leaves running in the background keeps nobody.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(content)
        given.seek(0)
        try:
            process = subprocess.Popen(
                list(targets.command),
                cwd=targets.folder,
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=os.environ | words,
                start_new_session=True,
            )
        except OSError as error:
            return f"notify.command {name} could not be started: {error.strerror}"
        try:
            status = process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process)
            return f"notify.command {name} had not ended after {COMMAND_SECONDS:g} s"
        return "" if status == 0 else f"notify.command {name} ended with status {status}{_last_line(said)}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2.0)


def _last_line(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - 2000))
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1][:200]}" if lines else ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is posted goes to the address that the user's file names, and to no other."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def _post(address: str, content: bytes) -> str:
    """Post within the time, also where names are not resolved, or the answer comes byte by byte."""
    host = urlsplit(address).hostname
    said: list[str] = []
    thread = Thread(target=lambda: said.append(_posted(address, host, content)), daemon=True, name="webhook")
    thread.start()
    thread.join(WEBHOOK_SECONDS)
    return said[0] if said else f"notify.webhook at {host} had not answered after {WEBHOOK_SECONDS:g} s"


def _posted(address: str, host: str | None, content: bytes) -> str:
    request = urllib.request.Request(
        address, content, {"Content-Type": "application/json", "User-Agent": "ambs_hpc"}, method="POST"
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=WEBHOOK_SECONDS):
            pass  # the status is enough
    except urllib.error.HTTPError as error:
        error.close()
        return f"notify.webhook at {host} answered {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        return f"notify.webhook at {host} could not be reached: {reason}"
    return ""
