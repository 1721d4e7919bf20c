"""The `process` executor: every evaluation is a process of its own, on this node or another."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Collection, Sequence

from ambs_hpc.errors import NodesApart, ShapeNeverFits
from ambs_hpc.identity import this_process
from ambs_hpc.launcher.container_command import Containers
from ambs_hpc.launcher.environment import supervisor_environment
from ambs_hpc.launcher.executors.attempt_ends import blamed, outcome_of
from ambs_hpc.launcher.executors.node_health import Probe
from ambs_hpc.launcher.executors.node_log import NodeLog
from ambs_hpc.launcher.executors.node_losses import NodeLosses
from ambs_hpc.launcher.executors.node_pauses import NodePauses
from ambs_hpc.launcher.executors.node_probes import NodeProbes
from ambs_hpc.launcher.executors.open_files import allow_supervisors
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted, Placed, Unloadable
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.executors.start_request import never_fits, placed
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Packing, Slot
from ambs_hpc.launcher.paths import run_directory_of
from ambs_hpc.launcher.supervisor import process_tree
from ambs_hpc.launcher.supervisor.client import SupervisorClient, SupervisorKey, close_all, wait_for_any
from ambs_hpc.launcher.supervisor.messages import (
    Alive,
    AttemptReport,
    ImportFailed,
    Message,
    NodeProbed,
    NodeTaken,
    Reported,
    StartRequest,
)
from ambs_hpc.launcher.supervisor.outcome import read_outcome
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.states import FailureKind

logger = logging.getLogger(__name__)

PROBE_SECONDS = 0.2  # between two looks at probes
AWAY_SECONDS = 5.0  # that the launcher itself was stopped, or held up: it cannot have heard anybody
LISTEN_SECONDS = 1.0  # between two looks for supervisors that have fallen silent
WORDS_SECONDS = 1.0  # for what dead supervisors' commands have said, all that died at once together


class ProcessExecutor:
    """Places evaluations on nodes and has supervisors start them.

    A supervisor that dies takes its evaluations along: they are interruptions. On this node each of them then
    runs in a supervisor of its own, and the one under which that dies again is the one to blame. Another node
    whose supervisor does not start, or keeps dying, is given up; what ran there runs elsewhere.

    Copies side by side (MPI ranks) are started by the launch command in a supervisor of this node. When they
    fail, their nodes are probed: with a node lost the attempt was interrupted.
    """

    def __init__(
        self,
        packing: Packing,
        node_pool: NodePool,
        grace_seconds: float,
        log: NodeLog | None = None,
        report_log: ReportLog | None = None,
    ) -> None:
        """
        Args:
            packing: of the nodes of `node_pool`.
            grace_seconds: between TERM and KILL.
            log: is told what happens on nodes, and says which to use no more.
            report_log: is told what evaluations report.
        """
        self._packing, self._node_pool, self._grace_seconds = packing, node_pool, grace_seconds
        self._log, self._report_log = log or NodeLog(), report_log or ReportLog()
        self._pauses = NodePauses(packing, self._log)
        self._containers = Containers(node_pool)
        self._node_probes = NodeProbes(packing, node_pool.nodes, self._pauses, self._log)
        self._usual_limits = allow_supervisors(len(node_pool.nodes))
        self._losses = NodeLosses(packing, node_pool.launch_on, self._pauses, self._log)
        self._supervisors: dict[SupervisorKey, SupervisorClient] = {}
        self._slots: dict[int, Slot] = {}
        self._placed: list[Placed] = []  # not told yet
        self._with_ranks: set[int] = set()  # evaluations that a launch command runs
        self._probes: dict[int, tuple[Outcome, Probe]] = {}  # of nodes of ranks that failed
        self._words_by = float("-inf")  # on the monotonic clock
        self._listen_at = float("-inf")
        self._suspects: set[int] = set()
        self._mark = {process_tree.LAUNCHER_VARIABLE: str(this_process())}
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
        return [*self._losses.troubles, *self._pauses.troubles]

    def start(self, claim: Claim, request: StartRequest) -> bool:
        if self._packing.never_fits(claim.resources):
            raise never_fits(claim.id, claim.resources, self._node_pool)
        request = self._containers.entered(request)
        slot = self._packing.place(claim.resources, claim.id)
        if slot is None:
            self._packing.keep_for(claim.id, claim.resources)
            return False
        key = self._key(request, slot)
        if not self._makes_way(slot, key, needs_command=request.has_ranks):
            self._packing.free(slot)
            return False
        filled = self._filled(claim, request, slot)
        if filled is None:
            return False
        request, supervisor = filled, self._supervisor(key, slot)
        if supervisor is None:
            self._packing.free(slot)
            return False
        self._slots[claim.id] = slot
        self._placed.append(Placed(claim.id, claim.attempt, request.node))
        self._pauses.note_start(claim, slot)
        if request.has_ranks:
            self._with_ranks.add(claim.id)
        self._node_probes.ask(supervisor, request)
        supervisor.start(request)
        return True

    def placed(self) -> list[Placed]:
        placed, self._placed = self._placed, []
        return placed

    def poll(self, timeout_seconds: float) -> list[Ended]:
        patience = min(timeout_seconds, PROBE_SECONDS if self._all_probes() else LISTEN_SECONDS)
        ended: list[Ended] = []
        ready = wait_for_any(list(self._supervisors.values()), patience)
        self._words_by = time.monotonic() + WORDS_SECONDS
        for supervisor in ready:
            for message in supervisor.receive():
                ended += self._understand(supervisor, message)
            if supervisor.is_dead:
                ended += self._reap(supervisor)
            elif not supervisor.running and (supervisor.key.alone_for is not None or supervisor.is_unfit):
                self._dismiss(supervisor)
        self._pauses.look()
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
        close_all(list(self._supervisors.values()))
        self._supervisors.clear()

    # -- where it starts ----------------------------------------------------------------------------

    def _filled(self, claim: Claim, request: StartRequest, slot: Slot) -> StartRequest | None:
        """The request with what its slot gives; None, without the slot, where others are in its way."""
        token, seconds = claim.token, self._grace_seconds
        try:
            return placed(request, claim.resources, slot, self._node_pool, token, seconds)
        except ShapeNeverFits:
            self._packing.free(slot)
            raise
        except NodesApart as error:
            self._packing.free(slot)
            if not self._packing.has_neighbours(claim.resources):
                raise ShapeNeverFits(f"Evaluation {claim.id} asks for {claim.resources}. {error}") from error
            self._packing.keep_for(claim.id, claim.resources)
            return None

    def _key(self, request: StartRequest, slot: Slot) -> SupervisorKey:
        """The supervisor that starts it: launch commands start here, what runs on one node starts there."""
        node = slot.node
        is_elsewhere = not request.has_ranks and bool(self._node_pool.launch_on(node))
        alone = request.id if request.id in self._suspects and not is_elsewhere else None
        where = node if is_elsewhere else ""
        nodes = {share.node for share in slot.shares}
        holds_node = not request.has_ranks or self._node_pool.own_name in nodes
        return SupervisorKey.of(request, alone, where, holds_node=holds_node)

    def _supervisor(self, key: SupervisorKey, slot: Slot) -> SupervisorClient | None:
        """The one of this key; None where the system starts no process, and the slot's nodes then pause."""
        supervisor = self._supervisors.get(key)
        if supervisor is None:
            launch = self._node_pool.launch_on(key.node) if key.node else ()
            lock = self._node_pool.lock(self._node_of(key)) if key.holds_node else {}
            environment = {**supervisor_environment(os.environ, key.threads), **self._mark, **lock}
            try:
                supervisor = SupervisorClient(key, environment, launch, self._usual_limits)
            except OSError as error:
                for share in slot.shares:
                    self._pauses.note_unstartable(share.node, str(error))
                return None
            self._supervisors[key] = supervisor
        return supervisor

    def _node_of(self, key: SupervisorKey) -> str:
        return key.node or self._node_pool.own_name

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
        if most is None or len(remote) + len(self._with_ranks) + len(self._losses.probes) < most:
            return True
        idle = next((supervisor for supervisor in remote if not supervisor.running), None)
        if idle is None:
            return False
        self._dismiss(idle)
        return True

    # -- what supervisors say -----------------------------------------------------------------------------

    def _understand(self, supervisor: SupervisorClient, message: Message) -> list[Ended]:
        if isinstance(message, Alive):
            self._note_greeting(supervisor)
        if isinstance(message, Alive | NodeProbed):
            self._node_probes.hear(supervisor, message)
            return []
        if isinstance(message, NodeTaken):
            return []  # it ends, and `taken_by` says why
        if isinstance(message, ImportFailed):
            supervisor.unloadable = message.reason
            key = supervisor.key
            return [Unloadable(key.function, key.directory, message.error, message.what)]
        if isinstance(message, Reported):
            if supervisor.holds(message.id, message.attempt, message.token):
                self._report_log.note(message)
            return []
        assert isinstance(message, AttemptReport)
        return self._note_report(supervisor, message)

    def _note_greeting(self, supervisor: SupervisorClient) -> None:
        if supervisor.key.holds_node:
            node = self._node_of(supervisor.key)
            self._losses.note_greeting(supervisor.key, node)
            self._pauses.note_ours(node)

    def _note_report(self, supervisor: SupervisorClient, report: AttemptReport) -> list[Ended]:
        request = supervisor.running.get(report.id)
        if request is None or not supervisor.holds(report.id, report.attempt, report.token):
            return []  # some launch commands repeat lines
        del supervisor.running[report.id]
        self._report_log.note_end(request, has_told_all=True)
        slot = self._slots[report.id]
        if report.unwritable:
            self._pauses.note_unwritable(slot, run_directory_of(request.folder), report.unwritable)
        if report.is_on_disk:
            report = read_outcome(request.folder, report.attempt, request.token) or report
        self._suspects.discard(report.id)
        self._losses.note_end(supervisor.key.node)
        if report.stopped:
            self._free(report.id)
            return [Interrupted(report.id, report.attempt, report.stopped, started=report.has_begun)]
        outcome = outcome_of(report)
        self._pauses.note_outcome(slot, outcome)
        if report.id in self._with_ranks and outcome.failure is FailureKind.ERROR:
            nodes = [share.node for share in slot.shares]
            with contextlib.suppress(OSError):  # too many processes, or files: it counts as it is
                self._probes[report.id] = (outcome, Probe(self._node_pool.launch_on, nodes))
                return []
        self._free(report.id)
        return [outcome]

    def _hear_probes(self) -> list[Ended]:
        """Decide by probes whether failed ranks or a node were at fault, and which nodes are used again."""
        ended: list[Ended] = list(self._losses.look())
        for evaluation_id, (outcome, probe) in list(self._probes.items()):
            lost = probe.lost()
            if lost is None:
                continue
            del self._probes[evaluation_id]
            self._free(evaluation_id)
            for node in lost:
                self._losses.give_up(node, probe.words)
            reason = f"node {', '.join(lost)} lost"
            ended.append(Interrupted(evaluation_id, outcome.attempt, reason) if lost else outcome)
        return ended

    def _reap(self, supervisor: SupervisorClient) -> list[Ended]:
        """Report the evaluations of a dead supervisor, and kill what is left of them."""
        del self._supervisors[supervisor.key]
        supervisor.close()
        is_elsewhere = bool(supervisor.key.node)
        if supervisor.taken_by:
            return self._leave(supervisor)
        ended = self._note_death(supervisor)
        for evaluation_id, request in supervisor.running.items():
            attempt = request.attempt
            if not is_elsewhere:
                process_tree.kill_orphans(request.token)
            self._free(evaluation_id)
            self._report_log.note_end(request, has_told_all=False)
            left = read_outcome(request.folder, attempt, request.token)
            if left is not None:  # it had ended, and only the report of its end is lost
                self._suspects.discard(evaluation_id)
                ended.append(outcome_of(left))
            elif supervisor.unloadable is not None:
                ended.append(Interrupted(evaluation_id, attempt, supervisor.unloadable, started=False))
            elif supervisor.key.alone_for == evaluation_id:
                self._suspects.discard(evaluation_id)
                ended.append(blamed(request, request.node))
            elif is_elsewhere:
                reason = f"node {supervisor.key.node}: supervising process died"
                ended.append(Interrupted(evaluation_id, attempt, reason, started=supervisor.has_greeted))
            else:
                self._suspects.add(evaluation_id)
                ended.append(Interrupted(evaluation_id, attempt, "supervising process died"))
        probed = [probe.pids for probe in self._all_probes()]
        process_tree.reap(but={supervisor.pid for supervisor in self._supervisors.values()}.union(*probed))
        return ended

    def _note_death(self, supervisor: SupervisorClient) -> list[Ended]:
        """Blame the node of a dead supervisor where it is another one, or a container that did not start."""
        if supervisor.unloadable is not None:
            return []
        if supervisor.key.node:
            self._losses.note_death(supervisor, supervisor.last_words(self._words_by))
            return []
        failure = supervisor.no_container(self._words_by)
        return [] if failure is None else self._understand(supervisor, failure)

    def _leave(self, supervisor: SupervisorClient) -> list[Ended]:
        """Leave its node to the launcher that has it, for a while."""
        node = self._node_of(supervisor.key)
        self._pauses.note_taken(node, supervisor.taken_by)
        for evaluation_id in supervisor.running:
            self._free(evaluation_id)
        reason = f"node {node}: in use by {supervisor.taken_by}"
        return [Interrupted(*one, reason, started=False) for one in supervisor.attempts]

    def _all_probes(self) -> list[Probe]:
        return [*(probe for _, probe in self._probes.values()), *self._losses.probes]

    def _reap_silent(self) -> list[Ended]:
        """Give up supervisors on other nodes that have been silent for too long, and wake those here."""
        now = time.monotonic()
        if now < self._listen_at:
            return []
        was_away, self._listen_at = now - self._listen_at > AWAY_SECONDS, now + LISTEN_SECONDS
        if was_away:  # a scheduler may have suspended all of us: first they have their say
            self._listen_at = now + AWAY_SECONDS
            return []
        for supervisor in self._supervisors.values():
            supervisor.wake()
        return [
            one
            for supervisor in list(self._supervisors.values())
            if supervisor.is_silent
            for one in self._reap(supervisor)
        ]

    def _dismiss(self, supervisor: SupervisorClient) -> None:
        del self._supervisors[supervisor.key]
        supervisor.close()

    def _free(self, evaluation_id: int) -> None:
        self._with_ranks.discard(evaluation_id)
        slot = self._slots.pop(evaluation_id, None)
        if slot is not None:
            self._packing.free(slot)
            self._pauses.note_end(evaluation_id)
