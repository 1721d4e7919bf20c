"""When a search is hopeless: its first evaluations have all failed alike, and none has ever succeeded; pure.

The first by their ordinals, not by their endings: what fails does so within seconds while what succeeds takes
hours, so that among those that have ended there may be failures only, for a while, in the best of spaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ambs_hpc.states import FailureKind, State

if TYPE_CHECKING:
    from ambs_hpc.records import Finished


@dataclass(frozen=True, slots=True)
class Hopeless:
    """Why a search has no prospect.

    Args:
        failures: number of evaluations that failed alike.
        example_id: the last of them.
    """

    failures: int
    example_id: int


class FirstEndings:
    """Judges the evaluations that a search sees first in its life.

    What had ended before does not count: a person has started the search again, and may have mended the
    cause.
    """

    def __init__(
        self, after: int | None, ended_before: Iterable[int] = (), *, has_succeeded: bool = False
    ) -> None:
        """
        Args:
            after: number of evaluations; None never judges.
            ended_before: ordinals of evaluations in a final state.
            has_succeeded: whether one of the campaign has ever succeeded.
        """
        self._after = after
        self._skipped = set(ended_before)
        self._is_settled = after is None or has_succeeded
        self._causes: dict[int, tuple[str, int]] = {}  # by ordinal: how it failed, its id
        self.verdict: Hopeless | None = None
        self._kept: Hopeless | None = None  # of before the search was rebuilt

    def keep_verdict_of(self, before: FirstEndings) -> None:
        """What was hopeless still is, where nothing has succeeded since and nobody has begun again."""
        if not self._is_settled:
            self.verdict = before.verdict
            self._kept = before.verdict

    def note(self, finished: Iterable[Finished]) -> None:
        """Take endings into account; `verdict` is up to date afterwards."""
        new = list(finished)
        if self._is_settled or not new:
            return
        for one in new:
            self._skipped.discard(one.ordinal)
            self._causes.pop(one.ordinal, None)
            if one.state is State.DONE:
                self._is_settled, self.verdict = True, None
                return
            if one.state is State.FAILED:
                self._causes[one.ordinal] = (_cause(one), one.id)
            else:
                self._skipped.add(one.ordinal)
        self._judge()

    def _judge(self) -> None:
        assert self._after is not None
        self.verdict = self._kept  # a rerun may have shown another cause
        if len(self._causes) < self._after:
            return
        alike: list[tuple[str, int]] = []
        for ordinal in range(len(self._causes) + len(self._skipped)):
            if ordinal in self._skipped:
                continue
            if ordinal not in self._causes:
                return  # the first that still runs may succeed
            alike.append(self._causes[ordinal])
            if alike[-1][0] != alike[0][0]:
                self._is_settled, self.verdict = True, None
                return
            if len(alike) == self._after:
                self.verdict = Hopeless(self._after, max(id_ for _, id_ in alike))
                return


def _cause(failed: Finished) -> str:
    """What failures of one cause have in common: the kind, and of an exception its type."""
    type_name = failed.signature.partition(":")[0] if failed.failure_kind == FailureKind.ERROR else ""
    return f"{failed.failure_kind} {type_name}"
