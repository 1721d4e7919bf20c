"""How long an evaluation may be expected to run, from those that have ended; pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ambs_hpc.records import Outcome

RECENT = 200  # endings that count: what a search tries becomes slower or faster as it goes on
FEW = 10  # with fewer than so many a quantile says little
QUANTILE = 0.9
# While little was seen, evaluations are expected to run for a minute at least, or a tenth of all the time
# there is: else the last ones would be started in vain.
FLOOR_SECONDS, FLOOR_SHARE = 60.0, 0.1


# Where the few that ended took longer than a launcher has, one that has just begun tries all the same: they
# may have been exceptions, and if nobody tried nothing more would ever be learned.
CEILING_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class RunTimeBounds:
    """Between which run times, in seconds, a launcher expects what it has to estimate.

    They count while few evaluations of a campaign have ended; what most of many took is believed.

    Args:
        floor: also when what ended was shorter.
        ceiling: also when what ended was longer.
    """

    floor: float = 0.0
    ceiling: float = math.inf


def run_time_bounds(seconds: float) -> RunTimeBounds:
    """The bounds for a launcher that has so many seconds in all."""
    return RunTimeBounds(min(FLOOR_SECONDS, FLOOR_SHARE * seconds), CEILING_SHARE * seconds)


def with_possible_run_time(outcome: Outcome, most_seconds: float) -> Outcome:
    """The outcome with a run time that it can have had: its host's clock may have stepped while it ran.

    A wrong one would be kept, and launchers with less time left would start no more of its campaign.

    Args:
        most_seconds: since it was started, by a clock that steps seldom, as a launcher or the database has.
    """
    seconds = min(max(0.0, outcome.finished_at - outcome.started_at), most_seconds)
    return replace(outcome, finished_at=outcome.started_at + seconds)


class RuntimeEstimate:
    """Estimates how long evaluations of one campaign run, in seconds."""

    def __init__(self, seen: Iterable[float] = ()) -> None:
        """`seen`: the oldest first."""
        self._seen = deque(seen, maxlen=RECENT)

    def note(self, seconds: float) -> None:
        """Take the run time of one more evaluation."""
        self._seen.append(seconds)

    def expected(self, bounds: RunTimeBounds) -> float:
        """The 90th percentile of the run times; with few of them the longest, between the bounds."""
        if len(self._seen) < FEW:
            return min(max([bounds.floor, *self._seen]), bounds.ceiling)
        return sorted(self._seen)[math.ceil(QUANTILE * len(self._seen)) - 1]
