"""How far a campaign is, as its search sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ambs_hpc.campaign.first_endings import Hopeless
from ambs_hpc.states import State


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a campaign.

    Args:
        counts: evaluations by state; imported results are none.
        proposed: total number of evaluations enqueued, those that people added among them.
        budget: max_evaluations and what people added, or None.
        exhausted: nothing more can be proposed.
        dead_end: why not, where that is not because all has been proposed; "" otherwise.
        hopeless: why nothing more is proposed, where the first evaluations have all failed alike.
        database_away: the last step could not reach the database; nothing is lost, the next step tries again.
    """

    counts: Mapping[State, int]
    proposed: int
    budget: int | None
    exhausted: bool = False
    dead_end: str = ""
    database_away: bool = False
    hopeless: Hopeless | None = None

    @property
    def ended(self) -> int:
        """Evaluations in a final state."""
        return sum(count for state, count in self.counts.items() if state.is_final)

    @property
    def settled(self) -> int:
        """Those, and the paused ones: they go on only if others come to their rung."""
        return self.ended + self.counts.get(State.PAUSED, 0)

    @property
    def is_complete(self) -> bool:
        """Whether everything that is to be proposed has been proposed, and nothing runs or waits."""
        spent = self.budget is not None and self.proposed >= self.budget
        return (spent or self.exhausted) and self.settled >= self.proposed
