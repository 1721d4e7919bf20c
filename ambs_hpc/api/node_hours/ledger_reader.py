"""The ledger of a database, beside what its schedulers charge, and what further node-hours may bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.errors import DatabaseRefused
from ambs_hpc.insight.ledger.book import Ledger, ledger_of
from ambs_hpc.insight.record_outlook import RecordOutlook, record_outlook
from ambs_hpc.queue import (
    OVER,
    AllocationTimes,
    ended_runs,
    goals_of_stored,
    list_allocations,
    list_campaigns,
    note_allocation_times,
    reading,
    slot_account,
    transaction,
)
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.problem.goals import Goals
    from ambs_hpc.records import Allocation, Campaign
    from ambs_hpc.schedulers import Charge

OUTLOOK_NODE_HOURS = 100.0
CLOCKS_DIFFER_SECONDS = 3600.0  # of a scheduler and of the database, at most
MOST_FURTHER = 10  # times the results that there are: of more their tail says nothing


@dataclass(frozen=True, slots=True)
class Comparison:
    """An allocation's node-seconds in the ledger and by its scheduler.

    Args:
        theirs: None where the scheduler could not be asked, or does not know it.
        source: who said it: "sacct", or "slurm status"; why nobody did.
    """

    allocation_id: int
    scheduler_id: str
    ours: float
    theirs: float | None
    source: str

    @property
    def difference(self) -> float | None:
        """Relative to the scheduler's; None where there is none."""
        return None if not self.theirs else self.ours / self.theirs - 1.0


@dataclass(frozen=True, slots=True)
class CampaignOutlook:
    """What the next node-hours may bring to a campaign; `outlook` is None where results are too few.

    Args:
        node_hours: that it is about; less than OUTLOOK_NODE_HOURS where these bring too many to say.
        node_seconds: that its attempts have occupied.
        results: that they gave, of those that keep the campaign's constraints.
        has_several: objectives, so that there is no best result to be beaten.
    """

    campaign: str
    node_seconds: float
    results: int
    outlook: RecordOutlook | None
    has_several: bool = False
    node_hours: float = OUTLOOK_NODE_HOURS


def read_ledger(engine: Engine) -> Ledger:
    """The ledger from rows alone; no scheduler is asked."""
    with reading(engine) as connection:
        rows = slot_account(connection)
    return ledger_of(rows, STALE_AFTER_SECONDS, counts_nodes)


def counts_nodes(one: AllocationTimes) -> bool:
    """Whether the allocation was asked for in whole nodes; some queues count GPUs."""
    from ambs_hpc.errors import AmbsError
    from ambs_hpc.sites import load_site

    try:
        site = load_site(one.site, Path(str(one.request.get("folder", "."))))
    except AmbsError:  # its file is gone or broken meanwhile
        return True
    queue = site.queues.get(str(one.request.get("queue") or site.default_queue))
    return queue is None or queue.unit == "node"


def outlooks(engine: Engine, ledger: Ledger, campaign: str | None = None) -> list[CampaignOutlook]:
    """What the next OUTLOOK_NODE_HOURS may bring, were they to go to each campaign alone."""
    spent: dict[str, float] = {}
    for entry in ledger.entries:
        if entry.campaign is not None:
            spent[entry.campaign] = spent.get(entry.campaign, 0.0) + entry.seconds
    occupied = sum(spent.values())
    # What is idle is paid for as well: each campaign's attempts cost their share of it.
    dearer = ledger.node_seconds / occupied if occupied else 1.0
    found = []
    with reading(engine) as connection:
        for one in list_campaigns(connection):
            if one.name not in spent or campaign not in (None, one.name):
                continue
            goals = goals_of_stored(one)
            runs = _results(connection, one, goals)
            seconds = spent[one.name] * dearer
            most = MOST_FURTHER * len(runs)
            further = int(OUTLOOK_NODE_HOURS * 3600.0 * len(runs) / seconds) if seconds else 0
            hours = OUTLOOK_NODE_HOURS if further <= most else MOST_FURTHER * seconds / 3600.0
            further = min(further, most)
            is_min = one.definition.direction == "minimize"
            outlook = record_outlook(runs, further, minimise=is_min) if further else None
            outlook = None if goals.has_several else outlook
            several = goals.has_several
            found.append(CampaignOutlook(one.name, spent[one.name], len(runs), outlook, several, hours))
    return found


def _results(connection: Connection, campaign: Campaign, goals: Goals) -> list[float]:
    """The objectives of what may be the best, oldest first."""
    constrained = bool(goals.constraints)
    ended = ended_runs(connection, campaign.id, with_metrics=constrained)
    return [
        run.objective
        for run in ended
        if run.objective is not None
        and (not constrained or goals.feasibility(run.objective, run.metrics).verdict == "yes")
    ]


def compare_with_schedulers(engine: Engine, user: str, now: float) -> tuple[Ledger, list[Comparison]]:
    """Ask each scheduler what it charged, store starts and ends that it tells, and compare.

    A user who may only read the database compares with what is stored of starts and ends.

    Args:
        now: seconds since 1970 UTC.
    """
    from ambs_hpc.api.reasons.scheduler_news import ask_schedulers

    ask_schedulers(engine, user, now)
    with reading(engine) as connection:
        submitted = [one for one in list_allocations(connection) if one.scheduler_id is not None]
    charges: dict[int, tuple[Charge | None, str]] = {}
    for name in sorted({one.scheduler for one in submitted}):
        group = [one for one in submitted if one.scheduler == name]
        charges |= _charges(name, group, user, now)
    with suppress(DatabaseRefused), transaction(engine) as connection:
        for one in submitted:
            if (charge := charges[one.id][0]) is not None:
                # One that was put back into the queue has ended once already, and is not over.
                ended_at = charge.ended_at if one.state in OVER else None
                note_allocation_times(connection, one.id, charge.started_at, ended_at, charge.parts)
    ledger = read_ledger(engine)
    ours = {one.allocation_id: one.node_seconds for one in ledger.holdings}
    return ledger, [
        Comparison(
            one.id,
            one.scheduler_id or "",
            ours[one.id],
            None if charge is None else charge.node_seconds,
            source,
        )
        for one in sorted(submitted, key=lambda each: each.id)
        if one.id in ours
        for charge, source in [charges[one.id]]
    ]


def _charges(
    name: str, group: Sequence[Allocation], user: str, now: float
) -> dict[int, tuple[Charge | None, str]]:
    """By our id: from the accounting, else from what the status still shows."""
    from ambs_hpc.schedulers import CouldNotAsk, ask, registered

    asks = registered(name).charges
    ids = [one.scheduler_id for one in group if one.scheduler_id is not None]
    answer: Mapping[str, Charge] | CouldNotAsk = CouldNotAsk(name, "there is no accounting to be asked")
    if asks is not None:
        answer = ask(asks(ids))
    told = {} if isinstance(answer, CouldNotAsk) else answer
    found: dict[int, tuple[Charge | None, str]] = {}
    for one in group:
        charge = told.get(one.scheduler_id or "")
        if charge is not None:
            found[one.id] = _since(charge, one.created_at), f"{name}'s accounting"
        else:
            why = str(answer) if isinstance(answer, CouldNotAsk) else f"{name}'s accounting does not know it"
            found[one.id] = None, why
    missing = [one for one in group if found[one.id][0] is None]
    for one, charge in _from_status(name, missing, user, now):
        found[one.id] = charge, f"{name}'s status"
    return found


def _since(charge: Charge, created_at: float) -> Charge:
    """The charge without what an older allocation of the same number cost: numbers begin again."""
    parts = tuple(part for part in charge.parts if part.started_at >= created_at - CLOCKS_DIFFER_SECONDS)
    if len(parts) == len(charge.parts):
        return charge
    seconds = sum(
        part.nodes * max(0.0, part.ended_at - part.started_at) for part in parts if part.ended_at is not None
    )
    first, last = (parts[0].started_at, parts[-1].ended_at) if parts else (None, None)
    return replace(charge, node_seconds=seconds, started_at=first, ended_at=last, parts=parts)


def _from_status(
    name: str, group: Sequence[Allocation], user: str, now: float
) -> list[tuple[Allocation, Charge]]:
    from ambs_hpc.schedulers import Charge, CouldNotAsk, ask, scheduler
    from ambs_hpc.sites.allocations import FOLDER

    found: list[tuple[Allocation, Charge]] = []
    for one in group:
        folder = Path(str(one.request.get("folder", "."))) / FOLDER
        answer = ask(scheduler(name, user=user, folder=folder).status([one.scheduler_id or ""]))
        if isinstance(answer, CouldNotAsk):
            return found  # asked again for each it would only take long
        status = answer.known.get(one.scheduler_id or "")
        if status is None or status.started_at is None:
            continue
        ended_at = status.ends_at if status.state.is_over else None
        end = now if ended_at is None and not status.state.is_over else ended_at
        nodes = status.nodes or int(str(one.request.get("nodes") or 1))
        if end is not None:
            seconds = nodes * max(0.0, end - status.started_at)
            found.append((one, Charge(seconds, status.started_at, ended_at)))
    return found
