"""The program of a pool on one node: `python -m ambs_hpc.launcher.executors.parsl.node_main POOL`.

It runs Parsl's manager of workers, starts it anew when it dies, and leaves nothing behind: neither of a dead
manager nor at its own end.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ambs_hpc.launcher.executors.parsl.worker import (
    DESCRIPTION,
    NODE_VARIABLE,
    POOL_VARIABLE,
    TMPDIR_VARIABLE,
    UNBOUND_VARIABLE,
    tell_of_node,
)
from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.launcher.supervisor.function_main import RANK_VARIABLES
from ambs_hpc.launcher.supervisor.messages import ProbeOrder
from ambs_hpc.launcher.supervisor.outer_launch import leave_outer_launch
from ambs_hpc.launcher.supervisor.probes.node_lock import (
    NodeClaim,
    NodeInUse,
    NodeLock,
    claim_of,
    is_guess,
    lock_node,
)
from ambs_hpc.launcher.supervisor.probes.node_probe import probe

MOST_DEATHS = 3  # of managers that lived for less than
SHORT_LIFE_SECONDS = 60.0
LOOK_SECONDS = 0.2
TAKEN_SECONDS = 2.0  # until a node is tried again that a launcher of another allocation has
UNFIT_SECONDS = 300.0  # between two looks at a node that has trouble
LONGEST_FOLDER_BYTES = 70  # what is added to it takes some 30
SHORT_FOLDER = "/tmp"


def main(arguments: list[str]) -> int:
    """Keep a manager on this node until the launcher ends or tells it to end."""
    pool = Path(arguments[0])
    description = json.loads((pool / DESCRIPTION).read_text())
    node = own_name(description["nodes"], os.environ, socket.gethostname())
    leave_outer_launch()
    process_tree.become_subreaper()
    is_over = Ending()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: is_over.set())
    threading.Thread(target=_watch_input, args=(is_over,), daemon=True).start()
    environment = {**_with_short_folder(os.environ), POOL_VARIABLE: str(pool), NODE_VARIABLE: node}
    claim = claim_of(description["lock"])
    if claim is not None and is_guess(claim):
        environment[UNBOUND_VARIABLE] = "1"
    lock = _wait_until_free(claim, node, pool, is_over)
    try:
        _wait_until_fit(ProbeOrder(node, **description["probe"]), pool, is_over)
        if not _goes_on(pool, is_over):
            return 0
        return _serve(description["command"], environment, node, is_over)
    finally:
        process_tree.kill_children()
        lock.release()


class Ending:
    """That the end was asked for.

    Handlers of signals tell it, however many of them run inside each other. They would wait for each other
    with threads' events, whose lock the interrupted code may hold.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def set(self) -> None:
        """It was asked for."""
        with contextlib.suppress(BlockingIOError):  # full: it was said often enough
            os.write(self._writer, b"x")

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for it, or until the timeout; whether it was asked for."""
        return bool(select.select([self._reader], [], [], timeout_seconds)[0])


def _goes_on(pool: Path, is_over: Ending) -> bool:
    """Whether a node that waits is to wait on; a killed launcher's pool is removed without a word to it."""
    return not is_over.wait(0.0) and pool.exists()


def _wait_until_free(claim: NodeClaim | None, node: str, pool: Path, is_over: Ending) -> NodeLock:
    """Lock this node, and tell the launcher who has it; nothing is locked when the pool ends first."""
    told = ""
    while claim is not None and _goes_on(pool, is_over):
        lock = lock_node(replace(claim, node=node))
        who = lock.who if isinstance(lock, NodeInUse) else ""
        if who != told:
            told = who
            tell_of_node(pool, node, "taken", {"taken": who})
        if isinstance(lock, NodeLock):
            return lock
        is_over.wait(TAKEN_SECONDS)
    return NodeLock()


def _wait_until_fit(order: ProbeOrder, pool: Path, is_over: Ending) -> None:
    """Look at this node and tell the launcher; begin nothing before it is well, where that is asked for."""
    while _goes_on(pool, is_over):
        found = probe(order)
        told = {"at": found.at, "trouble": found.trouble, "is_binding": found.is_binding}
        tell_of_node(pool, order.node, "probe", {**told, "facts": dict(found.facts)})
        if not (found.trouble and found.is_binding):
            return
        print(f"node {order.node} is unfit: {found.trouble}", file=sys.stderr, flush=True)  # noqa: T201
        is_over.wait(UNFIT_SECONDS)


def own_name(nodes: Sequence[str], environ: Mapping[str, str], host: str) -> str:
    """Which of the pool's nodes this one is: by its host's name, Slurm's word, or our rank."""
    short = {node.partition(".")[0]: node for node in nodes}
    for name in (host, environ.get("SLURMD_NODENAME", "")):
        if (known := name.partition(".")[0]) in short:
            return short[known]
    rank = max((int(environ.get(name, "0")) for name in RANK_VARIABLES), default=0)
    return nodes[min(rank, len(nodes) - 1)]


def _with_short_folder(environ: Mapping[str, str]) -> dict[str, str]:
    """Shorten $TMPDIR for Parsl's manager, whose socket names hold 107 bytes; its workers undo this."""
    given = environ.get("TMPDIR", "")
    if len(os.fsencode(given)) <= LONGEST_FOLDER_BYTES:
        return dict(environ)
    return {**environ, "TMPDIR": SHORT_FOLDER, TMPDIR_VARIABLE: given}


def _serve(command: Sequence[str], environment: dict[str, str], node: str, is_over: Ending) -> int:
    deaths, me = 0, os.getpid()
    while True:
        started = time.monotonic()
        manager = subprocess.Popen(
            [*command, "--uid", f"{node}-{uuid.uuid4().hex[:8]}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: process_tree.die_with_parent(me),  # its workers then end by themselves
        )
        while manager.poll() is None:
            if is_over.wait(LOOK_SECONDS):
                return 0
        if manager.returncode == 0:  # told to end, or the launcher has not been heard for too long
            return 0
        deaths = deaths + 1 if time.monotonic() - started < SHORT_LIFE_SECONDS else 1
        print(f"node {node}: manager died with {manager.returncode}", file=sys.stderr, flush=True)  # noqa: T201
        process_tree.kill_children()
        if deaths >= MOST_DEATHS:
            return 0  # some launch commands end the others when one fails


def _watch_input(is_over: Ending) -> None:
    """Note the launcher's end by the end of the standard input, where the launch command forwards it."""
    has_come = False
    while os.read(0, 1024):
        has_come = True
    if has_come:
        is_over.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
