"""How many evaluations a launcher leases: what fits now, and a few ahead where they are short; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ambs_hpc.records import Claim, Resources

# Evaluations shorter than this are leased ahead, so that a slot does not wait for the database; longer ones
# are never hoarded.
SHORT_SECONDS = 1.0
# Endings of short ones are gathered for so long: a commit costs the same for one as for many.
GATHER_SECONDS = 0.04
AHEAD_PER_SLOT_AT_MOST = 32
CLAIM_AT_MOST = 1000


class LeaseDemand:
    """Learns how large evaluations are, how long they take and how many run at once."""

    def __init__(self) -> None:
        self.shape: Resources | None = None  # of the last lease: how many more may fit
        self._mean_seconds = float("inf")  # that they take, the latest counting most
        self._most_running = 1

    @property
    def is_short(self) -> bool:
        """Whether evaluations are so short that slots would wait for the database."""
        return self._mean_seconds < SHORT_SECONDS

    def note_leased(self, claims: Sequence[Claim]) -> None:
        """These were leased."""
        if claims:
            self.shape = claims[-1].resources

    def note_running(self, number: int) -> None:
        """So many run at once."""
        self._most_running = max(self._most_running, number)

    def note_run(self, seconds: float) -> None:
        """One took so long."""
        known = self._mean_seconds
        self._mean_seconds = seconds if known == float("inf") else 0.9 * known + 0.1 * seconds

    def is_met_by(self, waiting: int) -> bool:
        """Whether the slots can go on for a while with so many that wait."""
        return 2 * waiting >= self._most_running

    def wanted(self, waiting: int, count: Callable[[Resources], int], *, has_room: bool) -> int:
        """How many to lease now, in [0, CLAIM_AT_MOST].

        Args:
            waiting: are leased and not started; the one that room is kept for does not count.
            count: how many more of a shape could start now.
            has_room: whether anything may fit now.
        """
        if not (has_room or self.is_short):
            return 0
        if self.shape is None:
            return 1  # it tells how large they are: with a guess we might lease many that then wait
        wanted = count(self.shape) + self._ahead - waiting
        if wanted <= 0 and not waiting and has_room:
            return 1  # one of another shape may fit
        return max(0, min(CLAIM_AT_MOST, wanted))

    @property
    def _ahead(self) -> int:
        """How many to lease beyond the slots: what they finish while endings are gathered."""
        if not self.is_short:
            return 0
        each = 2 * GATHER_SECONDS / max(self._mean_seconds, 1e-3)
        return self._most_running * min(AHEAD_PER_SLOT_AT_MOST, 1 + int(each))
