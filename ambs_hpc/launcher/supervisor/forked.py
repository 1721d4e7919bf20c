"""What a forked process does: wait for an attempt, become its process, call the objective, leave a result.

Every object touched here copies a page of the fork server's memory: plain statements, few of them.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ambs_hpc.launcher.supervisor import outcome, process_tree
from ambs_hpc.launcher.supervisor.spawn import LOG_FLAGS, LOG_MODE

REQUEST_BYTES = 1 << 18
Objective = Callable[[dict[str, Any]], object]


def run_attempt(requests: socket.socket, objective: Objective, token_place: int | None) -> NoReturn:
    """Take one request, run it and exit; exit at once when the supervisor closes its end.

    Args:
        requests: a SOCK_SEQPACKET socket on which one request comes, as JSON.
        token_place: see `process_tree.token_place`.
    """
    status = 1
    try:
        os.setsid()
        packet = requests.recv(REQUEST_BYTES)
        requests.close()
        if not packet:
            os._exit(0)
        request = json.loads(packet)
        process_tree.carry_token(request["environment"][process_tree.TOKEN_VARIABLE], token_place)
        enter_attempt(request)
        status = outcome.run_function(request, objective, request["started_at"])
    except BaseException:  # noqa: BLE001  the border of the process: nothing may return into the fork server
        sys.excepthook(*sys.exc_info())
    finally:
        flush()
        os._exit(status)


def enter_attempt(request: Mapping[str, Any]) -> None:
    """Become the attempt's process: its folder, logs, environment and processors."""
    os.chdir(request["directory"])
    for descriptor, (name, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), ("stdout", LOG_FLAGS), ("stderr", LOG_FLAGS))
    ):
        opened = os.open(name, flags, LOG_MODE)
        os.dup2(opened, descriptor)
        os.close(opened)
    for variable, value in request["environment"].items():
        os.environ[variable] = value  # `update` would look at abstract classes first
    if request["cores"]:
        os.sched_setaffinity(0, request["cores"])


def flush() -> None:
    """Write out what was printed, as an exit would."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
