"""The progress of a campaign in words: counts, the best objective, the time that is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambs_hpc.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ambs_hpc.campaign import Progress


def describe(progress: Progress, best: float | None) -> str:
    """The counts and the best objective in one line."""
    counts = progress.counts
    running = counts.get(State.RUNNING, 0)
    # A launcher leases more than it has slots for, so that none is empty between two.
    parts = [_described_ended(progress), f"{running} running or next" if running else "0 running"]
    if counts.get(State.PAUSED):
        parts.append(f"{counts[State.PAUSED]} paused")
    if best is not None:
        parts.append(f"best {best:.6g}")
    if progress.database_away:
        parts.append("database away, waiting for it")
    return ", ".join(parts)


def described_states(counts: Mapping[State, int], running: int) -> str:
    """The numbers by state: "3 ready, 4 running, 2 leased, 20 done"; "" for none.

    Args:
        running: those that are known to run; the others that are RUNNING a launcher has leased.
    """
    numbers: list[tuple[int, str]] = []
    for state, number in counts.items():
        numbers.append((running if state is State.RUNNING else number, state.value.lower()))
        if state is State.RUNNING:
            numbers.append((number - running, "leased"))
    return ", ".join(f"{number} {words}" for number, words in numbers if number > 0)


def shown_ended(progress: Progress) -> int:
    """How many evaluations have ended, at most the budget: a person may have lowered that since."""
    return progress.settled if progress.budget is None else min(progress.settled, progress.budget)


def _described_ended(progress: Progress) -> str:
    """All that the budget counts, the failed among them: else it would seem to end before its end."""
    ended, budget = progress.ended, progress.budget
    badly = [
        f"{progress.counts[state]} {state.value.lower()}"
        for state in (State.FAILED, State.CANCELLED)
        if progress.counts.get(state)
    ]
    among = f" ({', '.join(badly)})" if badly else ""
    if budget is None:
        return f"{ended} ended{among}"
    if ended > budget:
        return f"{ended} ended{among}, budget of {budget} spent"
    return f"{ended}/{budget} ended{among}"


class RemainingTime:
    """How long a campaign still takes at the rate of all that has ended while it was watched.

    What begins together ends together: the rate of the last seconds would be that of a wave, or none. What
    had ended before was no work of this time.
    """

    def __init__(self, now: float) -> None:
        """`now`: seconds on a monotonic clock, at which the first evaluations begin."""
        self._began, self._ended_before = now, -1

    def seconds(self, progress: Progress, now: float) -> float | None:
        """The time left, 0 where nothing is; None without a budget, or before anything has ended."""
        if self._ended_before < 0:
            self._ended_before = progress.settled
        ended = progress.settled - self._ended_before
        if progress.budget is None or ended < 1:
            return None
        return max(0.0, now - self._began) / ended * max(0, progress.budget - progress.settled)
