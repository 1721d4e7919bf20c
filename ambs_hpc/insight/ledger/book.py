"""The ledger: every node-second of every allocation, by node, campaign and use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ambs_hpc.insight.ledger.holdings import (
    Holding,
    Life,
    background,
    held_parts,
    named_parts,
    period_of,
)
from ambs_hpc.insight.ledger.node_places import Run, places
from ambs_hpc.insight.ledger.node_time import Occupation, spent
from ambs_hpc.insight.ledger.uses import Use, share_of_node, use_of_attempt
from ambs_hpc.queue import AllocationTimes, AttemptUse, IdleSince, LauncherNode, SlotAccount

CountsNodes = Callable[[AllocationTimes], bool]


@dataclass(frozen=True, slots=True)
class Entry:
    """Seconds of a node that were spent on the same thing; `campaign` is None where they are nobody's."""

    holding: Holding
    node: str
    campaign: str | None
    use: Use
    seconds: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """All entries, whose seconds add up to those of the holdings.

    Args:
        left_out: what is not in it, a sentence each.
    """

    holdings: Sequence[Holding]
    entries: Sequence[Entry]
    left_out: Sequence[str]

    @property
    def node_seconds(self) -> float:
        """All that was held."""
        return sum(one.node_seconds for one in self.holdings)


def ledger_of(rows: SlotAccount, stale_after_seconds: float, counts_nodes: CountsNodes) -> Ledger:
    """The ledger of all rows.

    Args:
        stale_after_seconds: after which silence a launcher that has not ended counts as dead.
        counts_nodes: whether an allocation's request counts whole nodes, and not GPUs.
    """
    lives = _lives(rows, stale_after_seconds)
    balsam = [life for life in lives if life.row.survives_in]
    lives = [life for life in lives if not life.row.survives_in]
    attempts: dict[int, list[AttemptUse]] = defaultdict(list)
    for attempt in rows.attempts:
        attempts[attempt.launcher_id].append(attempt)
    capacity = {(one.launcher_id, one.node): one for one in rows.nodes}
    entries: list[Entry] = []
    holdings: list[Holding] = []
    for holding, around, inside in _holdings(rows, lives, attempts, counts_nodes):
        holdings.append(holding)
        entries += _entries(holding, around, inside, attempts, capacity, rows.now)
    return Ledger(holdings, entries, _left_out(rows, balsam))


def _left_out(rows: SlotAccount, balsam: Sequence[Life]) -> list[str]:
    batches = sum(one.scheduler == "balsam" for one in rows.allocations)
    if not balsam and not batches:
        return []
    return [
        f"{batches} allocations and {len(balsam)} launchers of Balsam sites: Balsam alone knows on which of "
        "its nodes evaluations ran"
    ]


def _lives(rows: SlotAccount, stale_after_seconds: float) -> list[Life]:
    nodes: dict[int, list[str]] = defaultdict(list)
    for node in rows.nodes:
        nodes[node.launcher_id].append(node.node)
    idleness: dict[int, list[IdleSince]] = defaultdict(list)
    failures: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in rows.idleness:
        idleness[one.launcher_id].append(one)
    for failure in rows.failures:
        failures[failure.launcher_id][failure.node].append(failure.at)
    over = {one.id for one in rows.allocations if one.ended_at is not None}
    found = []
    for row in rows.launchers:
        is_silent = rows.now - row.heartbeat_at > stale_after_seconds or row.allocation_id in over
        if row.ended_at is not None:
            end, after = row.ended_at, Use.WIND_DOWN
        elif is_silent:
            end, after = row.heartbeat_at, Use.LAUNCHER_DEAD
        else:
            end, after = rows.now, Use.WIND_DOWN
        end = max(row.started_at, end)  # the database's clock may have been set back
        found.append(Life(row, end, after, nodes[row.id], idleness[row.id], failures[row.id]))
    return found


_Held = tuple[Holding, AllocationTimes | None, Sequence[Life]]


def _holdings(
    rows: SlotAccount,
    lives: Sequence[Life],
    attempts: Mapping[int, Sequence[AttemptUse]],
    counts_nodes: CountsNodes,
) -> Iterator[_Held]:
    inside: dict[int | None, list[Life]] = defaultdict(list)
    for life in lives:
        inside[life.row.allocation_id].append(life)
    for one in rows.allocations:
        mine = inside[one.id]
        period = period_of(one, mine, rows.now)
        if period is None or one.scheduler == "balsam":
            continue
        asked = int(str(one.request.get("nodes") or 1)) if counts_nodes(one) else 1
        start, end, is_told = period
        parts = held_parts(one, mine)
        nodes = _names(mine, attempts, max([asked, *(part.nodes for part in parts)]))
        name, is_over = f"allocation {one.id} on {one.site}", one.ended_at is not None
        about = (one.id, None, name, one.scheduler_id)
        yield Holding(*about, nodes, start, end, is_over, is_told, named_parts(parts, nodes, end)), one, mine
    for life in inside[None]:
        row = life.row
        name, is_over = f"launcher {row.id} on {row.host}, by hand", life.end < rows.now
        nodes = tuple(life.nodes) or (row.host,)
        is_told = row.ended_at is not None or not is_over
        yield (
            Holding(None, row.id, name, None, nodes, row.started_at, life.end, is_over, is_told),
            None,
            [life],
        )


def _names(
    lives: Sequence[Life], attempts: Mapping[int, Sequence[AttemptUse]], asked: int
) -> tuple[str, ...]:
    """Names of an allocation's nodes; at least so many as were asked for."""
    names: dict[str, None] = {}
    for life in lives:
        told = life.nodes or [one.node.partition("+")[0] for one in attempts.get(life.row.id, ())]
        names.update(dict.fromkeys(filter(None, told)))
    further = [f"unnamed {number}" for number in range(1, asked - len(names) + 1)]
    return (*names, *further)


def _entries(
    holding: Holding,
    around: AllocationTimes | None,
    lives: Sequence[Life],
    attempts: Mapping[int, Sequence[AttemptUse]],
    capacity: Mapping[tuple[int, str], LauncherNode],
    now: float,
) -> Iterator[Entry]:
    occupations: dict[str, list[Occupation]] = defaultdict(list)
    for life in lives:
        mine = attempts.get(life.row.id, ())
        usable = [name for name in holding.nodes if not life.nodes or name in life.nodes] or [*holding.nodes]
        runs = [_run(one, life) for one in mine]
        lives_on = life.row.ended_at is None and life.end >= now
        slots = life.row.slots / len(usable)
        for one, run, where in zip(mine, runs, places(runs, usable), strict=True):
            use = use_of_attempt(one, life.row, around, lives=lives_on)
            for node in where:
                share = share_of_node(one, capacity.get((life.row.id, node)), slots)
                occupations[node].append(Occupation(run.start, run.end, share, use, one.campaign))
    for node in holding.nodes:
        starts = sorted(one.start for one in occupations[node])
        for period in holding.periods(node):
            stretches = background(period, node, lives, starts)
            for (campaign, use), seconds in spent(stretches, occupations[node]).items():
                yield Entry(holding, node, campaign, use, seconds)


def _run(one: AttemptUse, life: Life) -> Run:
    end = life.end if one.finished_at is None else one.finished_at
    return Run(one.started_at, max(one.started_at, end), one.node, one.nodes)
