"""Launchers and the allocations around them, as they tell of themselves and as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ambs_hpc.identity import new_uid
from ambs_hpc.states import NodeEventKind


@dataclass(frozen=True, slots=True)
class NewLauncher:
    """A launcher as it introduces itself.

    Args:
        host, pid, process_started: identity of the process on its machine; the last (field 22 of
            /proc/PID/stat, clock ticks) tells a reused pid. namespace: within which its pid means this
            process (see `identity`); empty where it is not known.
        slots: evaluations of the smallest shape that it can run at once, >= 1.
        allocation_id: our id of the batch allocation around it, None when started by hand.
        survives_in: who runs its evaluations on when it dies, as "balsam SITE"; empty for nobody. A launcher
            of the same words may take them up.
        serves: ids of the only campaigns whose evaluations it runs; None for all.
    """

    host: str
    pid: int
    process_started: int
    slots: int
    allocation_id: int | None = None
    survives_in: str = ""
    namespace: str = ""
    serves: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Launcher:
    """A stored launcher; the age of its heartbeat is measured by the database's clock.

    Args:
        seconds, busy_seconds: of its life so far; of all its slots together.
        idle: why slots of it are idle, in its own words; empty when none is.
    """

    id: int
    identity: NewLauncher
    heartbeat_age_seconds: float
    ended: bool
    seconds: float = 0.0
    busy_seconds: float = 0.0
    idle: str = ""

    @property
    def utilisation(self) -> float | None:
        """Share of its slot-time that was used; None at its beginning."""
        slot_seconds = self.identity.slots * self.seconds
        return self.busy_seconds / slot_seconds if slot_seconds > 0 else None


@dataclass(frozen=True, slots=True)
class LauncherStats:
    """What a launcher says of itself while it lives.

    Args:
        slots: how many evaluations it can run at once; None when it knows no better than at its start.
        busy_seconds: of all its slots together, since its start.
        idle: why slots are idle; empty for none.
    """

    slots: int | None
    busy_seconds: float
    idle: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """A batch allocation as the database remembers it. Times are seconds since 1970 UTC.

    Args:
        scheduler_id: the scheduler's own; None until it is known to have taken the script.
        request: what was asked, as JSON values.
        state: of `schedulers.AllocationState`, or PREPARED, REFUSED, UNSENT, VANISHED.
        detail: the scheduler's reason in its own words.
        ends_at: end of its walltime, when the scheduler has said one.
        evaluations: that its launchers hold: that run, and that are leased.
        launchers: that ever introduced themselves from it.
        utilisation: share of their slot-time that was used; None before they have any.
    """

    id: int
    site: str
    scheduler: str
    scheduler_id: str | None
    request: Mapping[str, object]
    state: str
    detail: str
    created_at: float
    started_at: float | None
    ends_at: float | None
    ended_at: float | None
    evaluations: int
    launchers: int
    utilisation: float | None = None


@dataclass(frozen=True, slots=True)
class NewNodeEvent:
    """Something that happened on a node.

    Args:
        node: as the allocation names it.
        is_failure: of the infrastructure, and of this node alone: three in a day leave it out.
        detail: in words, for a person and for the support of the site.
        facts: what was measured, as JSON values.
        age_seconds: since it happened, when it is stored.
        uid: random; an event that is stored twice, because an answer was lost, is known by it.
    """

    node: str
    kind: NodeEventKind
    is_failure: bool = False
    detail: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    age_seconds: float = 0.0
    uid: str = field(default_factory=new_uid)
