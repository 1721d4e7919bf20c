"""Which nodes were held from when to when, and what each counts as while nothing occupies it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ambs_hpc.held_parts import HeldPart
from ambs_hpc.insight.ledger.node_time import Stretch
from ambs_hpc.insight.ledger.uses import Use, use_of_idleness
from ambs_hpc.queue import OVER, AllocationTimes, IdleSince, LauncherLife

REQUEUE_SECONDS = 30.0  # Slurm waits for longer before it starts one again; clocks differ by less


@dataclass(frozen=True, slots=True)
class Holding:
    """Nodes that were held: by an allocation, or by a launcher that was started by hand.

    Args:
        allocation_id: ours; None without one.
        launcher_id: of a launcher without an allocation.
        name: for a person.
        nodes: by name; those of which no launcher has told the name are numbered.
        end: seconds since 1970 UTC, as `start`; the present where it is not over.
        is_over: whether it has ended.
        is_end_told: whether the scheduler, or the launcher, said when; otherwise it is the last sign of it.
        parts: of its time, oldest first, all with an end and their nodes' names among `nodes`; () where all
            nodes were held all the time.
    """

    allocation_id: int | None
    launcher_id: int | None
    name: str
    scheduler_id: str | None
    nodes: tuple[str, ...]
    start: float
    end: float
    is_over: bool
    is_end_told: bool
    parts: tuple[HeldPart, ...] = ()

    @property
    def node_seconds(self) -> float:
        """All that was held."""
        return sum(end - start for node in self.nodes for start, end in self.periods(node))

    def periods(self, node: str) -> list[tuple[float, float]]:
        """From when to when the node was held, in order and apart from each other."""
        if not self.parts:
            return [(self.start, self.end)]
        found: list[tuple[float, float]] = []
        for start, ended_at, _, names in self.parts:
            end = self.end if ended_at is None else ended_at
            if node not in names:
                continue
            if found and found[-1][1] >= start:
                start = found.pop()[0]
            found.append((start, end))
        return found


@dataclass(frozen=True, slots=True)
class Life:
    """A launcher with what it told.

    Args:
        end: when it ended, or its last sign of life; the present while it lives.
        after: what time counts as after `end`.
        nodes: that it told to use; empty where it has told none, and is taken to use all.
        idleness: oldest first.
        failures: times by node at which it saw a node fail.
    """

    row: LauncherLife
    end: float
    after: Use
    nodes: Collection[str]
    idleness: Sequence[IdleSince]
    failures: Mapping[str, Sequence[float]]


def period_of(one: AllocationTimes, lives: Sequence[Life], now: float) -> tuple[float, float, bool] | None:
    """Start and end of an allocation, and whether the end is told; None for one that has not run.

    Args:
        lives: of its launchers, by their start.
    """
    started = one.started_at if one.started_at is not None else (lives[0].row.started_at if lives else None)
    if started is None:
        return None
    started = min([started, *(part.started_at for part in held_parts(one, lives))])
    if one.state not in OVER:
        return started, max(started, min(now, one.ends_at or now)), True
    if one.told_ended_at is not None:
        return started, max(started, one.told_ended_at), True
    seen = min(filter(None, (one.ended_at, one.ends_at)), default=now)
    # Somebody may have looked long afterwards; a launcher that ended in order was its last program.
    if lives and all(life.row.ended_at is not None for life in lives):
        seen = min(seen, max(life.end for life in lives))
    return started, max(started, seen), False


def held_parts(one: AllocationTimes, lives: Sequence[Life]) -> list[HeldPart]:
    """The parts of an allocation's time with other nodes in one than in another; [] where there is one.

    Before the accounting was asked, launchers tell that it ran before: it was put back into the queue.

    Args:
        lives: of its launchers, by their start.
    """
    if one.held:
        return [HeldPart(start, end, nodes, tuple(names)) for start, end, nodes, names in one.held]
    begin = one.started_at
    if begin is None:
        return []
    asked = int(str(one.request.get("nodes") or 1))
    before = [
        HeldPart(life.row.started_at, life.end, len(life.nodes) or asked, tuple(life.nodes))
        for life in lives
        if life.end < begin - REQUEUE_SECONDS
    ]
    names = dict.fromkeys(name for life in lives if life.end >= begin for name in life.nodes)
    return [*before, HeldPart(begin, None, len(names) or asked, tuple(names))] if before else []


def named_parts(parts: Sequence[HeldPart], nodes: Sequence[str], end: float) -> tuple[HeldPart, ...]:
    """The parts with an end, and with names of these nodes: where theirs are others, the first ones.

    Args:
        nodes: by name, at least as many as a part has.
        end: of what still lasts.
    """
    found = []
    for start, ended_at, number, names in parts:
        known = [name for name in nodes if name in names or name.partition(".")[0] in names]
        mine = known if len(known) == number else nodes[:number]
        stop = end if ended_at is None else ended_at
        found.append(HeldPart(start, max(start, stop), number, tuple(mine)))
    return tuple(found)


def background(
    period: tuple[float, float], node: str, lives: Sequence[Life], starts: Sequence[float]
) -> list[Stretch]:
    """What the node's time counts as where nothing occupies it.

    Args:
        period: from when to when the node was held.
        lives: of the holding's launchers, by their start.
        starts: of attempts on this node, ascending.
    """
    found: list[Stretch] = []
    first, last = period
    lives = [one for one in lives if one.end > first and one.row.started_at < last]
    at, gap = first, Use.START_UP if lives else Use.NO_LAUNCHER
    for life in lives:
        begin = min(max(at, life.row.started_at), last)
        end = min(max(begin, life.end), last)
        _add(found, at, begin, gap)
        for stretch in _while_it_lives(life, node, begin, end, starts):
            _add(found, stretch.start, stretch.end, stretch.use)
        at, gap = end, life.after
    _add(found, at, last, gap)
    return found


def _add(found: list[Stretch], start: float, end: float, use: Use) -> None:
    if end > start:
        found.append(Stretch(start, end, use))


def _while_it_lives(
    life: Life, node: str, begin: float, end: float, starts: Sequence[float]
) -> list[Stretch]:
    if life.nodes and node not in life.nodes:
        return [Stretch(begin, end, Use.LEFT_OUT)]
    place = bisect_left(starts, begin)
    first = min(end, starts[place]) if place < len(starts) else end
    reasons = _reasons(life, begin)
    times = [at for at, _ in reasons]
    failures = [at for at in life.failures.get(node, ()) if begin <= at < end]
    recoveries = [at for at in starts if begin <= at < end] if failures else []
    marks = {begin, end, first, *times, *failures, *recoveries}
    cuts = sorted(at for at in marks if begin <= at <= end)
    stretches = []
    for start, stop in pairwise(cuts):
        use = reasons[max(0, bisect_right(times, start) - 1)][1]
        if _is_out(failures, recoveries, start):
            use = Use.NODE_TROUBLE
        elif start < first and use in (Use.BETWEEN, Use.UNTOLD):
            use = Use.START_UP
        stretches.append(Stretch(start, stop, use))
    return stretches


def _reasons(life: Life, begin: float) -> list[tuple[float, Use]]:
    """From when on which use counts, the first from `begin` on."""
    told = [(one.at, use_of_idleness(one.reason)) for one in life.idleness]
    return [(begin, Use.BETWEEN if told else Use.UNTOLD), *told]


def _is_out(failures: Sequence[float], recoveries: Sequence[float], at: float) -> bool:
    """Whether the node has failed before, and nothing has begun there since."""
    place = bisect_right(failures, at)
    if not place:
        return False
    failed = failures[place - 1]
    return not any(failed < one <= at for one in recoveries)
