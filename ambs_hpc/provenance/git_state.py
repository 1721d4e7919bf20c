"""The commit of a folder's repository and what differs from it, asked of git within a time limit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_DIFF_BYTES = 1 << 26
KILL_SECONDS = 2.0  # a killed git that hangs in its file system is left alone after that
ADDRESS = re.compile(r"\S*://\S*")  # it may hold a password
# `git diff` would run the repository's own filters, and fetch what is missing by programs of its settings.
FILTERS = r"^filter\..*\.(clean|process)$"
ALONE = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
# Nothing that a repository names as a program is run: neither a monitor of files, nor hooks, nor pagers.
QUIET = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "--no-pager")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What git said; `status` is None where it had not ended in time."""

    status: int | None
    output: bytes  # its beginning
    digest: str  # of all of it, "" for nothing
    is_whole: bool
    error: str


def git_state(folder: Path, seconds: float, environment: Mapping[str, str]) -> dict[str, object]:
    """The state of the repository in which the folder lies.

    Args:
        seconds: for all of it together.
        environment: of this process; git gets what is not git's own in it.

    Returns:
        `commit`; `diff`: "" where nothing of the folder differs from it, else a digest of what does; and
        `unknown`: why one of these is missing. Nothing of the sources themselves, and no address of a
        repository: it may hold a password.
    """
    until = time.monotonic() + seconds
    plain = {key: value for key, value in environment.items() if not key.startswith("GIT_")}
    plain |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **ALONE}
    commit = _git(folder, ["rev-parse", "--verify", "HEAD"], until, plain)
    if commit is None:
        return {"unknown": "git is not installed"}
    if commit.status != 0:
        return {"unknown": _why(commit)}
    found: dict[str, object] = {"commit": commit.output.decode("ascii", "replace").strip()}
    if _names_filters(folder, until, plain):
        return found | {"unknown": "whether it was changed since: the repository's settings name filters"}
    options = ["--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty"]
    options += ["--submodule=short"]  # another form asks git within the submodule, by its settings
    diff = _git(folder, ["diff", *options, "HEAD", "--", "."], until, plain)
    if diff is None or diff.status != 0 or not diff.is_whole:
        why = "it differs by more than 64 MiB" if diff is not None and not diff.is_whole else _why(diff)
        return found | {"unknown": f"whether it was changed since: {why}"}
    return found | {"diff": diff.digest}


def _names_filters(folder: Path, until: float, environment: Mapping[str, str]) -> bool:
    """Whether the repository's own settings name filters, or cannot be asked; the user's own may run."""
    asked = ["--includes", "--get-regexp", FILTERS]
    own = _git(folder, ["config", "--local", *asked], until, environment)
    tree = _git(folder, ["config", "--worktree", *asked], until, environment)
    return own is None or own.status != 1 or tree is None or tree.status in (None, 0)


def _why(answer: _Answer | None) -> str:
    if answer is None or answer.status is None:
        return "git did not answer in time"
    if "not a git repository" in answer.error:
        return "no git repository"
    if "dubious ownership" in answer.error:
        return "the git repository is another user's"
    if "Needed a single revision" in answer.error:
        return "the git repository has no commit"
    last = [line.strip() for line in answer.error.splitlines() if line.strip()][-1:]
    return f"git: {ADDRESS.sub('(an address)', last[0])[:200]}" if last else "git failed"


def _git(folder: Path, words: Sequence[str], until: float, environment: Mapping[str, str]) -> _Answer | None:
    """What a git command says; None where there is no git."""
    try:
        process = subprocess.Popen(
            ["git", "-C", str(folder), *QUIET, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        return _answer(process, until)
    finally:
        _end(process)


def _answer(process: subprocess.Popen[bytes], until: float) -> _Answer:
    assert process.stdout is not None
    assert process.stderr is not None
    digest, size, output, error = hashlib.sha256(), 0, b"", b""
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                return _Answer(None, output, "", True, _text(error))
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    error = (error + chunk)[-4096:]
                else:
                    digest.update(chunk)
                    size, output = size + len(chunk), (output + chunk)[:4096]
            if size > MOST_DIFF_BYTES:
                return _Answer(None, output, "", False, "")
    try:
        status = process.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return _Answer(None, output, "", True, _text(error))
    return _Answer(status, output, digest.hexdigest()[:16] if size else "", True, _text(error))


def _text(error: bytes) -> str:
    return error.decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave no git behind, nor a descriptor; one that even KILL does not end is not waited for."""
    if process.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(KILL_SECONDS)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
