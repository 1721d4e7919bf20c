"""Attempts over time as bars in lanes: a lane is one slot of a node, as far as times tell slots apart."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ambs_hpc.queue import AttemptSpan, LauncherSpan
from ambs_hpc.reporting.html.campaign_record import CampaignRecord
from ambs_hpc.states import Move

DONE, FAILED, INTERRUPTED, RUNNING, PAUSED = range(5)
OUTCOMES = ("done", "failed", "interrupted", "running", "paused")
MOST_LANES, MOST_BARS = 640, 12_000
# Bars of one outcome that follow each other within such a part of the whole time are drawn as one.
FINEST, COARSEST = 1500, 100
HAND_OVER_SECONDS = 0.02  # by which an attempt may seem to begin before its predecessor in the slot has ended

_OUTCOMES = {
    Move.COMPLETE.value: DONE,
    Move.ACCEPT_LATE.value: DONE,
    Move.FAIL.value: FAILED,
    Move.RETRY.value: FAILED,
    Move.PAUSE.value: PAUSED,
    "": RUNNING,
}


@dataclass(slots=True)
class SlotBar:
    """Attempts of one outcome that follow each other in a lane: their number, and the id of the first."""

    lane: int
    start: float
    end: float
    outcome: int
    count: int
    first_id: int


@dataclass(frozen=True, slots=True)
class SlotLane:
    """One slot of a node in a launcher, with its attempts in order of time."""

    launcher_id: int
    node: str
    attempts: list[AttemptSpan]


def slot_lanes(attempts: Sequence[AttemptSpan]) -> list[SlotLane]:
    """The lanes of all launchers, by launcher and node; attempts that overlap are in different ones.

    Args:
        attempts: in order of their start.
    """
    places: dict[tuple[int, str], list[AttemptSpan]] = defaultdict(list)
    for one in attempts:
        places[one.launcher_id, one.node].append(one)
    return [
        SlotLane(launcher_id, node, lane)
        for (launcher_id, node), those in sorted(places.items())
        for lane in _without_overlap(those)
    ]


def timeline_json(record: CampaignRecord) -> dict[str, object]:
    """The chart's data: launchers with their lanes, and bars; times in seconds since the first launcher.

    Of more than `MOST_LANES` lanes those of the latest launchers stay, and `left_out` counts the
    others.
    """
    order = {one.id: place for place, one in enumerate(record.launchers)}
    lanes = sorted(slot_lanes(record.attempts), key=lambda one: order.get(one.launcher_id, -1))
    shown = lanes[-MOST_LANES:]
    known = [one for one in record.launchers if any(lane.launcher_id == one.id for lane in shown)]
    starts = [lane.attempts[0].started_at for lane in shown] + [one.started_at for one in known]
    first = min(starts, default=record.at)
    ends = [_end(one, record.at) for lane in shown for one in lane.attempts] + [_life(one) for one in known]
    span = max(max(ends, default=first) - first, 1e-3)
    bars = _fitting_bars(shown, span, record.at)
    return {
        "span": _short(span),
        "outcomes": OUTCOMES,
        "launchers": [_launcher_json(one, first) for one in known],
        "lanes": [{"launcher": lane.launcher_id, "node": lane.node} for lane in shown],
        "left_out": len(lanes) - len(shown),
        "attempts": sum(len(lane.attempts) for lane in shown),
        "bars": {
            "lane": [bar.lane for bar in bars],
            "start": [_short(bar.start - first) for bar in bars],
            "end": [_short(bar.end - first) for bar in bars],
            "outcome": [bar.outcome for bar in bars],
            "count": [bar.count for bar in bars],
            "id": [bar.first_id for bar in bars],
        },
    }


def _without_overlap(attempts: Sequence[AttemptSpan]) -> list[list[AttemptSpan]]:
    """The attempts of one node in as few lanes as hold them; a new one takes the lowest lane that is free."""
    lanes: list[list[AttemptSpan]] = []
    busy: list[tuple[float, int]] = []
    free: list[int] = []
    for one in attempts:
        while busy and busy[0][0] <= one.started_at + HAND_OVER_SECONDS:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            lane = heapq.heappop(free)
        else:
            lane = len(lanes)
            lanes.append([])
        lanes[lane].append(one)
        heapq.heappush(busy, (float("inf") if one.finished_at is None else one.finished_at, lane))
    return lanes


def _fitting_bars(lanes: Sequence[SlotLane], span: float, at: float) -> list[SlotBar]:
    parts = FINEST
    single = (_bar(lane, one, at) for lane, those in enumerate(lanes) for one in those.attempts)
    bars = list(_merged(single, span / parts))
    while len(bars) > MOST_BARS and parts > COARSEST:
        parts = max(COARSEST, parts // 2)
        bars = list(_merged(bars, span / parts))
    return bars


def _bar(lane: int, one: AttemptSpan, at: float) -> SlotBar:
    outcome = _OUTCOMES.get(one.move, INTERRUPTED)
    return SlotBar(lane, one.started_at, _end(one, at), outcome, 1, one.evaluation_id)


def _merged(bars: Iterable[SlotBar], gap: float) -> Iterator[SlotBar]:
    """The bars, those of one lane and outcome as one that follow each other within the gap."""
    last: SlotBar | None = None
    for one in bars:
        is_next = (
            last is not None
            and (last.lane, last.outcome) == (one.lane, one.outcome)
            and one.start - last.end < gap
        )
        if last is not None and is_next and one.end - last.start < 20 * gap:
            last.end, last.count = max(last.end, one.end), last.count + one.count
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


def _end(one: AttemptSpan, at: float) -> float:
    return max(one.started_at, at if one.finished_at is None else one.finished_at)


def _life(one: LauncherSpan) -> float:
    """When it was last known to live: it may have died without a word."""
    return one.ended_at if one.ended_at is not None else one.heartbeat_at


def _launcher_json(one: LauncherSpan, first: float) -> dict[str, object]:
    place = f"allocation {one.allocation}" if one.allocation else "started by hand"
    return {
        "id": one.id,
        "words": f"launcher {one.id}, {place}, on {one.host}, {one.slots} slots",
        "start": _short(one.started_at - first),
        "end": _short(_life(one) - first),
    }


def _short(value: float) -> float:
    return float(f"{value:.7g}")
