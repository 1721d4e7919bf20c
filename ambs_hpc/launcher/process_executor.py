"""The `process` executor: every evaluation is a process of its own, on this node or another."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ambs_hpc.errors import ShapeNeverFits
from ambs_hpc.identity import this_process
from ambs_hpc.launcher import offspring
from ambs_hpc.launcher.endings import read_outcome
from ambs_hpc.launcher.executor import Ended, Interrupted, Unloadable, Work
from ambs_hpc.launcher.nest_handle import NestHandle, NestKey, wait_for_any
from ambs_hpc.launcher.packing import Packing, Slot
from ambs_hpc.launcher.surroundings import Reach, on_this_node
from ambs_hpc.records import Outcome, Resources
from ambs_hpc.states import FailureKind

logger = logging.getLogger(__name__)

MOST_DEATHS = 3  # of nests on a node, without an evaluation that ended between them
CULPRIT = (
    "its supervising process was killed twice, the second time with nothing else in it: the evaluation kills "
    "its parent, or the machine kills what it starts"
)


class ProcessExecutor:
    """Places evaluations on nodes and has nests start them.

    A nest that dies takes its evaluations along: they are interruptions. On this node each of them then runs
    in a nest of its own, and the one under which that dies again is the culprit. Another node whose nest
    does not start, or keeps dying, is given up; what ran there runs elsewhere.
    """

    def __init__(
        self,
        packing: Packing,
        gpu_variable: str,
        grace_seconds: float,
        reach: Reach = on_this_node,
    ) -> None:
        """`reach`: the command that starts a program on a node; () for this one."""
        self._packing, self._gpu_variable, self._grace_seconds = packing, gpu_variable, grace_seconds
        self._reach = reach
        self._deaths: Counter[str] = Counter()
        self._nests: dict[NestKey, NestHandle] = {}
        self._slots: dict[int, Slot] = {}
        self._suspects: set[int] = set()
        self._token = str(this_process())
        offspring.become_subreaper()

    def count(self, shape: Resources) -> int:
        return self._packing.count(shape)

    def room(self) -> Resources | None:
        return self._packing.room()

    def start(self, work: Work) -> bool:
        claim = work.claim
        if self._packing.never_fits(claim.resources) or claim.resources.nodes > 1:
            raise ShapeNeverFits(
                f"Evaluation {claim.id} asks for {claim.resources}, more than there is here. "
                "Correct `resources` in the problem, or start a launcher where it fits."
            )
        slot = self._packing.place(claim.resources)
        if slot is None:
            return False
        self._slots[claim.id] = slot
        self._nest_for(work, slot.node).start(claim.id, claim.attempt, self._request(work, slot))
        return True

    def poll(self, timeout_seconds: float) -> list[Ended]:
        ended: list[Ended] = []
        for nest in wait_for_any(list(self._nests.values()), timeout_seconds):
            for message in nest.receive():
                ended += self._understand(nest, message)
            if nest.is_dead:
                ended += self._bury(nest)
            elif nest.key.alone_for is not None and not nest.running:
                self._dismiss(nest)
        return ended

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        for nest in self._nests.values():
            mine = [evaluation_id for evaluation_id in ids if evaluation_id in nest.running]
            if mine:
                nest.stop(mine, grace_seconds)

    def close(self) -> None:
        for nest in list(self._nests.values()):
            self._dismiss(nest)

    def _nest_for(self, work: Work, node: str) -> NestHandle:
        claim = work.claim
        launch = self._reach(node)
        alone = claim.id if claim.id in self._suspects and not launch else None
        threads = claim.resources.cores if work.function else 0
        directory = work.directory if work.function else ""
        key = NestKey(work.function, directory, threads, alone, node if launch else "")
        nest = self._nests.get(key)
        if nest is None:
            nest = self._nests[key] = NestHandle(key, launch)
        return nest

    def _request(self, work: Work, slot: Slot) -> dict[str, Any]:
        claim, share = work.claim, slot.shares[0]
        token = f"{self._token}.{claim.id}.{claim.attempt}"
        environment = {
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(claim.resources.cores)),
            **({self._gpu_variable: ",".join(share.gpus)} if self._packing.has_gpus else {}),
            **work.environment,
            offspring.TOKEN_VARIABLE: token,
        }
        return {
            "id": claim.id,
            "attempt": claim.attempt,
            "node": share.node,
            "arguments": work.arguments,
            "needs_request": work.needs_request,
            "configuration": dict(claim.configuration),
            "directory": work.folder,
            "environment": environment,
            "cores": list(share.cores),
            "time_limit_seconds": claim.time_limit_seconds,
            "memory_bytes": int(claim.resources.memory_gib * 2**30),
            "grace_seconds": self._grace_seconds,
        }

    def _understand(self, nest: NestHandle, message: dict[str, Any]) -> list[Ended]:
        if "hello" in message:
            nest.has_greeted = True
            return []
        if "unloadable" in message:
            assert nest.key.function is not None
            nest.unloadable = message["unloadable"]
            return [Unloadable(nest.key.function, nest.key.directory, message["unloadable"])]
        evaluation_id = int(message["id"])
        _, request = nest.running.pop(evaluation_id)
        if message.get("is_on_disk"):
            message = read_outcome(Path(request["directory"]), message["attempt"]) or message
        self._suspects.discard(evaluation_id)
        self._deaths.pop(nest.key.node, None)
        self._free(evaluation_id)
        if message.get("stopped"):
            return [Interrupted(evaluation_id, int(message["attempt"]), "stopped")]
        return [outcome_of(message)]

    def _bury(self, nest: NestHandle) -> list[Ended]:
        """Say what became of the evaluations of a nest that is dead, and leave nothing of them."""
        del self._nests[nest.key]
        nest.close()
        is_elsewhere = bool(nest.key.node)
        if is_elsewhere and nest.unloadable is None:
            self._count_death(nest)
        ended: list[Ended] = []
        for evaluation_id, (attempt, request) in nest.running.items():
            if not is_elsewhere:
                offspring.kill_strays(request["environment"][offspring.TOKEN_VARIABLE])
            self._free(evaluation_id)
            if nest.unloadable is not None:
                ended.append(
                    Interrupted(evaluation_id, attempt, "its module cannot be imported", started=False)
                )
            elif nest.key.alone_for == evaluation_id:
                self._suspects.discard(evaluation_id)
                ended.append(_culprit(evaluation_id, attempt, request))
            elif is_elsewhere:
                reason = f"node {nest.key.node}: supervising process died"
                ended.append(Interrupted(evaluation_id, attempt, reason, started=nest.has_greeted))
            else:
                self._suspects.add(evaluation_id)
                ended.append(Interrupted(evaluation_id, attempt, "supervising process died"))
        offspring.reap(but={nest.pid for nest in self._nests.values()})
        return ended

    def _count_death(self, nest: NestHandle) -> None:
        """Give a node up when a nest does not even start there, or several have died in a row."""
        node = nest.key.node
        self._deaths[node] += 1
        logger.warning("nest died node=%s greeted=%s deaths=%d", node, nest.has_greeted, self._deaths[node])
        if not nest.has_greeted or self._deaths[node] >= MOST_DEATHS:
            logger.error("node given up node=%s", node)
            self._packing.lose(node)

    def _dismiss(self, nest: NestHandle) -> None:
        del self._nests[nest.key]
        nest.close()

    def _free(self, evaluation_id: int) -> None:
        slot = self._slots.pop(evaluation_id, None)
        if slot is not None:
            self._packing.free(slot)


def outcome_of(report: dict[str, Any]) -> Outcome:
    """A nest's report, or an outcome file, as the record that the queue takes."""
    return Outcome(
        id=int(report["id"]),
        attempt=int(report["attempt"]),
        started_at=float(report["started_at"]),
        finished_at=float(report["finished_at"]),
        node=str(report["node"]),
        objective=report["objective"],
        metrics=report["metrics"],
        failure=FailureKind(report["failure"]) if report["failure"] else None,
        error=report["error"],
        exit_status=report.get("exit_status"),
    )


def _culprit(evaluation_id: int, attempt: int, request: dict[str, Any]) -> Outcome:
    now = time.time()
    failure = FailureKind.ERROR
    return Outcome(evaluation_id, attempt, now, now, str(request["node"]), failure=failure, error=CULPRIT)
