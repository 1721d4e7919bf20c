"""Nodes whose supervisors die: used again, left alone for a while, or given up.

A node whose supervisor does not start at all, or dies again and again, is given up. One whose supervisor died
once is used again when the launch command still starts something there. Where it does, and only a container
did not start, the node is left alone for a while; the container is to blame once it has failed so on all
nodes that are left and starts on none.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from dataclasses import dataclass

from ambs_hpc.launcher.executors.node_health import Probe, lost
from ambs_hpc.launcher.executors.node_log import NodeLog
from ambs_hpc.launcher.executors.node_pauses import NodePauses
from ambs_hpc.launcher.executors.protocol import Unloadable
from ambs_hpc.launcher.node_pool import LaunchOn
from ambs_hpc.launcher.packing import Packing
from ambs_hpc.launcher.supervisor.client import SupervisorClient, SupervisorKey, container_failure
from ambs_hpc.schedulers.last_words import last_words
from ambs_hpc.states import NodeEventKind

logger = logging.getLogger(__name__)

MOST_DEATHS = 3  # of supervisors on a node, without an evaluation that ended between them


@dataclass(frozen=True, slots=True)
class _Unstarted:
    """What the command of a container said that did not start, or had not when it was given up."""

    said: str
    is_late: bool


class NodeLosses:
    """Is told of every supervisor on another node that dies, and decides about its node."""

    def __init__(self, packing: Packing, reach: LaunchOn, pauses: NodePauses, log: NodeLog) -> None:
        """`reach`: the command that starts a program on a node; () for this one."""
        self._packing, self._reach, self._pauses, self._log = packing, reach, pauses, log
        self._deaths: Counter[str] = Counter()
        self._lost: dict[str, str] = {}  # with what the launch command said that starts nothing there
        self._doubtful: dict[str, Probe] = {}  # of a node whose supervisor died
        self._unstarted: dict[str, dict[SupervisorKey, _Unstarted]] = {}  # in containers
        self._nodes_without: dict[tuple[str, ...], set[str]] = defaultdict(set)  # by container

    @property
    def troubles(self) -> list[str]:
        """Nodes that were given up, in words for people."""
        return lost(self._lost)

    @property
    def probes(self) -> list[Probe]:
        """Those that run."""
        return list(self._doubtful.values())

    def note_greeting(self, key: SupervisorKey, node: str) -> None:
        """A supervisor has started on a node, and in its container."""
        if key.within:
            self._nodes_without[key.within].discard(node)

    def note_end(self, node: str) -> None:
        """An evaluation under a supervisor there has ended."""
        self._deaths.pop(node, None)

    def note_death(self, supervisor: SupervisorClient, said: str) -> None:
        """A supervisor died there.

        Args:
            said: the last lines of the command that started it, "" for none.
        """
        key, node = supervisor.key, supervisor.key.node
        if key.within and not supervisor.has_greeted:
            unstarted = _Unstarted(said, is_late=not supervisor.is_dead)
            self._unstarted.setdefault(node, {})[key] = unstarted
            self._doubt(node)
            return
        self._deaths[node] += 1
        deaths = self._deaths[node]
        logger.warning("supervisor died node=%s greeted=%s deaths=%d", node, supervisor.has_greeted, deaths)
        if not supervisor.has_greeted:
            self.give_up(node, last_words(said), "no supervising process starts there")
        elif deaths >= MOST_DEATHS:
            self.give_up(node, "", f"{deaths} supervising processes in a row died")
        elif node not in self._doubtful:
            why = "supervising process died, or was not heard for a minute"
            self._log.note_failure(node, NodeEventKind.SUPERVISOR_LOST, why)
            self._doubt(node)

    def look(self) -> list[Unloadable]:
        """Decide about nodes in doubt by what their probes found; what cannot be run on any node."""
        found: list[Unloadable] = []
        for node, asked in list(self._doubtful.items()):
            unreachable = asked.lost()
            if unreachable is None:
                continue
            del self._doubtful[node]
            unstarted = self._unstarted.pop(node, {})
            if unreachable:
                self.give_up(node, asked.words)
                continue
            self._packing.resume(node)
            for key, one in unstarted.items():
                found += self._blame(node, key, one)
        return found

    def give_up(
        self, node: str, words: str, why: str = "the launch command starts nothing there any more"
    ) -> None:
        """Start nothing there any more; `words`: those of the launch command, "" if it said none."""
        told = f"{why}: {words}" if words else why
        logger.error("node given up node=%s: %s", node, told)
        self._log.note_failure(node, NodeEventKind.NODE_LOST, told)
        self._lost[node] = words
        self._packing.lose(node)
        self._pauses.note_lost(node)

    def _doubt(self, node: str) -> None:
        if node in self._doubtful:
            return
        try:
            probe = Probe(self._reach, [node])
        except OSError as error:  # this node's trouble, such as too many processes or open files
            self._unstarted.pop(node, None)
            self._pauses.note_unstartable(node, str(error))
            return
        self._packing.suspend(node)
        self._doubtful[node] = probe

    def _blame(self, node: str, key: SupervisorKey, one: _Unstarted) -> list[Unloadable]:
        """A container did not start on a node that can be reached: one of them has a trouble."""
        without = self._nodes_without[key.within]
        without.add(node)
        if without.issuperset(self._packing.nodes):
            self._pauses.use_unfit()
            failure = container_failure(key, one.said, is_late=one.is_late)
            return [Unloadable(key.function, key.directory, failure.error, failure.what)]
        why = f"no supervising process starts in a container: {last_words(one.said) or 'nothing was said'}"
        is_of_node = lambda: not without.issuperset(self._packing.nodes)  # noqa: E731
        self._log.note_failure(node, NodeEventKind.SUPERVISOR_LOST, why, is_of_node=is_of_node)
        self._pauses.note_unfit(node, why)
        return []
