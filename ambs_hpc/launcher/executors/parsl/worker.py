"""A worker of Parsl's pool: runs one evaluation after the other through a supervisor on its node.

The same supervisors as elsewhere, so limits, classification, result files and fork servers are the same.
Orders and answers are JSON; nothing of ours is pickled.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.launcher.supervisor.client import SupervisorClient, SupervisorKey, wait_for_any

POOL_VARIABLE, NODE_VARIABLE = "AMBS_POOL", "AMBS_POOL_NODE"  # set by `node_main`
TMPDIR_VARIABLE = "AMBS_POOL_TMPDIR"  # what $TMPDIR is to be for evaluations
RANK_VARIABLE = "PARSL_WORKER_RANK"
DESCRIPTION, CANCELLED = "pool.json", "cancelled"
LOOK_SECONDS = 1.0  # between two looks for cancellations and for the pool's own death
LOST_STATUS = 1


def execute(buffer: bytes) -> str:
    """Run the evaluation that `buffer` orders; its report, `{"unloadable"}` or `{"died"}`, as JSON."""
    return json.dumps(_worker().run(json.loads(buffer)))


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

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Start it here, wait for its end."""
        request = self._placed(order)
        evaluation_id, attempt = int(request["id"]), int(request["attempt"])
        key = SupervisorKey(order["function"], order["directory"], order["threads"], None)
        supervisor = self._supervisors.get(key)
        if supervisor is None:
            supervisor = self._supervisors[key] = SupervisorClient(key)
        supervisor.start(evaluation_id, attempt, request)
        told: float | None = None
        while True:
            wait_for_any([supervisor], LOOK_SECONDS)
            for message in supervisor.receive():
                if "unloadable" in message:
                    return self._bury(supervisor, {"unloadable": message["unloadable"]})
                if "id" in message:
                    supervisor.running.pop(evaluation_id)
                    return message
            if supervisor.is_dead:
                process_tree.kill_orphans(request["environment"][process_tree.TOKEN_VARIABLE])
                return self._bury(supervisor, {"died": True})
            self._end_with_the_pool()
            grace = self._cancelled.grace_of(evaluation_id, attempt)
            if grace is not None and grace != told:
                told = grace
                supervisor.stop([evaluation_id], grace)

    def _placed(self, order: dict[str, Any]) -> dict[str, Any]:
        """The request with this node's name and what it needs of this worker's slot."""
        request: dict[str, Any] = order["request"]
        gpus = self._slot["gpus"][: order["gpus"]]
        variables = {} if self._gpu_variable is None else {self._gpu_variable: ",".join(gpus)}
        return {
            **request,
            "node": self._node,
            "cores": self._slot["cores"][: order["cores"]],
            "environment": {**request["environment"], **variables},
        }

    def _bury(self, supervisor: SupervisorClient, answer: dict[str, Any]) -> dict[str, Any]:
        del self._supervisors[supervisor.key]
        supervisor.close()
        return answer

    def _end_with_the_pool(self) -> None:
        """Nobody would hear of what runs on after the death of the process that hands out work."""
        if os.getppid() != self._parent:
            for supervisor in self._supervisors.values():
                supervisor.close()
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
