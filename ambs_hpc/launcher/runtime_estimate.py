"""How long an evaluation may be expected to run, from those that have ended; pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from ambs_hpc.records import Outcome

RECENT = 200  # endings that count: what a search tries becomes slower or faster as it goes on
FEW = 10  # with fewer than so many a quantile says little
QUANTILE = 0.9
# While little was seen, evaluations are expected to run for a minute at least, or a tenth of all the time
# there is: else the last ones would be started in vain.
FLOOR_SECONDS, FLOOR_SHARE = 60.0, 0.1


def floor_seconds(seconds: float) -> float:
    """The run time to expect at least while few evaluations of a campaign have ended.

    Args:
        seconds: that a launcher has in all.
    """
    return min(FLOOR_SECONDS, FLOOR_SHARE * seconds)


def with_possible_run_time(outcome: Outcome, most_seconds: float) -> Outcome:
    """The outcome with a run time that it can have had: its host's clock may have stepped while it ran.

    A wrong one would be kept, and launchers with less time left would start no more of its campaign.

    Args:
        most_seconds: since it was started, by a clock that never steps.
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

    def expected(self, floor_seconds: float) -> float:
        """The 90th percentile of the run times; with few of them the longest, and at least the floor."""
        if len(self._seen) < FEW:
            return max([floor_seconds, *self._seen])
        return sorted(self._seen)[math.ceil(QUANTILE * len(self._seen)) - 1]
