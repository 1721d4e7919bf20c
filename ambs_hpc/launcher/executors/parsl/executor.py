"""The `parsl` executor: a pool of workers over all nodes, started by one launch command.

For many nodes, and where the launch command cannot share a node. Every worker has the same slot.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ambs_hpc.errors import ShapeNeverFits
from ambs_hpc.identity import this_process
from ambs_hpc.launcher.container_command import Containers
from ambs_hpc.launcher.executors.attempt_ends import blamed, outcome_of
from ambs_hpc.launcher.executors.node_health import FolderProbe, Probe, lost, unwritable
from ambs_hpc.launcher.executors.node_log import NodeLog
from ambs_hpc.launcher.executors.node_pauses import NodePauses
from ambs_hpc.launcher.executors.node_probes import NodeProbes
from ambs_hpc.launcher.executors.parsl.pool import Answer, Pool, PoolPlan, require_parsl
from ambs_hpc.launcher.executors.parsl.pool_nodes import PoolNodes
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted, Placed, Unloadable
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.executors.start_request import placed
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import UNLIMITED_GIB, Node, Packing, Share, Slot
from ambs_hpc.launcher.paths import run_directory_of
from ambs_hpc.launcher.supervisor.messages import ImportFailed, StartRequest, SupervisorDied
from ambs_hpc.launcher.supervisor.outcome import read_outcome
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.schedulers.last_words import last_words
from ambs_hpc.states import NodeEventKind

logger = logging.getLogger(__name__)

FIRST_SECONDS = 120.0  # for the first manager to come up
PROBE_SECONDS = 0.2  # between two looks at a probe
MOST_PROBED = 1000  # launch commands at a time
MOST_POOLS = 3  # that failed, one after the other without an evaluation that ended
WORKER_LOST = "WorkerLost"
NOT_HERE = (
    "Evaluation {id} asks for {resources}; the parsl executor runs evaluations of one node each, here of at "
    "most {most}, which is what the smallest node has. Start a launcher with --executor process for it, or "
    "correct `resources` in the problem."
)


class ParslExecutor:
    """Runs evaluations of one node each in the workers of a pool.

    The first evaluation decides the shape of the slots; smaller ones run in such slots too, and a larger one
    has the pool made anew when nothing else runs. A pool that fails is made anew; when that does not help,
    or no node comes up, all nodes are given up.
    """

    def __init__(
        self,
        packing: Packing,
        node_pool: NodePool,
        grace_seconds: float,
        folder: Path,
        slots: int | None = None,
        log: NodeLog | None = None,
        report_log: ReportLog | None = None,
    ) -> None:
        """
        Args:
            folder: where pools have theirs, seen by all nodes.
            slots: at most so many evaluations at once.
            log: is told what happens on nodes, and says which to use no more.
            report_log: is told what evaluations report.

        Raises:
            UsageError: Parsl is not installed.
        """
        require_parsl()
        self._packing, self._node_pool, self._grace_seconds = packing, node_pool, grace_seconds
        self._folder, self._slots = folder, slots
        self._containers = Containers(node_pool)
        self._pool: Pool | None = None
        self._shape: Resources | None = None
        self._per_node: Sequence[Share] = ()
        self._running: dict[int, StartRequest] = {}  # by evaluation
        self._deaths: Counter[int] = Counter()  # of supervisors and workers, by evaluation
        self._pools = self._failures = 0
        self._words = ""  # what the launch command said when it started nothing
        self._probe: Probe | None = None  # of the nodes of a pool that failed
        self._unwritable: tuple[FolderProbe, str] | None = None  # with the words for people
        self._log, self._report_log = log or NodeLog(), report_log or ReportLog()
        self._node_probes = NodeProbes(packing, node_pool.nodes, NodePauses(packing), self._log)
        self._nodes = PoolNodes(packing, self._node_probes, self._log)

    # -- what fits ----------------------------------------------------------------------------------

    def count(self, shape: Resources) -> int:
        if self._unwritable is not None:
            return 0
        if self._shape is None:
            return 0 if shape.needs_launch_command else self._packing.count(shape)
        return self._free if self._fits(shape) else 0

    def room(self) -> Resources | None:
        if self._unwritable is not None:
            return None
        if self._shape is None:
            room = self._packing.room()
            return None if room is None else replace(room, nodes=1)
        return self.capacity() if self._free > 0 else None

    def capacity(self) -> Resources | None:
        largest = self._packing.capacity()
        if largest is None:
            return None
        if self._shape is None:
            return replace(largest, nodes=1)
        share = self._per_node[0]
        memory = 0.0 if share.memory_gib == UNLIMITED_GIB else share.memory_gib
        return Resources(len(share.cores), len(share.gpus), memory, whole_node=len(self._per_node) == 1)

    def most(self, shape: Resources) -> int:
        if self._shape is None:
            return 0 if shape.needs_launch_command else self._packing.most(shape)
        return self._workers if self._fits(shape) else 0

    @property
    def troubles(self) -> Sequence[str]:
        left = self._packing.nodes
        told = [*self._nodes.troubles, *self._log.left_out_words]
        told += [] if self._unwritable is None else [self._unwritable[1]]
        gone = [node.name for node in self._node_pool.nodes if node.name not in left]
        return [*lost(dict.fromkeys(gone, self._words)), *told]

    @property
    def _free(self) -> int:
        is_paused = self._probe is not None or self._unwritable is not None
        return 0 if is_paused else max(0, self._workers - len(self._running))

    @property
    def _workers(self) -> int:
        """How many evaluations may run; while the pool comes up those that are planned count."""
        workers = len(self._per_node) * self._nodes.usable
        if self._pool is not None and self._pool.workers and self._pool.age_seconds > FIRST_SECONDS:
            workers = self._pool.workers  # some nodes never came up, or are lost
        return workers if self._slots is None else min(workers, self._slots)

    def _fits(self, shape: Resources) -> bool:
        share = self._per_node[0]
        return (
            not shape.needs_launch_command
            and (not shape.whole_node or len(self._per_node) == 1)
            and shape.cores <= len(share.cores)
            and shape.gpus <= len(share.gpus)
            and shape.memory_gib <= share.memory_gib
        )

    # -- the seam -----------------------------------------------------------------------------------

    def start(self, claim: Claim, request: StartRequest) -> bool:
        if not self._has_slots_for(claim.resources):
            node = self._smallest
            most = None if node is None else Packing([node]).capacity()
            raise ShapeNeverFits(NOT_HERE.format(id=claim.id, resources=claim.resources, most=most))
        if not self._fits(claim.resources) or self._free < 1:
            return False
        request = self._containers.entered(request)
        if self._pool is None:
            self._pool = Pool(self._plan(run_directory_of(request.folder)), self._report_log)
        share = self._trimmed(claim.resources)
        request = placed(
            request, claim.resources, Slot((share,)), self._node_pool, claim.token, self._grace_seconds
        )
        self._running[claim.id] = request
        self._pool.submit(request)
        return True

    def placed(self) -> list[Placed]:
        places = () if self._pool is None else self._pool.places()
        running = {(one.id, one.attempt) for one in self._running.values()} if places else ()
        return [Placed(*one) for one in places if one[:2] in running]

    def poll(self, timeout_seconds: float) -> list[Ended]:
        if self._unwritable is not None and self._unwritable[0].is_writable():
            self._unwritable = None
        if self._pool is None:
            time.sleep(timeout_seconds if self._probe is None else min(timeout_seconds, PROBE_SECONDS))
            self._hear_probe()
            return []
        ended: list[Ended] = []
        for answer in self._pool.answers(timeout_seconds):
            ended += self._understand(answer)
        return ended + self._hear_of_nodes() + self._look_after_pool()

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        mine = [(one, self._running[one].attempt) for one in ids if one in self._running]
        if mine and self._pool is not None:
            self._pool.cancel(mine, grace_seconds)

    def close(self) -> None:
        if self._probe is not None:
            self._probe.close()
            self._probe = None
        self._close_pool()

    def _close_pool(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    # -- slots --------------------------------------------------------------------------------------

    def _has_slots_for(self, shape: Resources) -> bool:
        """Whether it fits into a slot, now or when the pool is made anew; False when it never does."""
        if shape.needs_launch_command or self._packing.never_fits(shape):
            return False
        if self._shape is not None and self._fits(shape):
            return True
        slots = self._slots_of_a_node(shape)
        if not slots:
            return False
        if self._shape is None or not self._running:
            if self._pool is not None:
                logger.info("pool is made anew for a larger shape=%s", shape)
                self._close_pool()
            self._shape, self._per_node = shape, slots
        return True

    def _slots_of_a_node(self, shape: Resources) -> list[Share]:
        """The slots of a node, one for each worker: those of the smallest node, for all of them.

        [] where the shape does not fit there, though it may on larger nodes.
        """
        node = self._smallest
        if node is None:
            return []
        packing = Packing([node], self._slots)
        shares: list[Share] = []
        while (slot := packing.place(shape)) is not None:
            shares.append(slot.shares[0])
        return [replace(share, memory_gib=node.memory_gib / len(shares)) for share in shares]

    @property
    def _smallest(self) -> Node | None:
        """The node that slots are cut from; None when all are lost."""
        names = set(self._packing.nodes)
        left = [one for one in self._node_pool.nodes if one.name in names]
        return min(left, key=lambda one: (len(one.cores), len(one.gpus), one.memory_gib), default=None)

    def _trimmed(self, shape: Resources) -> Share:
        """The part of a slot that an evaluation of this shape uses."""
        share = self._per_node[0]
        if shape.whole_node:
            return share
        return replace(share, cores=share.cores[: shape.cores], gpus=share.gpus[: shape.gpus])

    def _plan(self, run_directory: str) -> PoolPlan:
        is_binding = self._nodes.begin()
        self._pools += 1
        folder = self._folder / f"pool-{self._pools}"
        nodes = self._packing.nodes
        is_here = len(nodes) == 1 and not self._node_pool.launch_on(nodes[0])
        launch = () if is_here else self._node_pool.launch_on_all(nodes)
        variable = self._node_pool.gpu_variable if self._packing.has_gpus else None
        return PoolPlan(
            folder,
            nodes,
            self._per_node,
            variable,
            launch,
            str(this_process()),
            run_directory,
            min(map(self._node_probes.expected, nodes)),
            is_binding,
            self._node_pool.lock(self._per_node[0].node),  # that slots are cut from
        )

    # -- what the pool says -------------------------------------------------------------------------

    def _understand(self, answer: Answer) -> list[Ended]:
        request = self._running.pop(answer.evaluation_id, None)
        if request is None:
            return []
        self._report_log.note_end(request, has_told_all=False)
        report = answer.message
        if report is None:
            if answer.error.startswith(WORKER_LOST):
                return [self._died(request, answer.error)]
            return [self._left(request) or Interrupted(request.id, request.attempt, answer.error)]
        if isinstance(report, ImportFailed):
            told = Unloadable(request.function, request.objective_directory, report.error, report.what)
            return [told, Interrupted(request.id, request.attempt, report.reason, started=False)]
        if isinstance(report, SupervisorDied):
            return [self._died(request, "supervising process died")]
        self._failures, self._words = 0, ""
        self._deaths.pop(request.id, None)
        if report.unwritable:
            self._note_unwritable(report.node, run_directory_of(request.folder), report.unwritable)
        if report.is_on_disk:
            report = read_outcome(request.folder, request.attempt, request.token) or report
        if report.stopped:
            return [Interrupted(request.id, request.attempt, report.stopped, started=report.has_begun)]
        return [outcome_of(report)]

    def _note_unwritable(self, node: str, run_directory: str, why: str) -> None:
        """Start nothing until this node can write there: Parsl chooses the node, so all of them pause."""
        if self._unwritable is None:
            told = unwritable(run_directory, why)
            logger.warning("all nodes pause: %s", told)
            folder = FolderProbe(run_directory)
            self._unwritable = folder, told
            self._log.note_failure(node, NodeEventKind.UNWRITABLE, told, is_of_node=folder.was_writable)

    def _hear_of_nodes(self) -> list[Ended]:
        """Take what nodes tell of themselves; with none that is fit, all are used all the same."""
        assert self._pool is not None
        for news in self._pool.of_nodes():
            self._nodes.hear(news)
        for node in self._log.newly_left_out():
            self._packing.lose(node)
            self._pool.leave_out(node)
        if not self._nodes.needs_unfit(self._pool.age_seconds):
            return []
        return self._interrupt_all("no node is fit", started=False)

    def _interrupt_all(self, why: str, *, started: bool) -> list[Ended]:
        """Close the pool and report what was in it."""
        self._close_pool()
        held, self._running = list(self._running.values()), {}
        for one in held:
            self._report_log.note_end(one, has_told_all=False)
        left = [(one, self._left(one)) for one in held]
        # A failure may be of the end that the pool has just come to.
        ends = ((one, None if end is None or end.failure is not None else end) for one, end in left)
        return [end or Interrupted(one.id, one.attempt, why, started=started) for one, end in ends]

    def _left(self, request: StartRequest) -> Outcome | None:
        """The outcome of an attempt that had ended by itself, where only the report of its end is lost."""
        report = read_outcome(request.folder, request.attempt, request.token)
        if report is None or report.stopped:
            return None
        self._deaths.pop(request.id, None)
        return outcome_of(report)

    def _died(self, request: StartRequest, reason: str) -> Ended:
        """The end of an attempt whose supervisor or worker died, in which nothing else ran."""
        if (left := self._left(request)) is not None:
            return left
        self._deaths[request.id] += 1
        if self._deaths[request.id] > 1:
            return blamed(request, request.node)
        return Interrupted(request.id, request.attempt, reason)

    def _look_after_pool(self) -> list[Ended]:
        pool = self._pool
        if pool is None:
            return []
        failure, has_run = pool.failure(), pool.has_had_workers
        if failure is None and not pool.workers and pool.age_seconds > FIRST_SECONDS:
            why = "no node is left" if has_run else "no node has come up"
            failure = ": ".join(filter(None, (why, self._nodes.taken_words)))
            self._failures = MOST_POOLS
        if failure is None:
            return []
        self._failures += 1
        said = pool.tail()  # its log goes with it
        logger.error("pool failed reason=%s said=%s", failure, said)
        if not has_run:
            self._words = last_words(said)
        interrupted = self._interrupt_all(failure, started=has_run)
        if self._failures >= MOST_POOLS:
            self._give_up(": ".join(filter(None, (failure, last_words(said)))))
        self._ask_nodes()
        return interrupted

    def _ask_nodes(self) -> None:
        """Some launch commands end everywhere when one node dies: find out which, before the next pool."""
        nodes = [node for node in self._packing.nodes if self._node_pool.launch_on(node)]
        if nodes and len(nodes) <= (self._node_pool.most_at_once or MOST_PROBED):
            self._probe = Probe(self._node_pool.launch_on, nodes)

    def _hear_probe(self) -> None:
        lost = None if self._probe is None else self._probe.lost()
        if self._probe is None or lost is None:
            return
        self._words = self._probe.words or self._words
        self._probe = None
        for node in lost:
            logger.error("node given up node=%s", node)
            why = "the launch command starts nothing there any more"
            self._log.note_failure(node, NodeEventKind.NODE_LOST, why)
            self._packing.lose(node)

    def _give_up(self, why: str) -> None:
        taken = self._nodes.taken_words
        advice = "Try --executor process." if not taken else "" if taken in why else taken
        logger.error("no pool of workers can be had, all nodes are given up: %s. %s", why, advice)
        for node in self._packing.nodes:
            self._packing.lose(node)
