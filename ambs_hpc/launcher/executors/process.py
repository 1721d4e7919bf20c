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
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Packing, Slot
from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.launcher.supervisor.client import SupervisorClient, SupervisorKey, wait_for_any
from ambs_hpc.launcher.supervisor.outcome import read_outcome
from ambs_hpc.records import Outcome, Resources
from ambs_hpc.states import FailureKind

logger = logging.getLogger(__name__)

PROBE_SECONDS = 0.2  # between two looks at probes
LISTEN_SECONDS = 1.0  # between two looks for supervisors that have fallen silent
MOST_DEATHS = 3  # of supervisors on a node, without an evaluation that ended between them
BLAMED = (
    "its supervising process was killed twice, the second time with nothing else in it: the evaluation kills "
    "its parent, or the machine kills what it starts"
)


class ProcessExecutor:
    """Places evaluations on nodes and has supervisors start them.

    A supervisor that dies takes its evaluations along: they are interruptions. On this node each of them then
    runs in a supervisor of its own, and the one under which that dies again is the one to blame. Another node
    whose supervisor does not start, or keeps dying, is given up; what ran there runs elsewhere.

    Copies side by side (MPI ranks) are started by the launch command in a supervisor of this node. When they
    fail, their nodes are probed: with a node lost the attempt was interrupted.
    """

    def __init__(self, packing: Packing, node_pool: NodePool, grace_seconds: float) -> None:
        """`packing` is of the nodes of `node_pool`; `grace_seconds` are between TERM and KILL."""
        self._packing, self._node_pool, self._grace_seconds = packing, node_pool, grace_seconds
        self._deaths: Counter[str] = Counter()
        self._supervisors: dict[SupervisorKey, SupervisorClient] = {}
        self._slots: dict[int, Slot] = {}
        self._spread: set[int] = set()  # evaluations that a launch command runs
        self._probes: dict[int, tuple[Outcome, Probe]] = {}  # of nodes of ranks that failed
        self._lost_nodes: list[str] = []
        self._doubtful: dict[str, Probe] = {}  # of a node whose supervisor died
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
            request = request_of(work, slot, self._node_pool, token, self._grace_seconds)
        except ShapeNeverFits:
            self._packing.free(slot)
            raise
        self._slots[claim.id] = slot
        if claim.resources.needs_launch_command:
            self._spread.add(claim.id)
        self._supervisor(key).start(claim.id, claim.attempt, request)
        return True

    def poll(self, timeout_seconds: float) -> list[Ended]:
        patience = min(timeout_seconds, PROBE_SECONDS if self._probes or self._doubtful else LISTEN_SECONDS)
        ended: list[Ended] = []
        for supervisor in wait_for_any(list(self._supervisors.values()), patience):
            for message in supervisor.receive():
                ended += self._understand(supervisor, message)
            if supervisor.is_dead:
                ended += self._reap(supervisor)
            elif supervisor.key.alone_for is not None and not supervisor.running:
                self._dismiss(supervisor)
        return ended + self._reap_silent() + self._hear_probes()

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        for evaluation_id in ids:
            self._packing.stop_keeping(evaluation_id)
        for supervisor in self._supervisors.values():
            mine = [evaluation_id for evaluation_id in ids if evaluation_id in supervisor.running]
            if mine:
                supervisor.stop(mine, grace_seconds)

    def close(self) -> None:
        for probe in self._all_probes():
            probe.close()
        for supervisor in list(self._supervisors.values()):
            self._dismiss(supervisor)

    # -- where it starts ----------------------------------------------------------------------------

    def _key(self, work: Work, node: str) -> SupervisorKey:
        """The supervisor that starts it: launch commands start here, what runs on one node starts there."""
        claim = work.claim
        is_elsewhere = not claim.resources.needs_launch_command and bool(self._node_pool.launch_on(node))
        alone = claim.id if claim.id in self._suspects and not is_elsewhere else None
        threads = claim.resources.cores if work.function else 0
        directory = work.directory if work.function else ""
        return SupervisorKey(work.function, directory, threads, alone, node if is_elsewhere else "")

    def _supervisor(self, key: SupervisorKey) -> SupervisorClient:
        supervisor = self._supervisors.get(key)
        if supervisor is None:
            launch = self._node_pool.launch_on(key.node) if key.node else ()
            supervisor = self._supervisors[key] = SupervisorClient(key, launch)
        return supervisor

    def _makes_way(self, slot: Slot, key: SupervisorKey, *, needs_command: bool) -> bool:
        """Whether one more launch command may run, if it takes one; idle supervisors end for it."""
        if not needs_command and (not key.node or key in self._supervisors):
            return True
        remote = [supervisor for supervisor in self._supervisors.values() if supervisor.key.node]
        if not self._node_pool.packs:
            nodes = {share.node for share in slot.shares}
            in_the_way = [supervisor for supervisor in remote if supervisor.key.node in nodes]
            if any(supervisor.running for supervisor in in_the_way):
                return False
            for supervisor in in_the_way:
                self._dismiss(supervisor)
                remote.remove(supervisor)
        most = self._node_pool.most_at_once
        if most is None or len(remote) + len(self._spread) < most:
            return True
        idle = next((supervisor for supervisor in remote if not supervisor.running), None)
        if idle is None:
            return False
        self._dismiss(idle)
        return True

    # -- what supervisors say -----------------------------------------------------------------------------

    def _understand(self, supervisor: SupervisorClient, message: dict[str, Any]) -> list[Ended]:
        if "hello" in message or "heartbeat" in message:
            supervisor.has_greeted = True
            return []
        if "unloadable" in message:
            assert supervisor.key.function is not None
            supervisor.unloadable = message["unloadable"]
            return [Unloadable(supervisor.key.function, supervisor.key.directory, message["unloadable"])]
        evaluation_id = int(message["id"])
        _, request = supervisor.running.pop(evaluation_id)
        if message.get("is_on_disk"):
            message = read_outcome(Path(request["directory"]), message["attempt"]) or message
        self._suspects.discard(evaluation_id)
        self._deaths.pop(supervisor.key.node, None)
        if message.get("stopped"):
            self._free(evaluation_id)
            return [Interrupted(evaluation_id, int(message["attempt"]), str(message["stopped"]))]
        outcome = outcome_of(message)
        if evaluation_id in self._spread and outcome.failure is FailureKind.ERROR:
            nodes = [share.node for share in self._slots[evaluation_id].shares]
            self._probes[evaluation_id] = (outcome, Probe(self._node_pool.launch_on, nodes))
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

    def _reap(self, supervisor: SupervisorClient) -> list[Ended]:
        """Say what became of the evaluations of a supervisor that is dead, and leave nothing of them."""
        del self._supervisors[supervisor.key]
        supervisor.close()
        is_elsewhere = bool(supervisor.key.node)
        if is_elsewhere and supervisor.unloadable is None:
            self._count_death(supervisor)
        ended: list[Ended] = []
        for evaluation_id, (attempt, request) in supervisor.running.items():
            if not is_elsewhere:
                process_tree.kill_orphans(request["environment"][process_tree.TOKEN_VARIABLE])
            self._free(evaluation_id)
            if supervisor.unloadable is not None:
                ended.append(
                    Interrupted(evaluation_id, attempt, "its module cannot be imported", started=False)
                )
            elif supervisor.key.alone_for == evaluation_id:
                self._suspects.discard(evaluation_id)
                ended.append(blamed(evaluation_id, attempt, request))
            elif is_elsewhere:
                reason = f"node {supervisor.key.node}: supervising process died"
                ended.append(Interrupted(evaluation_id, attempt, reason, started=supervisor.has_greeted))
            else:
                self._suspects.add(evaluation_id)
                ended.append(Interrupted(evaluation_id, attempt, "supervising process died"))
        probed = [probe.pids for probe in self._all_probes()]
        process_tree.reap(but={supervisor.pid for supervisor in self._supervisors.values()}.union(*probed))
        return ended

    def _all_probes(self) -> list[Probe]:
        return [*(probe for _, probe in self._probes.values()), *self._doubtful.values()]

    def _reap_silent(self) -> list[Ended]:
        """Nests on other nodes that have fallen silent are as good as dead."""
        now = time.monotonic()
        if now < self._listen_at:
            return []
        self._listen_at = now + LISTEN_SECONDS
        return [
            one
            for supervisor in list(self._supervisors.values())
            if supervisor.is_silent
            for one in self._reap(supervisor)
        ]

    def _count_death(self, supervisor: SupervisorClient) -> None:
        """Give a node up when a supervisor does not even start there, or several have died in a row.

        Else it is used again when something has been started there.
        """
        node = supervisor.key.node
        self._deaths[node] += 1
        logger.warning(
            "supervisor died node=%s greeted=%s deaths=%d", node, supervisor.has_greeted, self._deaths[node]
        )
        if not supervisor.has_greeted or self._deaths[node] >= MOST_DEATHS:
            self._give_up(node)
        elif node not in self._doubtful:
            self._packing.suspend(node)
            self._doubtful[node] = Probe(self._node_pool.launch_on, [node])

    def _give_up(self, node: str) -> None:
        logger.error("node given up node=%s", node)
        self._lost_nodes.append(node)
        self._packing.lose(node)

    def _dismiss(self, supervisor: SupervisorClient) -> None:
        del self._supervisors[supervisor.key]
        supervisor.close()

    def _free(self, evaluation_id: int) -> None:
        self._spread.discard(evaluation_id)
        slot = self._slots.pop(evaluation_id, None)
        if slot is not None:
            self._packing.free(slot)


def outcome_of(report: dict[str, Any]) -> Outcome:
    """A supervisor's report, or an outcome file, as the record that the queue takes."""
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


def blamed(evaluation_id: int, attempt: int, request: dict[str, Any]) -> Outcome:
    now = time.time()
    failure = FailureKind.ERROR
    return Outcome(evaluation_id, attempt, now, now, str(request["node"]), failure=failure, error=BLAMED)
