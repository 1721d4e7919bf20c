"""The `process` executor: every evaluation is a process of its own, on this node or another."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ambs_hpc.errors import ShapeNeverFits
from ambs_hpc.identity import this_process
from ambs_hpc.launcher.executors.node_health import Probe
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted, Unloadable, Work
from ambs_hpc.launcher.executors.start_request import request_of
from ambs_hpc.launcher.node_pool import Surroundings
from ambs_hpc.launcher.packing import Packing, Slot
from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.launcher.supervisor.client import NestHandle, NestKey, wait_for_any
from ambs_hpc.launcher.supervisor.outcome import read_outcome
from ambs_hpc.records import Outcome, Resources
from ambs_hpc.states import FailureKind

logger = logging.getLogger(__name__)

PROBE_SECONDS = 0.2  # between two looks at probes
LISTEN_SECONDS = 1.0  # between two looks for nests that have fallen silent
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

    Copies side by side (MPI ranks) are started by the launch command in a nest of this node. When they
    fail, their nodes are probed: with a node lost the attempt was interrupted.
    """

    def __init__(self, packing: Packing, around: Surroundings, grace_seconds: float) -> None:
        """`packing` is of the nodes of `around`; `grace_seconds` are between TERM and KILL."""
        self._packing, self._around, self._grace_seconds = packing, around, grace_seconds
        self._deaths: Counter[str] = Counter()
        self._nests: dict[NestKey, NestHandle] = {}
        self._slots: dict[int, Slot] = {}
        self._spread: set[int] = set()  # evaluations that a launch command runs
        self._probes: dict[int, tuple[Outcome, Probe]] = {}  # of nodes of ranks that failed
        self._lost_nodes: list[str] = []
        self._doubtful: dict[str, Probe] = {}  # of a node whose nest died
        self._listen_at = float("-inf")
        self._suspects: set[int] = set()
        self._token = str(this_process())
        process_tree.become_subreaper()

    def count(self, shape: Resources) -> int:
        return self._packing.count(shape)

    def room(self) -> Resources | None:
        return self._packing.room()

    def capacity(self) -> Resources | None:
        return self._packing.capacity()

    def most(self, shape: Resources) -> int:
        return self._packing.most(shape)

    @property
    def troubles(self) -> Sequence[str]:
        return lost(self._lost_nodes)

    def start(self, work: Work) -> bool:
        claim = work.claim
        if self._packing.never_fits(claim.resources):
            raise ShapeNeverFits(
                f"Evaluation {claim.id} asks for {claim.resources}, more than there is here. "
                "Correct `resources` in the problem, or start a launcher where it fits."
            )
        slot = self._packing.place(claim.resources, claim.id)
        if slot is None:
            self._packing.keep_for(claim.id, claim.resources)
            return False
        key = self._key(work, slot.node)
        if not self._makes_way(slot, key, needs_command=claim.resources.needs_launch_command):
            self._packing.free(slot)
            return False
        token = f"{self._token}.{claim.id}.{claim.attempt}"
        try:
            request = request_of(work, slot, self._around, token, self._grace_seconds)
        except ShapeNeverFits:
            self._packing.free(slot)
            raise
        self._slots[claim.id] = slot
        if claim.resources.needs_launch_command:
            self._spread.add(claim.id)
        self._nest(key).start(claim.id, claim.attempt, request)
        return True

    def poll(self, timeout_seconds: float) -> list[Ended]:
        patience = min(timeout_seconds, PROBE_SECONDS if self._probes or self._doubtful else LISTEN_SECONDS)
        ended: list[Ended] = []
        for nest in wait_for_any(list(self._nests.values()), patience):
            for message in nest.receive():
                ended += self._understand(nest, message)
            if nest.is_dead:
                ended += self._bury(nest)
            elif nest.key.alone_for is not None and not nest.running:
                self._dismiss(nest)
        return ended + self._bury_silent() + self._hear_probes()

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        for evaluation_id in ids:
            self._packing.stop_keeping(evaluation_id)
        for nest in self._nests.values():
            mine = [evaluation_id for evaluation_id in ids if evaluation_id in nest.running]
            if mine:
                nest.stop(mine, grace_seconds)

    def close(self) -> None:
        for probe in self._all_probes():
            probe.close()
        for nest in list(self._nests.values()):
            self._dismiss(nest)

    # -- where it starts ----------------------------------------------------------------------------

    def _key(self, work: Work, node: str) -> NestKey:
        """Of the nest that starts it: launch commands start here, what runs on one node starts there."""
        claim = work.claim
        is_elsewhere = not claim.resources.needs_launch_command and bool(self._around.reach(node))
        alone = claim.id if claim.id in self._suspects and not is_elsewhere else None
        threads = claim.resources.cores if work.function else 0
        directory = work.directory if work.function else ""
        return NestKey(work.function, directory, threads, alone, node if is_elsewhere else "")

    def _nest(self, key: NestKey) -> NestHandle:
        nest = self._nests.get(key)
        if nest is None:
            launch = self._around.reach(key.node) if key.node else ()
            nest = self._nests[key] = NestHandle(key, launch)
        return nest

    def _makes_way(self, slot: Slot, key: NestKey, *, needs_command: bool) -> bool:
        """Whether one more launch command may run, if it takes one; idle supervisors end for it."""
        if not needs_command and (not key.node or key in self._nests):
            return True
        remote = [nest for nest in self._nests.values() if nest.key.node]
        if not self._around.packs:
            nodes = {share.node for share in slot.shares}
            in_the_way = [nest for nest in remote if nest.key.node in nodes]
            if any(nest.running for nest in in_the_way):
                return False
            for nest in in_the_way:
                self._dismiss(nest)
                remote.remove(nest)
        most = self._around.most_at_once
        if most is None or len(remote) + len(self._spread) < most:
            return True
        idle = next((nest for nest in remote if not nest.running), None)
        if idle is None:
            return False
        self._dismiss(idle)
        return True

    # -- what nests say -----------------------------------------------------------------------------

    def _understand(self, nest: NestHandle, message: dict[str, Any]) -> list[Ended]:
        if "hello" in message or "beat" in message:
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
        if message.get("stopped"):
            self._free(evaluation_id)
            return [Interrupted(evaluation_id, int(message["attempt"]), str(message["stopped"]))]
        outcome = outcome_of(message)
        if evaluation_id in self._spread and outcome.failure is FailureKind.ERROR:
            nodes = [share.node for share in self._slots[evaluation_id].shares]
            self._probes[evaluation_id] = (outcome, Probe(self._around.reach, nodes))
            return []
        self._free(evaluation_id)
        return [outcome]

    def _hear_probes(self) -> list[Ended]:
        """What failed ranks failed of, themselves or a node; and which nodes are used again."""
        for node, asked in list(self._doubtful.items()):
            unreachable = asked.lost()
            if unreachable is None:
                continue
            del self._doubtful[node]
            if unreachable:
                self._give_up(node)
            else:
                self._packing.resume(node)
        ended: list[Ended] = []
        for evaluation_id, (outcome, probe) in list(self._probes.items()):
            lost = probe.lost()
            if lost is None:
                continue
            del self._probes[evaluation_id]
            self._free(evaluation_id)
            for node in lost:
                self._give_up(node)
            reason = f"node {', '.join(lost)} lost"
            ended.append(Interrupted(evaluation_id, outcome.attempt, reason) if lost else outcome)
        return ended

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
                process_tree.kill_strays(request["environment"][process_tree.TOKEN_VARIABLE])
            self._free(evaluation_id)
            if nest.unloadable is not None:
                ended.append(
                    Interrupted(evaluation_id, attempt, "its module cannot be imported", started=False)
                )
            elif nest.key.alone_for == evaluation_id:
                self._suspects.discard(evaluation_id)
                ended.append(culprit(evaluation_id, attempt, request))
            elif is_elsewhere:
                reason = f"node {nest.key.node}: supervising process died"
                ended.append(Interrupted(evaluation_id, attempt, reason, started=nest.has_greeted))
            else:
                self._suspects.add(evaluation_id)
                ended.append(Interrupted(evaluation_id, attempt, "supervising process died"))
        probed = [probe.pids for probe in self._all_probes()]
        process_tree.reap(but={nest.pid for nest in self._nests.values()}.union(*probed))
        return ended

    def _all_probes(self) -> list[Probe]:
        return [*(probe for _, probe in self._probes.values()), *self._doubtful.values()]

    def _bury_silent(self) -> list[Ended]:
        """Nests on other nodes that have fallen silent are as good as dead."""
        now = time.monotonic()
        if now < self._listen_at:
            return []
        self._listen_at = now + LISTEN_SECONDS
        return [one for nest in list(self._nests.values()) if nest.is_silent for one in self._bury(nest)]

    def _count_death(self, nest: NestHandle) -> None:
        """Give a node up when a nest does not even start there, or several have died in a row.

        Else it is used again when something has been started there.
        """
        node = nest.key.node
        self._deaths[node] += 1
        logger.warning("nest died node=%s greeted=%s deaths=%d", node, nest.has_greeted, self._deaths[node])
        if not nest.has_greeted or self._deaths[node] >= MOST_DEATHS:
            self._give_up(node)
        elif node not in self._doubtful:
            self._packing.suspend(node)
            self._doubtful[node] = Probe(self._around.reach, [node])

    def _give_up(self, node: str) -> None:
        logger.error("node given up node=%s", node)
        self._lost_nodes.append(node)
        self._packing.lose(node)

    def _dismiss(self, nest: NestHandle) -> None:
        del self._nests[nest.key]
        nest.close()

    def _free(self, evaluation_id: int) -> None:
        self._spread.discard(evaluation_id)
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


def lost(nodes: Sequence[str]) -> list[str]:
    """Nodes that were given up, in words; [] for none."""
    return [f"lost {', '.join(nodes)}"] if nodes else []


def culprit(evaluation_id: int, attempt: int, request: dict[str, Any]) -> Outcome:
    now = time.time()
    failure = FailureKind.ERROR
    return Outcome(evaluation_id, attempt, now, now, str(request["node"]), failure=failure, error=CULPRIT)
