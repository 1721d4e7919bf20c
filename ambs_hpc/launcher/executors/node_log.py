"""What happens on the nodes of a launcher, until the database has it, and which nodes that leaves out.

It is told of every trouble and decides what counts against a node: what all nodes have in common at once is a
file system that they share, a cancelled allocation or a wrong site file, and no node's fault.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.queue import (
    is_left_out,
    node_verdicts,
    read_now,
    reading,
    record_node_events,
    site_of_allocation,
)
from ambs_hpc.records import NewNodeEvent
from ambs_hpc.states import NodeEventKind

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

logger = logging.getLogger(__name__)

# A failure waits so long for the same one on the other nodes, before it counts against its own.
HOLD_SECONDS = 30.0
INCIDENT_SECONDS = 600.0  # the same trouble of a node is told once in this time
CLOCK_SECONDS = 60.0  # that a node's clock may differ from the database's
IS_COMMON = "not this node's alone, so that it does not count"
WAS_STOPPED = "shortly before the launcher was stopped, so that it does not count"
UNNAMED = "unnamed"  # an event of a node that nobody names is stored all the same
CLOCK_FACT = "clock_seconds"  # how much a node's clock is ahead: of this one's, and stored, of the database's


@dataclass(frozen=True, slots=True)
class _Held:
    """A failure of which it is not known yet whether it counts; `at` on the monotonic clock."""

    event: NewNodeEvent
    at: float
    is_of_node: Callable[[], bool] | None


class NodeLog:
    """Collects events of nodes; its own loop and the thread that talks to the database both use it."""

    def __init__(
        self,
        nodes: Collection[str] = (),
        here: str = "",
        site: str = "",
        failures: Mapping[str, int] | None = None,
    ) -> None:
        """
        Args:
            nodes: all that the launcher has.
            here: the one that is this machine: if it is lost, so is the launcher; "" for none.
            site: as the database knows their events.
            failures: that count already, by node.
        """
        self.site, self.here = site, here
        self._nodes, self._others = set(nodes), set(nodes) - {here}
        self._failures = Counter(failures or {})
        self._told_at: dict[tuple[str, NodeEventKind], float] = {}
        self._held: list[_Held] = []
        self._ready: list[NewNodeEvent] = []
        self.left_out_words: list[str] = []  # one for each node that is left out, for people
        self._left_out: set[str] = set()
        self._is_changed = False
        self._noted_at: dict[str, float] = {}  # by uid, on the monotonic clock
        self._lock = threading.Lock()

    def note(
        self, node: str, kind: NodeEventKind, detail: str = "", facts: Mapping[str, object] | None = None
    ) -> None:
        """Something happened that counts against nobody."""
        with self._lock:
            event = NewNodeEvent(node or UNNAMED, kind, detail=detail, facts=facts or {})
            self._noted_at[event.uid] = time.monotonic()
            self._ready.append(event)

    def note_failure(
        self,
        node: str,
        kind: NodeEventKind,
        detail: str,
        facts: Mapping[str, object] | None = None,
        is_of_node: Callable[[], bool] | None = None,
    ) -> None:
        """The infrastructure failed on a node.

        Args:
            is_of_node: says later whether the node alone had it; None leaves that to the other nodes.
        """
        now, node = time.monotonic(), node or UNNAMED
        with self._lock:
            if now - self._told_at.get((node, kind), float("-inf")) < INCIDENT_SECONDS:
                return
            self._told_at[node, kind] = now
            event = NewNodeEvent(node, kind, is_failure=True, detail=detail, facts=facts or {})
            self._noted_at[event.uid] = now
            self._held.append(_Held(event, now, is_of_node))

    def newly_left_out(self) -> list[str]:
        """Nodes on which nothing should be started any more since the last call."""
        if not (self._held or self._is_changed):
            return []
        with self._lock:
            self._decide(time.monotonic() - HOLD_SECONDS)
            if not self._is_changed:
                return []
            self._is_changed = False
            failing = sum(1 for node in self._nodes if self._failures[node])
            out = {
                node
                for node in self._nodes - self._left_out
                if is_left_out(self._failures[node], failing, len(self._nodes))
            }
            self._left_out |= out
        for node in sorted(out):
            self._tell_left_out(node, self._failures[node])
        return sorted(out)

    def leave_out(self, node: str, failures: int) -> None:
        """A node of the allocation is not used from the start."""
        self._left_out.add(node)
        self._tell_left_out(node, failures)

    def _tell_left_out(self, node: str, failures: int) -> None:
        words = f"{node} left out: {failures} infrastructure failures in a day, see `ambs nodes {node}`"
        self.left_out_words.append(words)
        logger.error("%s", words)

    def due(self) -> Sequence[NewNodeEvent]:
        """The events that are to be stored now."""
        with self._lock:
            self._decide(time.monotonic() - HOLD_SECONDS)
            return list(self._ready)

    def last(self, *, was_stopped: bool) -> Sequence[NewNodeEvent]:
        """The events that are to be stored at the end of the launcher.

        Args:
            was_stopped: from outside; what was lost shortly before was stopped, too, and does not count.
        """
        with self._lock:
            if was_stopped:
                self._ready += [_uncounted(one.event, WAS_STOPPED) for one in self._held]
                self._held = []
            self._decide(float("inf"))
            return list(self._ready)

    def store(self, connection: Connection, launcher_id: int, events: Sequence[NewNodeEvent]) -> None:
        """Store events, with clocks compared with the database's; once it has committed, `forget` them."""
        if events:
            launcher_ahead = time.time() - read_now(connection)
            now = time.monotonic()
            aged = [replace(one, age_seconds=now - self._noted_at.get(one.uid, now)) for one in events]
            told = [each for one in aged for each in with_clock(one, launcher_ahead)]
            record_node_events(connection, self.site, launcher_id, told)

    def forget(self, stored: Sequence[NewNodeEvent]) -> None:
        """The database has these."""
        uids = {one.uid for one in stored}
        with self._lock:
            self._ready = [one for one in self._ready if one.uid not in uids]
            for uid in uids:
                self._noted_at.pop(uid, None)

    def _decide(self, before: float) -> None:
        """Let those go that have waited since `before`; they count where no other reason is seen."""
        due = [one for one in self._held if one.at <= before]
        self._held = [one for one in self._held if one.at > before]
        for one in due:
            event = one.event
            is_alone = one.is_of_node() if one.is_of_node is not None else not self._is_common(event.kind)
            if is_alone:
                self._failures[event.node] += 1
                self._is_changed = True
                self._ready.append(event)
            else:
                self._ready.append(_uncounted(event, IS_COMMON))

    def _is_common(self, kind: NodeEventKind) -> bool:
        """Whether all of several nodes have had it; that this machine was lost, it cannot tell."""
        wanted = self._others if kind in _LOST else self._nodes
        return len(wanted) > 1 and all((node, kind) in self._told_at for node in wanted)


def _uncounted(event: NewNodeEvent, why: str) -> NewNodeEvent:
    return replace(event, is_failure=False, detail=f"{event.detail} ({why})")


_LOST = (NodeEventKind.NODE_LOST, NodeEventKind.SUPERVISOR_LOST)


def usable_nodes(engine: Engine, node_pool: NodePool) -> tuple[NodePool, NodeLog]:
    """The nodes of an allocation without those that earlier failures leave out, and the log of all of them.

    This machine, where a person has started the launcher, is used whatever happened there.
    """
    if node_pool.allocation_id is None:
        return node_pool, NodeLog([one.name for one in node_pool.nodes])
    with reading(engine) as connection:
        site = site_of_allocation(connection, node_pool.allocation_id)
        verdicts = {one.node: one for one in node_verdicts(connection, site)}
    names = [one.name for one in node_pool.nodes]
    out = [name for name in names if name in verdicts and verdicts[name].is_left_out]
    left = tuple(one for one in node_pool.nodes if one.name not in out)
    failures = {name: one.failures for name, one in verdicts.items()}
    here = next((one.name for one in left if not node_pool.launch_on(one.name)), "")
    log = NodeLog([one.name for one in left], here, site, failures)
    for name in out:
        log.leave_out(name, verdicts[name].failures)
    return replace(node_pool, nodes=left), log


def with_clock(event: NewNodeEvent, launcher_ahead_seconds: float) -> list[NewNodeEvent]:
    """The event with its clock compared with the database's, and another one when they differ too much.

    Args:
        launcher_ahead_seconds: of the database's clock.
    """
    if CLOCK_FACT not in event.facts:
        return [event]
    ahead = round(float(str(event.facts[CLOCK_FACT])) + launcher_ahead_seconds, 3)
    told = replace(event, facts={**event.facts, CLOCK_FACT: ahead})
    if abs(ahead) <= CLOCK_SECONDS:
        return [told]
    which = "ahead of" if ahead > 0 else "behind"
    words = f"its clock is {abs(ahead):.0f} s {which} the database's: times of evaluations there are wrong"
    uid = f"{event.uid}-clock"
    return [
        told,
        replace(event, kind=NodeEventKind.CLOCK_OFF, detail=words, facts={}, is_failure=False, uid=uid),
    ]
