"""A worker of Parsl's pool: runs one evaluation after the other through a supervisor on its node.

The same supervisors as elsewhere, so limits, classification, result files and fork servers are the same.
Orders and answers are JSON; nothing of ours is pickled.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import replace
from pathlib import Path

from ambs_hpc.launcher.environment import gpu_environment, supervisor_environment
from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.launcher.supervisor.client import (
    SupervisorClient,
    SupervisorKey,
    close_all,
    wait_for_any,
)
from ambs_hpc.launcher.supervisor.messages import (
    AttemptReport,
    ImportFailed,
    StartRequest,
    SupervisorDied,
    decoded,
    encoded,
)

POOL_VARIABLE, NODE_VARIABLE = "AMBS_POOL", "AMBS_POOL_NODE"  # set by `node_main`
TMPDIR_VARIABLE = "AMBS_POOL_TMPDIR"  # what $TMPDIR is to be for evaluations
RANK_VARIABLE = "PARSL_WORKER_RANK"
DESCRIPTION, CANCELLED = "pool.json", "cancelled"
LOOK_SECONDS = 1.0  # between two looks for cancellations and for the pool's own death
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

    def __init__(self, pool: Path, node: str, rank: int) -> None:
        """`pool`: the pool's folder, which all nodes see."""
        description = json.loads((pool / DESCRIPTION).read_text())
        self._slot = description["slots"][rank]
        self._gpu_variable = description["gpu_variable"]
        self._node, self._cancelled = node, _Cancelled(pool / CANCELLED)
        self._supervisors: dict[SupervisorKey, SupervisorClient] = {}
        self._parent = os.getppid()
        process_tree.become_subreaper()

    def run(self, request: StartRequest) -> AttemptReport | ImportFailed | SupervisorDied:
        """Start it here and wait for its end."""
        request = self._placed(request)
        key = SupervisorKey(request.function, request.module_directory, request.threads, None)
        supervisor = self._supervisors.get(key)
        if supervisor is None:
            environment = supervisor_environment(os.environ, key.threads)
            supervisor = self._supervisors[key] = SupervisorClient(key, environment)
        supervisor.start(request)
        told: float | None = None
        while True:
            wait_for_any([supervisor], LOOK_SECONDS)
            for message in supervisor.receive():
                if isinstance(message, ImportFailed):
                    self._close(supervisor)
                    return message
                if isinstance(message, AttemptReport):
                    supervisor.running.pop(request.id)
                    return message
            if supervisor.is_dead:
                process_tree.kill_orphans(request.token)
                self._close(supervisor)
                return SupervisorDied()
            self._end_with_the_pool()
            grace = self._cancelled.grace_of(request.id, request.attempt)
            if grace is not None and grace != told:
                told = grace
                supervisor.stop([request.id], grace)

    def _placed(self, request: StartRequest) -> StartRequest:
        """The request with this node's name and what it needs of this worker's slot."""
        gpus = self._slot["gpus"][: len(request.gpus)]
        here = replace(request, node=self._node, cores=self._slot["cores"][: len(request.cores)], gpus=gpus)
        return here.with_environment(gpu_environment(self._gpu_variable, gpus))

    def _close(self, supervisor: SupervisorClient) -> None:
        del self._supervisors[supervisor.key]
        supervisor.close()

    def _end_with_the_pool(self) -> None:
        """End when the process that hands out work has died: nobody would take the results."""
        if os.getppid() != self._parent:
            close_all(list(self._supervisors.values()))
            os._exit(LOST_STATUS)


class _Cancelled:
    """The pool's file of cancellations: a line for each, appended by the launcher."""

    def __init__(self, file: Path) -> None:
        self._file, self._read_bytes = file, 0
        self._graces: dict[tuple[int, int], float] = {}

    def grace_of(self, evaluation_id: int, attempt: int) -> float | None:
        """Seconds between TERM and KILL; None for one that is not cancelled."""
        if self._file.stat().st_size > self._read_bytes:
            with self._file.open("rb") as lines:
                lines.seek(self._read_bytes)
                whole, _, _ = lines.read().rpartition(b"\n")
            self._read_bytes += len(whole) + 1 if whole else 0
            for line in whole.splitlines():
                cancelled_id, its_attempt, grace = json.loads(line)
                self._graces[cancelled_id, its_attempt] = grace
        return self._graces.get((evaluation_id, attempt))


@functools.cache
def _worker() -> Worker:
    environ = os.environ
    if given := environ.pop(TMPDIR_VARIABLE, ""):
        environ["TMPDIR"] = given
    return Worker(Path(environ[POOL_VARIABLE]), environ[NODE_VARIABLE], int(environ[RANK_VARIABLE]))
