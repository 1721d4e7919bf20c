"""Nodes on which nothing is started for now, and the one evaluation that then tries each of them again.

A node pauses when it cannot write an evaluation's folder, when everything fails on it at once, or when a look
at it before its first evaluation has found trouble.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ambs_hpc.launcher.executors.black_hole import BlackHoles
from ambs_hpc.launcher.executors.node_health import LOOK_SECONDS, FolderProbe, unwritable
from ambs_hpc.launcher.executors.node_log import NodeLog
from ambs_hpc.launcher.packing import Packing, Slot
from ambs_hpc.records import Claim, Outcome
from ambs_hpc.states import NodeEventKind

logger = logging.getLogger(__name__)

BLACK_HOLE_SECONDS = 60.0  # until a node on which everything failed is tried again
LONGEST_SECONDS = 60.0  # until a node is tried again that cannot write what this one can, or that others have
UNFIT_SECONDS = 300.0  # until a node is looked at again on which a look has found trouble
TAKEN_SECONDS = 5.0  # until a node is tried again that others have; twice as long after every further try
# When all have been taken for so long, all are given up: who has lost an allocation ends within a minute.
CROWDED_SECONDS = 120.0
STALE_SECONDS = 300.0  # a refusal says nothing of a later one when nobody has tried for so long between them
START_SECONDS = 30.0  # until a supervisor is started again where the system refused to start one
TRIAL_SECONDS = 10.0  # what has run for so long after a pause shows that its node is well


@dataclass(frozen=True, slots=True)
class _Pause:
    """Why nothing is started on a node.

    Args:
        over_at: when it may end, on the monotonic clock.
        folder: that must be writable before; None for none.
        is_unfit: a look at the node has found trouble.
    """

    why: str
    over_at: float
    folder: FolderProbe | None = None
    is_unfit: bool = False

    @property
    def is_over(self) -> bool:
        can_write = self.folder is None or self.folder.is_writable()
        return can_write and time.monotonic() >= self.over_at


@dataclass
class _Trial:
    """A node that has paused and may run one evaluation; `begun_at` on the monotonic clock."""

    why: str
    evaluation_id: int | None = None
    begun_at: float = float("inf")


@dataclass(frozen=True, slots=True)
class _Refusals:
    """The first and the last of a node that others have, on the monotonic clock, and the tries they cost."""

    first: float
    last: float
    tries: int

    @property
    def patience_seconds(self) -> float:
        """Until the next try: each costs a launch command, and an attempt that goes back."""
        return min(LONGEST_SECONDS, TAKEN_SECONDS * 2.0 ** min(4, self.tries - 1))

    def is_lasting(self, now: float) -> bool:
        return self.first < now - CROWDED_SECONDS and self.last >= now - STALE_SECONDS


class NodePauses:
    """Limits what begins on nodes in trouble; told of every evaluation that starts and ends."""

    def __init__(self, packing: Packing, log: NodeLog | None = None) -> None:
        """`log`: is told of every pause."""
        self._packing, self._log = packing, log or NodeLog()
        self._has_others = len(packing.nodes) > 1
        self._black_holes = BlackHoles()
        self._pauses: dict[str, _Pause] = {}
        self._trials: dict[str, _Trial] = {}
        self._crowded = ""  # why all nodes were given up, in words
        self._taken: dict[str, _Refusals] = {}  # by others
        self._in_a_row: Counter[str] = Counter()  # pauses of a node without a trial that went well

    @property
    def troubles(self) -> list[str]:
        """Why nothing is started, and on which nodes, in words for people."""
        crowded = [self._crowded] if self._crowded else []
        words = [(pause.why, node) for node, pause in self._pauses.items()]
        words += [(f"{one.why}; one evaluation tries it again", node) for node, one in self._trials.items()]
        told: dict[str, list[str]] = {}
        for why, node in words:
            told.setdefault(why, []).append(node)
        return [*crowded, *self._log.left_out_words, *(self._told(why, nodes) for why, nodes in told.items())]

    def note_start(self, claim: Claim, slot: Slot) -> None:
        """An evaluation was started."""
        if self._has_others and len(slot.shares) == 1:
            self._black_holes.note_start(claim.id, claim.campaign_id, slot.node)
        for share in slot.shares if self._trials else ():
            trial = self._trials.get(share.node)
            if trial is not None and trial.evaluation_id is None:
                trial.evaluation_id, trial.begun_at = claim.id, time.monotonic()

    def note_outcome(self, slot: Slot, outcome: Outcome) -> None:
        """An evaluation has ended with an outcome; `note_end` follows."""
        if self._has_others:
            why = self._black_holes.note_outcome(outcome)
            if why:
                self._pause(slot.node, _Pause(why, time.monotonic() + BLACK_HOLE_SECONDS))
                self._log.note_failure(slot.node, NodeEventKind.BLACK_HOLE, why, is_of_node=lambda: True)

    def note_unwritable(self, slot: Slot, run_directory: str, why: str) -> None:
        """The folder of an evaluation could not be written; `why` as the system says it."""
        told = unwritable(run_directory, why)
        probe = self._probe_of(run_directory)
        for share in slot.shares:
            # When this node can write, that one still may not: it is tried less and less often.
            patience = LOOK_SECONDS * (2.0 ** min(10, self._in_a_row[share.node]) - 1)
            over_at = time.monotonic() + min(LONGEST_SECONDS, patience)
            self._pause(share.node, _Pause(told, over_at, probe))
            if len(slot.shares) == 1:  # of several, nobody knows which could not write
                self._log.note_failure(
                    share.node, NodeEventKind.UNWRITABLE, told, is_of_node=probe.was_writable
                )

    def note_unfit(self, node: str, why: str) -> None:
        """A look at the node has found trouble, and nothing was begun there."""
        self._pause(node, _Pause(why, time.monotonic() + UNFIT_SECONDS, is_unfit=True))

    def note_taken(self, node: str, who: str) -> None:
        """A launcher of another allocation has the node, and nothing was begun there; `who` in words."""
        if node not in self._packing.nodes:
            return
        now = time.monotonic()
        known = self._taken.get(node)
        if known is None or known.last < now - STALE_SECONDS:
            known = _Refusals(now, now, 0)
        is_try = node not in self._pauses  # supervisors that started together are refused together
        refused = _Refusals(known.first, now, known.tries + is_try)
        self._taken[node] = refused
        self._pause(node, _Pause(f"the node is in use by {who}", now + refused.patience_seconds))
        self._leave_when_crowded_out(now)

    def note_ours(self, node: str) -> None:
        """No launcher of another allocation has the node: a supervisor of ours serves there."""
        self._taken.pop(node, None)

    def note_unstartable(self, node: str, why: str) -> None:
        """No supervisor for the node could be started here; `why` as the system says it."""
        why = f"no supervising process can be started: {why}"
        self._pause(node, _Pause(why, time.monotonic() + START_SECONDS))

    def use_unfit(self) -> None:
        """Use the nodes on which a look has found trouble all the same, since there are no others."""
        for node in [node for node, pause in self._pauses.items() if pause.is_unfit]:
            pause = self._pauses.pop(node)
            self._packing.limit(node, None)
            logger.warning("node used all the same node=%s: %s", node, pause.why)

    def note_end(self, evaluation_id: int) -> None:
        """An evaluation has ended, however it did."""
        if self._has_others:
            self._black_holes.note_interruption(evaluation_id)
        for node in [node for node, one in self._trials.items() if one.evaluation_id == evaluation_id]:
            self._use_again(node)

    def note_lost(self, node: str) -> None:
        """The node is given up."""
        self._pauses.pop(node, None)
        self._trials.pop(node, None)
        self._taken.pop(node, None)

    def look(self) -> None:
        """Have nodes tried whose pause is over, and use those again on which the trial goes on.

        Nodes that have failed too often are used no more.
        """
        for node in self._log.newly_left_out():
            self._packing.lose(node)  # what runs there goes on
            self.note_lost(node)
        for node, pause in list(self._pauses.items()):
            if pause.is_over:
                del self._pauses[node]
                self._trials[node] = _Trial(pause.why)
                self._packing.limit(node, 1)
        long_ago = time.monotonic() - TRIAL_SECONDS
        for node in [node for node, one in self._trials.items() if one.begun_at < long_ago]:
            self._use_again(node)

    def _leave_when_crowded_out(self, now: float) -> None:
        """Give all nodes up once others have refused all of them for too long, and lately.

        Decided when a node is refused: where nothing was tried, nobody knows.
        """
        nodes = list(self._packing.nodes)
        known = [self._taken[one] for one in nodes if one in self._taken]
        if len(known) == len(nodes) and all(one.is_lasting(now) for one in known):
            self._crowded = f"node {', '.join(nodes)}: launchers of other allocations have it"
            logger.error("no node is ours: %s", self._crowded)
            for node in nodes:
                self._packing.lose(node)
                self.note_lost(node)

    def _probe_of(self, run_directory: str) -> FolderProbe:
        """One for all nodes that wait for the same folder."""
        for pause in self._pauses.values():
            if pause.folder is not None and pause.folder.folder == run_directory:
                return pause.folder
        return FolderProbe(run_directory)

    def _pause(self, node: str, pause: _Pause) -> None:
        if node not in self._packing.nodes:
            return
        self._trials.pop(node, None)
        if node not in self._pauses:
            self._in_a_row[node] += 1
            self._pauses[node] = pause
            self._packing.limit(node, 0)
            logger.warning("node paused node=%s: %s", node, pause.why)

    def _use_again(self, node: str) -> None:
        del self._trials[node]
        del self._in_a_row[node]
        self._packing.limit(node, None)
        logger.info("node used again node=%s", node)

    def _told(self, why: str, nodes: Sequence[str]) -> str:
        is_everywhere = set(nodes) == set(self._packing.nodes)
        return why if is_everywhere else f"node {', '.join(nodes)}: {why}"
