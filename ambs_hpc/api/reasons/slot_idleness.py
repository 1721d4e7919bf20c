"""Why slots are idle: rows are read, schedulers asked once, and reasons told in lines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from ambs_hpc.api.reasons.known_deaths import has_living_search
from ambs_hpc.api.reasons.problem_files import allow_command, can_submit, problem_file_of
from ambs_hpc.api.reasons.scheduler_news import ask_schedulers
from ambs_hpc.insight.idle_reasons import CampaignSupply, SlotHolder, idle_reasons
from ambs_hpc.insight.waiting_reasons import WaitingReason
from ambs_hpc.launcher.recovery import evidence
from ambs_hpc.queue import (
    OVER,
    Evidence,
    LauncherNode,
    NodeVerdict,
    counts,
    last_idleness,
    launcher_nodes,
    list_allocations,
    list_campaigns,
    live_launchers,
    marks_of,
    node_verdicts,
    read_now,
    reading,
    running_in,
    silent_launchers,
    waiting_shapes,
)
from ambs_hpc.sites.allocations import FOLDER
from ambs_hpc.states import State
from ambs_hpc.timing import STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.records import Allocation, Campaign, Launcher

DATABASE_AWAY = "database away"  # in the launcher's log
READ_BYTES = 4000  # of that


@dataclass(frozen=True, slots=True)
class IdleSlots:
    """Reasons, and the schedulers that could not be asked, in words."""

    reasons: Sequence[WaitingReason]
    unheard: Sequence[str]


def why_slots_idle(engine: Engine, user: str, now: float) -> IdleSlots:
    """Why slots are idle or missing.

    Args:
        now: seconds since 1970 UTC.
    """
    unheard = ask_schedulers(engine, user, now)
    with reading(engine) as connection:
        allocations = {one.id: one for one in list_allocations(connection, over=False)}
        newest = next(iter(list_allocations(connection, limit=1)), None)
        living = live_launchers(connection, STALE_AFTER_SECONDS)
        silent = silent_launchers(connection, STALE_AFTER_SECONDS)
        holders = _holders(connection, living, silent, allocations)
        supplies = [_supply(connection, one) for one in list_campaigns(connection)]
        waiting = waiting_shapes(connection)
        out = [one for one in node_verdicts(connection) if one.is_left_out]
    last_over = newest if newest is not None and newest.state in OVER else None
    open_ones, able = [*allocations.values()], can_submit(Path.cwd())
    reasons = idle_reasons(holders, supplies, waiting, open_ones, last_over, can_submit=able)
    return IdleSlots([*reasons, *map(_of_node, out)], unheard)


def idle_lines(found: IdleSlots) -> Iterator[str]:
    """For a person; the last line is a command."""
    for words in found.unheard:
        yield f"note: {words}. States are as they were."
    for one in found.reasons:
        yield one.words
        yield f"    {one.command}"


def _of_node(one: NodeVerdict) -> WaitingReason:
    words = (
        f"node {one.node} of {one.site or 'this machine'} is left out: the infrastructure has failed there "
        f"{one.failures} times within a day; when it is mended:"
    )
    return WaitingReason("node_left_out", words, f"ambs nodes --forgive {quote(one.node)}")


def _supply(connection: Connection, one: Campaign) -> CampaignSupply:
    number, marks = counts(connection, one.id), marks_of(connection, one.id)
    return CampaignSupply(
        one.name,
        number.get(State.READY, 0),
        number.get(State.RUNNING, 0),
        marks.enqueued - marks.added,
        one.definition.max_evaluations,
        has_living_search(connection, one.id),
        number.get(State.DONE, 0) > 0,
        problem_file_of(one),
        number.get(State.PAUSED, 0),
        one.definition.directory,
        allow_command(one),
    )


def _holders(
    connection: Connection,
    living: Sequence[Launcher],
    silent: Sequence[Launcher],
    allocations: dict[int, Allocation],
) -> list[SlotHolder]:
    told = last_idleness(connection, [one.id for one in living])
    nodes: dict[int, list[LauncherNode]] = {}
    for node in launcher_nodes(connection, [one.id for one in (*living, *silent)]):
        nodes.setdefault(node.launcher_id, []).append(node)
    now, states = read_now(connection), {number: one.state for number, one in allocations.items()}
    found = []
    for one in (*living, *silent):
        inside = allocations.get(one.identity.allocation_id or -1)
        ends_at = None if inside is None else inside.ends_at
        is_certain = evidence(one, states) is Evidence.GONE_FOR_CERTAIN  # of this host: known at once
        is_silent = is_certain or one.heartbeat_age_seconds > STALE_AFTER_SECONDS
        found.append(
            SlotHolder(
                one.id,
                one.identity.host,
                one.identity.slots,
                running_in(connection, one.id),
                told.get(one.id, ""),
                one.idle,
                None if ends_at is None else ends_at - now,
                nodes.get(one.id, []),
                inside,
                one.heartbeat_age_seconds if is_silent else None,
                _fate(one, inside, states) if is_silent else "",
            )
        )
    return found


def _fate(one: Launcher, inside: Allocation | None, states: dict[int, str]) -> str:
    """What became of a silent launcher: "dead", "database_away", or "" where nobody knows."""
    if evidence(one, states) in (Evidence.GONE_FOR_CERTAIN, Evidence.GONE):
        return "dead"
    if inside is None:
        return ""
    log = Path(str(inside.request.get("folder", "."))) / FOLDER / f"{inside.id}.error"
    # It says so again and again; what it said before its last heartbeat was of another time.
    is_of_now = _changed_at(log) >= time.time() - one.heartbeat_age_seconds
    return "database_away" if is_of_now and DATABASE_AWAY in _last_lines(log) else ""


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _last_lines(file: Path) -> str:
    """The end of what a launcher has logged; "" where it cannot be read."""
    try:
        with file.open("rb") as output:
            output.seek(max(0, file.stat().st_size - READ_BYTES))
            lines = output.read(READ_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-3:])
