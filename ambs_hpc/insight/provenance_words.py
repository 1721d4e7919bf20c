"""Which launchers of a campaign ran with other sources or programs than those before them, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ambs_hpc.provenance.comparison_words import facts_differences
from ambs_hpc.queue import ProvenanceUse


@dataclass(frozen=True, slots=True)
class Departure:
    """A launcher that ran with others than the one before it, or than it ran with itself before.

    Args:
        launcher_id, former_id: of the two; the same where sources changed under a launcher that lived on.
        at: when it was found, seconds since 1970 UTC.
        differences: what differs, in words.
    """

    launcher_id: int
    former_id: int
    at: float
    differences: tuple[str, ...]

    @property
    def words(self) -> str:
        """All of it in one line."""
        told = "; ".join(self.differences)
        if self.launcher_id == self.former_id:
            return f"launcher {self.launcher_id} differs since a revision from what it was before: {told}"
        return f"launcher {self.launcher_id} differs from launcher {self.former_id}: {told}"


def departures(uses: Sequence[ProvenanceUse]) -> list[Departure]:
    """Where the launchers of a campaign begin to differ, oldest first; of those that are alike the first."""
    found: list[Departure] = []
    former: ProvenanceUse | None = None
    seen: set[str] = set()
    for use in uses:
        if use.launcher_id is None:
            continue
        if former is not None and former.launcher_id is not None and use.digest not in seen:
            words = tuple(facts_differences(former.facts, use.facts))
            if words:
                found.append(Departure(use.launcher_id, former.launcher_id, use.at, words))
        seen.add(use.digest)
        former = use
    return found


def use_of(uses: Sequence[ProvenanceUse], launcher_id: int | None, at: float | None) -> ProvenanceUse | None:
    """What a launcher found last before a time, or else first; None where it found nothing."""
    own = [one for one in uses if launcher_id is not None and one.launcher_id == launcher_id]
    before = [one for one in own if at is None or one.at <= at]
    return before[-1] if before else (own[0] if own else None)
