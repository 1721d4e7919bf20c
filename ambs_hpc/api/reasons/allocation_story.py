"""How one allocation stands: its scheduler is asked once, and what it will run is counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.api.reasons.scheduler_news import ask_schedulers
from ambs_hpc.errors import AmbsError
from ambs_hpc.insight.scheduler_words import Remedy, remedy
from ambs_hpc.queue import (
    OVER,
    AllocationTimes,
    WaitingShape,
    allocation_times,
    get_allocation,
    list_allocations,
    reading,
    waiting_shapes,
)
from ambs_hpc.shown_text import cell, duration
from ambs_hpc.sites import load_site
from ambs_hpc.sites.node_fit import misfit

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Allocation


@dataclass(frozen=True, slots=True)
class WaitingShare:
    """Evaluations that wait, and why they would not run in the allocation; "" where they would."""

    shape: WaitingShape
    why_not: str


@dataclass(frozen=True, slots=True)
class AllocationStory:
    """An allocation with everything that is to be told of it.

    Args:
        remedy: for the scheduler's words, while it waits.
        waiting: what it would run, and what not; empty once it is over.
        ahead: allocations of this database that wait as well and were submitted before it.
        unheard: schedulers that could not be asked, in words.
        now: seconds since 1970 UTC.
    """

    row: Allocation
    times: AllocationTimes
    remedy: Remedy
    waiting: Sequence[WaitingShare]
    ahead: int
    unheard: Sequence[str]
    now: float

    @property
    def command(self) -> str:
        """What mends it, or shows how it goes on."""
        number = self.row.id
        if self.row.state in OVER:
            return "ambs ledger" if self.row.launchers else "mend what it says; then: ambs submit"
        if self.row.state == "RUNNING":
            return "ambs why idle" if self.row.launchers else f"ambs allocations cancel {number}"
        return self.remedy.command or f"to give it up: ambs allocations cancel {number}"


def allocation_story(engine: Engine, number: int, user: str, now: float) -> AllocationStory:
    """The story of an allocation.

    Args:
        number: ours.
        now: seconds since 1970 UTC.

    Raises:
        NotFound: there is none of that number.
    """
    with reading(engine) as connection:
        state = get_allocation(connection, number).state
    unheard = [] if state in OVER else ask_schedulers(engine, user, now)
    with reading(engine) as connection:
        row = get_allocation(connection, number)
        times = next(one for one in allocation_times(connection) if one.id == number)
        shapes = [] if row.state in OVER else waiting_shapes(connection)
        open_ones = list_allocations(connection, over=False)
    waits = row.state not in OVER and row.state != "RUNNING"
    return AllocationStory(
        row,
        times,
        remedy(row.detail, row.scheduler_id or "") if waits else Remedy("", ""),
        [WaitingShare(shape, _why_not(row, shape, now)) for shape in shapes],
        sum(one.id < number and one.state not in ("RUNNING", "ENDING") for one in open_ones) if waits else 0,
        unheard,
        now,
    )


def _why_not(row: Allocation, shape: WaitingShape, now: float) -> str:
    nodes = int(str(row.request.get("nodes") or 1))
    seconds = 60.0 * float(str(row.request.get("minutes") or 0))
    if row.ends_at is not None:
        seconds = max(0.0, row.ends_at - now)
    if shape.time_limit_seconds is not None and shape.time_limit_seconds > seconds:
        return f"each may run for {duration(shape.time_limit_seconds)}, and it has {duration(seconds)}"
    try:
        site = load_site(row.site, Path(str(row.request.get("folder", "."))))
    except AmbsError:  # its file is gone or broken meanwhile
        return f"each needs {shape.resources.nodes} nodes" if shape.resources.nodes > nodes else ""
    queue = site.queues.get(str(row.request.get("queue") or site.default_queue))
    return misfit(site, nodes, queue, shape.resources) or ""


def allocation_lines(story: AllocationStory) -> Iterator[str]:
    """For a person; the last line is a command."""
    row = story.row
    for words in story.unheard:
        yield f"note: {words}. What follows is as it was heard last."
    number = f" ({row.scheduler_id})" if row.scheduler_id else ""
    yield f"allocation {row.id}{number} on {row.site}: {row.state}"
    queue = f", queue {cell(row.request.get('queue'))}" if row.request.get("queue") else ""
    yield f"  asked for: {row.request.get('nodes')} nodes for {row.request.get('minutes')} minutes{queue}"
    if row.detail:
        meaning = f" ({story.remedy.meaning})" if story.remedy.meaning else ""
        yield f"  {row.scheduler} says: {cell(row.detail)}{meaning}"
    yield from _of_time(story)
    yield from _of_work(story)
    yield f"  {story.command}"


def _of_time(story: AllocationStory) -> Iterator[str]:
    row, times, now = story.row, story.times, story.now
    if row.state in OVER:
        if times.started_at is None:
            yield "  it has never run"
        elif times.told_ended_at is not None:
            yield f"  it has run for {duration(times.told_ended_at - times.started_at)}"
        return
    if row.state == "RUNNING":
        since = "" if times.started_at is None else f"running for {duration(now - times.started_at)}"
        left = "" if row.ends_at is None else f"{duration(max(0.0, row.ends_at - now))} left"
        yield f"  {', '.join(filter(None, (since, left))) or 'running'}"
        yield f"  launchers so far: {row.launchers}, evaluations that they hold: {row.evaluations}"
        return
    if story.ahead:
        yield f"  {story.ahead} of yours were submitted before it and wait, too"
    if times.expected_start_at is None:
        yield f"  when it starts, {row.scheduler} does not say"
    else:
        yield f"  {row.scheduler} expects it to start in {duration(max(0.0, times.expected_start_at - now))}"


def _of_work(story: AllocationStory) -> Iterator[str]:
    if story.row.state in OVER:
        return
    fitting = sum(one.shape.number for one in story.waiting if not one.why_not)
    number = sum(one.shape.number for one in story.waiting)
    if not number:
        yield "  nothing waits that it could run; a search may propose more: ambs status"
        return
    can = "can run" if story.row.state == "RUNNING" else "would run"
    yield f"  it {can} {fitting} of {number} evaluations that wait"
    for one in story.waiting:
        if one.why_not:
            yield f"    not {one.shape.number} of {cell(one.shape.campaign)}: {cell(one.why_not)}"
