"""When to ask a scheduler again: one command for all allocations, at intervals that failures lengthen."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ambs_hpc.schedulers.values import CouldNotAsk, StatusAnswer

LONGEST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """The state of the questions to a scheduler, as an immutable value.

    Args:
        interval_seconds: between questions that are answered, > 0; 30 to 60 where other users ask too.
        asked_at: when the last question was asked, by the clock of `now`; None before the first.
        failures: unanswered questions since the last answer.
    """

    interval_seconds: float = 45.0
    asked_at: float | None = None
    failures: int = 0

    def __post_init__(self) -> None:
        if self.interval_seconds <= 0:
            raise ValueError(f"interval of {self.interval_seconds} s: a scheduler is asked at intervals > 0")

    @property
    def wait_seconds(self) -> float:
        """Time from the last question to the next: doubled by every failure, at most ten minutes."""
        waits = self.interval_seconds * 2.0 ** min(self.failures, 10)
        return max(self.interval_seconds, min(waits, LONGEST_SECONDS))

    def due(self, now: float) -> bool:
        """Whether it is time to ask; a clock that was set back does not delay the question."""
        return self.asked_at is None or not 0.0 <= now - self.asked_at < self.wait_seconds

    def note(self, now: float, answer: StatusAnswer | CouldNotAsk) -> Backoff:
        """The state after a question asked at `now`."""
        if isinstance(answer, CouldNotAsk):
            return replace(self, asked_at=now, failures=self.failures + 1)
        return replace(self, asked_at=now, failures=0)
