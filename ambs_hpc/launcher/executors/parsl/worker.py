"""A worker of Parsl's pool: runs one evaluation after the other through a supervisor on its node.

The same supervisors as elsewhere, so limits, classification, result files and fork servers are the same.
Orders and answers are JSON; nothing of ours is pickled.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ambs_hpc.launcher.environment import gpu_environment, supervisor_environment
from ambs_hpc.launcher.executors.parsl.pool_reports import tell_reported
from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.launcher.supervisor.client import (
    WORDS_SECONDS,
    SupervisorClient,
    SupervisorKey,
    close_all,
    wait_for_any,
)
from ambs_hpc.launcher.supervisor.messages import (
    Alive,
    AttemptReport,
    ImportFailed,
    Reported,
    StartRequest,
    SupervisorDied,
    decoded,
    encoded,
)

POOL_VARIABLE, NODE_VARIABLE = "AMBS_POOL", "AMBS_POOL_NODE"  # set by `node_main`
UNBOUND_VARIABLE = "AMBS_POOL_UNBOUND"  # set by it where nobody knows which cores of the node are ours
TMPDIR_VARIABLE = "AMBS_POOL_TMPDIR"  # what $TMPDIR is to be for evaluations
RANK_VARIABLE = "PARSL_WORKER_RANK"
DESCRIPTION, CANCELLED, PLACES = "pool.json", "cancelled", "places"
NODES = "nodes"  # a folder with what nodes tell of themselves, a file for each thing
LOOK_SECONDS = 1.0  # between two looks for cancellations and for the pool's own death
MOST_BYTES = 1 << 20  # of added lines, read at a time
LONGEST_LINE = 1000  # bytes, with the name of a node
LARGEST_ATTEMPT = 2**31 - 1
LOST_STATUS = 1


def execute(buffer: bytes) -> str:
    """Run the evaluation that `buffer`, a StartRequest, asks for; the answer as JSON.

    The answer is an AttemptReport, or ImportFailed, or SupervisorDied.
    """
    request = decoded(buffer)
    assert isinstance(request, StartRequest)
    return encoded(_worker().run(request)).decode()


class Worker:
    """One of a node's workers: slot number `rank`, a supervisor for each objective that it has met."""

    def __init__(self, pool: Path, node: str, rank: int, *, binds: bool = True) -> None:
        """
        Args:
            pool: its folder, which all nodes see.
            binds: whether evaluations are bound to the slot's cores; False where those are a guess.
        """
        description = json.loads((pool / DESCRIPTION).read_text())
        self._slot = description["slots"][rank]
        self._binds = binds
        self._gpu_variable = description["gpu_variable"]
        self._node, self._cancelled, self._places = node, _Cancelled(pool / CANCELLED), pool / PLACES
        self._supervisors: dict[SupervisorKey, SupervisorClient] = {}
        self._pool, self._is_first = pool, rank == 0  # of its node, which tells how long an import took
        self._parent = os.getppid()
        process_tree.become_subreaper()

    def run(self, request: StartRequest) -> AttemptReport | ImportFailed | SupervisorDied:
        """Start it here and wait for its end."""
        request = self._placed(request)
        key = SupervisorKey.of(request)
        supervisor = self._supervisors.get(key)
        if supervisor is None:
            environment = supervisor_environment(os.environ, key.threads)
            supervisor = self._supervisors[key] = SupervisorClient(key, environment)
        supervisor.start(request)
        told: float | None = None
        is_told_of = False
        while True:
            heard = wait_for_any([supervisor], LOOK_SECONDS)
            if not (heard or is_told_of):  # it runs for long enough to be asked about
                is_told_of = True
                self._tell_place(request)
            for message in supervisor.receive():
                if isinstance(message, ImportFailed):
                    self._close(supervisor)
                    return message
                if isinstance(message, AttemptReport):
                    supervisor.running.pop(request.id)
                    return message
                if isinstance(message, Reported):
                    tell_reported(self._pool, self._node, message)
                if isinstance(message, Alive) and message.import_seconds is not None and self._is_first:
                    self._is_first = False
                    said = {"function": request.function, "import_seconds": message.import_seconds}
                    tell_of_node(self._pool, self._node, "import", said)
            if supervisor.is_dead:
                process_tree.kill_orphans(request.token)
                self._close(supervisor)
                return supervisor.no_container(time.monotonic() + WORDS_SECONDS) or SupervisorDied()
            self._end_with_the_pool()
            grace = self._cancelled.grace_of(request.id, request.attempt)
            if grace is not None and grace != told:
                told = grace
                supervisor.stop([request.id], grace)

    def _placed(self, request: StartRequest) -> StartRequest:
        """The request with this node's name and what it needs of this worker's slot."""
        gpus = self._slot["gpus"][: len(request.gpus)]
        cores = self._slot["cores"][: len(request.cores)] if self._binds else []
        here = replace(request, node=self._node, cores=cores, gpus=gpus)
        return here.with_environment(gpu_environment(self._gpu_variable, gpus))

    def _tell_place(self, request: StartRequest) -> None:
        """Add to the pool's list of what runs where.

        On a file system that lets nodes overwrite what others add at the same moment, a line may be lost:
        then it is not known where that one runs before it has ended.
        """
        line = json.dumps([request.id, request.attempt, self._node]) + "\n"
        with contextlib.suppress(OSError), self._places.open("ab", buffering=0) as file:
            file.write(line.encode())

    def _close(self, supervisor: SupervisorClient) -> None:
        del self._supervisors[supervisor.key]
        supervisor.close()

    def _end_with_the_pool(self) -> None:
        """End when the process that hands out work has died: nobody would take the results."""
        if os.getppid() != self._parent:
            close_all(list(self._supervisors.values()))
            os._exit(LOST_STATUS)


def tell_of_node(pool: Path, node: str, what: str, told: Mapping[str, Any]) -> None:
    """Leave what the launcher is to know of a node in the pool's folder, atomically."""
    folder = pool / NODES
    name = f"{what}-{hashlib.sha256(node.encode()).hexdigest()[:16]}.json"
    with contextlib.suppress(OSError):
        (folder / f".{name}").write_text(json.dumps({"node": node, **told}))
        (folder / f".{name}").replace(folder / name)


class SharedLines:
    """A file to which lines are added while others read it: JSON lists of an id, an attempt and a value."""

    def __init__(self, file: Path) -> None:
        self._file, self._read_bytes = file, 0

    def further(self) -> Iterator[list[Any]]:
        """What was added since the last call; what cannot be read, or has another form, is left out."""
        for line in self._added().split(b"\n"):
            with contextlib.suppress(ValueError, RecursionError):
                values = json.loads(line[:LONGEST_LINE])
                if isinstance(values, list) and len(values) == 3 and all(map(_is_count, values[:2])):
                    yield values

    def _added(self) -> bytes:
        """Whole lines; b"" while the file system shows none."""
        try:
            if self._file.stat().st_size <= self._read_bytes:
                return b""
            with self._file.open("rb") as lines:
                lines.seek(self._read_bytes)
                added = lines.read(MOST_BYTES)
        except OSError:
            return b""
        whole, end, _ = added.rpartition(b"\n")
        # Without an end in so many bytes it is no line of ours, and nobody waits for its end.
        self._read_bytes += len(added) if len(added) == MOST_BYTES and not end else len(whole) + len(end)
        return whole


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_ATTEMPT


class _Cancelled:
    """The pool's file of cancellations: a line for each, appended by the launcher."""

    def __init__(self, file: Path) -> None:
        self._lines = SharedLines(file)
        self._graces: dict[tuple[int, int], float] = {}

    def grace_of(self, evaluation_id: int, attempt: int) -> float | None:
        """Seconds between TERM and KILL; None for one that is not cancelled."""
        for cancelled_id, its_attempt, grace in self._lines.further():
            if isinstance(grace, int | float) and grace >= 0:
                self._graces[cancelled_id, its_attempt] = float(grace)
        return self._graces.get((evaluation_id, attempt))


@functools.cache
def _worker() -> Worker:
    environ = os.environ
    if given := environ.pop(TMPDIR_VARIABLE, ""):
        environ["TMPDIR"] = given
    binds = not environ.pop(UNBOUND_VARIABLE, "")
    pool, node, rank = Path(environ[POOL_VARIABLE]), environ[NODE_VARIABLE], int(environ[RANK_VARIABLE])
    return Worker(pool, node, rank, binds=binds)
