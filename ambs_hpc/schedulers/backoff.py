"""When to ask a scheduler again: one command for all allocations, seldom, and less often when it is down."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ambs_hpc.schedulers.values import CouldNotAsk, StatusAnswer

LONGEST_SECONDS = 600.0
SILENT_AFTER = 4  # unanswered questions in a row, about ten minutes: time to tell a person


@dataclass(frozen=True, slots=True)
class Backoff:
    """How the questions to one scheduler went; a value that can be stored between commands.

    Args:
        interval_seconds: between questions that are answered, > 0; 30 to 60 where others wait beside us.
        asked_at: when the last question was asked, by the clock whose `now` is handed in; None for never.
        failures: unanswered questions since the last answer.
        words: what was seen at the last failure, empty after an answer.
    """

    interval_seconds: float = 45.0
    asked_at: float | None = None
    failures: int = 0
    words: str = ""

    def __post_init__(self) -> None:
        if self.interval_seconds <= 0:
            raise ValueError(f"interval of {self.interval_seconds} s: a scheduler is asked at intervals > 0")

    @property
    def wait_seconds(self) -> float:
        """Time from the last question to the next: doubled by every failure, ten minutes at most."""
        waits = self.interval_seconds * 2.0 ** min(self.failures, 10)
        return max(self.interval_seconds, min(waits, LONGEST_SECONDS))

    @property
    def is_silent(self) -> bool:
        """The scheduler has been silent for so long that a person should know; states stay as they were."""
        return self.failures >= SILENT_AFTER

    def due(self, now: float) -> bool:
        """Whether to ask; a clock that was set back does not make us wait for it."""
        return self.asked_at is None or not 0.0 <= now - self.asked_at < self.wait_seconds

    def note(self, now: float, answer: StatusAnswer | CouldNotAsk) -> Backoff:
        """The state after a question asked at `now`."""
        if isinstance(answer, CouldNotAsk):
            return replace(self, asked_at=now, failures=self.failures + 1, words=str(answer))
        return replace(self, asked_at=now, failures=0, words="")
