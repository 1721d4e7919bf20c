"""What is known of the nodes of a pool: which have trouble, and which others have."""

from __future__ import annotations

import logging

from ambs_hpc.launcher.executors.node_log import NodeLog
from ambs_hpc.launcher.executors.node_probes import NodeProbes
from ambs_hpc.launcher.executors.parsl.pool_files import (
    NodeFound,
    NodeLost,
    NodeNews,
    NodeOccupied,
    ObjectiveImported,
)
from ambs_hpc.launcher.packing import Packing
from ambs_hpc.states import NodeEventKind

logger = logging.getLogger(__name__)

LOST = "the manager of its workers was lost: its heartbeats stopped"
TAKEN_SECONDS = 60.0  # that nodes in use by others are waited for, before those with trouble are used


class PoolNodes:
    """Takes what nodes tell of themselves, of one pool after the other."""

    def __init__(self, packing: Packing, probes: NodeProbes, log: NodeLog) -> None:
        """`packing`: of the nodes; those that are lost are no longer in it."""
        self._packing, self._probes, self._log = packing, probes, log
        self._unfit: dict[str, str] = {}  # nodes on which nothing is begun, and why
        self._taken: dict[str, str] = {}  # nodes that launchers of other allocations have, and who these are
        self._lost: set[str] = set()  # nodes whose workers are gone
        self._uses_unfit = False  # in the next pool

    def begin(self) -> bool:
        """A pool is begun, of which nothing is known yet; whether trouble keeps a node out of it."""
        is_binding, self._uses_unfit = self._probes.are_binding and not self._uses_unfit, False
        self._unfit.clear()
        self._taken.clear()
        self._lost.clear()
        return is_binding

    def hear(self, news: NodeNews) -> None:
        """A node tells something, or is lost."""
        node = news.node
        if isinstance(news, NodeLost):
            self._lost.add(node)
            self._log.note_failure(node, NodeEventKind.NODE_LOST, LOST)
        elif isinstance(news, NodeFound):
            self._lost.discard(node)
        elif isinstance(news, NodeOccupied):
            self._taken.pop(node, None)
            if news.who:
                self._taken[node] = news.who
                logger.warning("node taken node=%s by=%s", node, news.who)
        elif isinstance(news, ObjectiveImported):
            self._probes.note_import(node, news.function, news.seconds)
        else:
            self._unfit.pop(node, None)
            if self._probes.note(news):
                self._unfit[node] = news.trouble
                logger.warning("node unfit node=%s: %s", node, news.trouble)

    @property
    def usable(self) -> int:
        """How many nodes have workers, or will have."""
        return sum(node not in self._unfit and node not in self._taken for node in self._packing.nodes)

    @property
    def troubles(self) -> list[str]:
        """In words for people."""
        unfit = [f"node {node}: {why}" for node, why in self._unfit.items()]
        taken = [f"node {node}: in use by {who}" for node, who in self._taken.items()]
        return unfit + taken + [f"node {node}: {LOST}" for node in sorted(self._lost)]

    @property
    def taken_words(self) -> str:
        """Which nodes others have, and who; "" for none."""
        return ", ".join(f"node {node} is in use by {who}" for node, who in self._taken.items())

    def needs_unfit(self, age_seconds: float) -> bool:
        """Whether the pool has come to nodes with trouble alone; the next one then uses them all the same.

        Args:
            age_seconds: of the pool: nodes that others have may soon be free.
        """
        nodes, taken = set(self._packing.nodes), self._taken.keys()
        are_all_unfit = nodes <= self._unfit.keys()
        is_late = age_seconds > TAKEN_SECONDS and nodes <= self._unfit.keys() | taken
        if not self._unfit or not (are_all_unfit or is_late):
            return False
        words = self.taken_words or "none is in use by others"
        logger.warning("no node is fit, %s: those with trouble are used all the same", words)
        self._unfit.clear()
        self._uses_unfit = True
        return True
