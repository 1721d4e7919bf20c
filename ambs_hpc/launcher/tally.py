"""What a launcher has done so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ambs_hpc.launcher.executors.protocol import Interrupted, Placed
from ambs_hpc.launcher.runtime_estimate import with_possible_run_time
from ambs_hpc.records import Claim, Outcome


@dataclass
class Tally:
    """Attempts that ended and were recorded; `refused` says by campaign why none of it is run here."""

    done: int = 0
    failed: int = 0
    interrupted: int = 0
    paused: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    def note(self, recorded: Iterable[Outcome | Interrupted]) -> None:
        """Count what has been recorded."""
        for one in recorded:
            if isinstance(one, Interrupted):
                self.interrupted += one.started and one.paused_with is None
                self.paused += one.paused_with is not None
            elif one.failure is None:
                self.done += 1
            else:
                self.failed += 1


class BusyTime:
    """How long slots were occupied, by a clock that never steps, and where; all times are seconds."""

    def __init__(self) -> None:
        self._begun: dict[int, float] = {}  # by evaluation
        self._adopted: set[tuple[int, int]] = set()  # (evaluation, attempt)
        self._untold: dict[int, Placed] = {}  # by evaluation: where it runs, which the queue does not know
        self._ended_seconds = 0.0

    def adopt(self, claims: Iterable[Claim]) -> None:
        """Attempts that a predecessor may have started: how long they have run is not known here."""
        self._adopted.update((one.id, one.attempt) for one in claims)

    def begin(self, evaluation_id: int, now: float) -> None:
        """An evaluation takes its slot."""
        self._begun[evaluation_id] = now

    def end(self, ended: Outcome | Interrupted, now: float) -> Outcome | Interrupted:
        """A slot is free; returns what ended, with a run time that it can have had.

        Counted as the database counts it: from the start of its process, if that is known.
        """
        begun = self._begun.pop(ended.id, None)
        self._untold.pop(ended.id, None)
        is_adopted = (ended.id, ended.attempt) in self._adopted
        self._adopted.discard((ended.id, ended.attempt))
        if isinstance(ended, Interrupted):
            self._ended_seconds += 0.0 if begun is None else now - begun
            return ended
        if begun is not None and not is_adopted:
            ended = with_possible_run_time(ended, now - begun)
        self._ended_seconds += ended.finished_at - ended.started_at
        return ended

    def place(self, placed: Iterable[Placed]) -> None:
        """Evaluations that have begun run there."""
        self._untold.update((one.id, one) for one in placed if one.id in self._begun)

    def untold(self, now: float, least_seconds: float) -> list[Placed]:
        """Where those run that have run for so long, except what the queue has been told."""
        return [one for one in self._untold.values() if now - self._begun[one.id] >= least_seconds]

    def note_told(self, placed: Iterable[Placed]) -> None:
        """The queue knows these."""
        for one in placed:
            if self._untold.get(one.id) == one:
                del self._untold[one.id]

    def total(self, now: float) -> float:
        """Of all slots together, since the start."""
        return self._ended_seconds + sum(now - begun for begun in self._begun.values())
