"""What is to be told of a campaign, from what was read of it: pure, and the same for whoever looks."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ambs_hpc.queue import EvaluationRow, FailureGroup, NoticeCounts, WaitingWork
from ambs_hpc.shown_text import cell, duration, harmless, logs_command

BUDGET_SHARE = 0.8
BEST_PAUSE_SECONDS = 60.0  # between two notices of a new best; the last one is never left out
WAITING_SECONDS = 300.0  # that evaluations wait with nobody to run them, before it is told
SIGNATURES_AT_ONCE = 3  # in words; the others of the same look are counted
LONGEST_TEXT = 1000


@dataclass(frozen=True, slots=True)
class CampaignReading:
    """What was read of a campaign.

    Args:
        objective: the name of the one that `best` is the best of; "" for the only one.
        budget: proposals of its search at most; None without one.
        best: None too where nothing keeps the constraints.
        is_exhausted: its search says that nothing more can be proposed.
        is_bounded: whether there are constraints.
        gave_up: why `ambs autosubmit` asks for no more allocations; "" if it does.
        told_from: what ended before this time, in seconds since 1970 UTC, is not called new: notices were
            asked for later.
        told: keys of notices that were claimed before.
        best_told_seconds: since a new best was told; infinity for never.
    """

    name: str
    objective: str
    budget: int | None
    counts: NoticeCounts
    best: EvaluationRow | None
    failures: Sequence[FailureGroup]
    waiting: WaitingWork
    told: Collection[str] = ()
    best_told_seconds: float = float("inf")
    is_exhausted: bool = False
    is_bounded: bool = False
    gave_up: str = ""
    told_from: float = 0.0

    @property
    def is_done(self) -> bool:
        """Whether everything that is to be proposed has been proposed and has ended, or stays paused."""
        counts = self.counts
        is_spent = self.budget is not None and counts.enqueued - counts.added >= self.budget
        return (is_spent or self.is_exhausted) and 0 < counts.enqueued <= self.settled

    @property
    def settled(self) -> int:
        """What has ended, and what is paused: that goes on only if others come to its rung."""
        return self.counts.ended + self.counts.paused


@dataclass(frozen=True, slots=True)
class DueNotice:
    """Something to be told.

    Args:
        keys: what it tells; each key is told once.
        kind: of `sites.notify_settings.EVENTS`.
        text: one line, harmless on a screen.
        details: JSON values.
    """

    keys: tuple[str, ...]
    kind: str
    text: str
    details: Mapping[str, object] = field(default_factory=dict)


def due_notices(reading: CampaignReading, events: Collection[str]) -> list[DueNotice]:
    """What of these events is to be told now; what was told is left out."""
    found: list[DueNotice] = []
    for notice in (*_best(reading), *_failures(reading), *_waiting(reading), *_budget(reading)):
        keys = tuple(key for key in notice.keys if key not in reading.told)
        if notice.kind in events and keys:
            found.append(notice)
    return found


def failure_key(group: FailureGroup) -> str:
    """The name of a kind of failure among notices."""
    return f"failure/{group.kind.value}/{hashlib.sha256(group.signature.encode()).hexdigest()[:16]}"


def _best(reading: CampaignReading) -> Iterator[DueNotice]:
    best = reading.best
    if best is None or (reading.best_told_seconds < BEST_PAUSE_SECONDS and not reading.is_done):
        return
    configuration = cell(dict(best.configuration))
    is_old = best.finished_at is not None and best.finished_at < reading.told_from
    which = "best before notices were asked for" if is_old else "new best"
    text = f"{reading.name}: {which} {_best_value(reading, best)}: {configuration}"
    details = {"evaluation": best.id, "objective": best.objective, "configuration": dict(best.configuration)}
    yield DueNotice((f"best/{best.id}",), "best", _line(text), details)


def _best_value(reading: CampaignReading, best: EvaluationRow) -> str:
    name = f"{cell(reading.objective)} " if reading.objective else ""
    return f"{name}{cell(best.objective)}, evaluation {best.id}"


def _failures(reading: CampaignReading) -> Iterator[DueNotice]:
    new = [one for one in reading.failures if failure_key(one) not in reading.told]
    if not new:
        return
    words = [
        f"{one.kind.value}: {one.signature or 'said nothing'} ({logs_command(one.example_id, one.kind)})"
        for one in new[:SIGNATURES_AT_ONCE]
    ]
    more = f"; and {len(new) - SIGNATURES_AT_ONCE} more kinds" if len(new) > SIGNATURES_AT_ONCE else ""
    are_old = all(one.first_at < reading.told_from for one in new)
    how = "had failed before notices were asked for" if are_old else "fails for the first time"
    text = f"{reading.name}: {how} with {'; '.join(words)}{more}"
    details = {
        "failures": [
            {"kind": one.kind.value, "signature": one.signature, "evaluation": one.example_id} for one in new
        ]
    }
    yield DueNotice(tuple(map(failure_key, new)), "failure", _line(text), details)


def _waiting(reading: CampaignReading) -> Iterator[DueNotice]:
    waiting = reading.waiting
    has_somebody = waiting.live_launchers or waiting.allocations
    if not waiting.ready or has_somebody or (waiting.seconds < WAITING_SECONDS and not reading.gave_up):
        return
    why = (
        f"no more allocations are asked for: {reading.gave_up}"
        if reading.gave_up
        else f"for {duration(waiting.seconds)} no launcher has been alive and no allocation is on its way: "
        "ambs launch, or ambs submit"
    )
    text = f"{reading.name}: {waiting.ready} evaluations wait, and {why}"
    details = {"ready": waiting.ready, "seconds": waiting.seconds}
    yield DueNotice((f"waiting/{waiting.last_launcher_id}",), "waiting", _line(text), details)


def _budget(reading: CampaignReading) -> Iterator[DueNotice]:
    """The end, or else that it is near: never both at once."""
    best = reading.best
    nothing = "; nothing feasible" if reading.is_bounded else "; nothing succeeded"
    told = nothing if best is None else f"; best {_best_value(reading, best)}"
    counts = reading.counts
    details = {
        "ended": counts.ended,
        "paused": counts.paused,
        "budget": reading.budget,
        "evaluation": None if best is None else best.id,
        "objective": None if best is None else best.objective,
    }
    ended = f"evaluations have ended{f', {counts.paused} are paused' if counts.paused else ''}{told}"
    if reading.is_done:
        text = f"{reading.name}: done, {counts.ended} {ended}"
        yield DueNotice((f"done/{counts.enqueued}",), "done", _line(text), details)
        return
    budget, own = reading.budget, reading.settled - counts.added
    if budget and BUDGET_SHARE * budget <= own < budget:
        text = f"{reading.name}: {own - counts.paused} of {budget} {ended}"
        yield DueNotice((f"budget/{budget}",), "budget", _line(text), details)


def _line(text: str) -> str:
    line = harmless(" ".join(text.split()))
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 3] + "..."
