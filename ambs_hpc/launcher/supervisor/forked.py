"""What a forked process does: wait for an attempt, become its process, call the objective, leave a result.

Every object touched here copies a page of the fork server's memory: plain statements, few of them.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import NoReturn

from ambs_hpc.launcher.supervisor import outcome, process_tree
from ambs_hpc.launcher.supervisor.functions.call_form import Objective
from ambs_hpc.launcher.supervisor.messages import StartRequest, from_json, to_json
from ambs_hpc.launcher.supervisor.spawn import LOG_FLAGS, LOG_MODE

REQUEST_BYTES = 1 << 18


def run_attempt(requests: socket.socket, objective: Objective, token_place: int | None) -> NoReturn:
    """Take one request, run it and exit; exit at once when the supervisor closes its end.

    Args:
        requests: a socket on which one request comes, as `handed_over` writes it, and then its end.
        token_place: see `process_tree.token_place`.
    """
    status = 1
    try:
        os.setsid()
        packet = b"".join(iter(lambda: requests.recv(REQUEST_BYTES), b""))
        requests.close()
        if not packet:
            os._exit(0)
        started_at, request = taken_from(packet)
        process_tree.carry_token(request.token, token_place)
        try:
            enter_attempt(request)
        except OSError as error:
            status = outcome.UNENTERED_STATUS if outcome.node_trouble(error) else status
            raise
        status = outcome.run_function(request, objective, started_at)
    except BaseException:  # noqa: BLE001  the border of the process: nothing may return into the fork server
        sys.excepthook(*sys.exc_info())
    finally:
        flush()
        os._exit(status)


def handed_over(request: StartRequest, started_at: float) -> bytes:
    """The request as a fork takes it; `started_at`: when its slot was taken, in seconds since 1970 UTC."""
    return f"{started_at!r} {to_json(request)}".encode()


def taken_from(packet: bytes) -> tuple[float, StartRequest]:
    """The inverse of `handed_over`."""
    started_at, _, request = packet.partition(b" ")
    return float(started_at), from_json(StartRequest, request)


def enter_attempt(request: StartRequest) -> None:
    """Become the attempt's process: its folder, logs, environment and processors."""
    os.chdir(request.folder)
    for descriptor, (name, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), ("stdout", LOG_FLAGS), ("stderr", LOG_FLAGS))
    ):
        opened = os.open(name, flags, LOG_MODE)
        os.dup2(opened, descriptor)
        os.close(opened)
    for variable, value in request.environment.items():
        os.environ[variable] = value  # `update` would look at abstract classes first
    if request.cores:
        os.sched_setaffinity(0, request.cores)


def flush() -> None:
    """Write out what was printed, as an exit would."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
