"""Nodes on which everything fails at once while it goes well on others: they would eat the whole queue.

Whether the program or the node is at fault, only other nodes can tell: on a single node nobody is accused.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass

from ambs_hpc.records import Outcome
from ambs_hpc.states import FailureKind

QUICK_SECONDS = 5.0  # an evaluation that fails so soon after its start has hardly computed anything
MOST_QUICK = 8  # of these in a row, of one campaign on one node
LONG_SECONDS = 10.0  # what has run for so long elsewhere has not failed at once
RECENT = 16  # ends of a campaign on a node that are remembered
TOLD_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class _Running:
    """An evaluation that runs; `at` on the monotonic clock."""

    node: str
    campaign_id: int
    at: float


class BlackHoles:
    """Finds them by how evaluations end, each on one node."""

    def __init__(self) -> None:
        self._begun: dict[int, _Running] = {}  # by evaluation
        self._quick: Counter[tuple[int, str]] = Counter()  # failures in a row, by campaign and node
        self._ends: defaultdict[int, defaultdict[str, deque[bool]]] = defaultdict(
            lambda: defaultdict(lambda: deque(maxlen=RECENT))
        )  # whether they went well, by campaign and node

    def note_start(self, evaluation_id: int, campaign_id: int, node: str) -> None:
        """One was started."""
        self._begun[evaluation_id] = _Running(node, campaign_id, time.monotonic())

    def note_interruption(self, evaluation_id: int) -> None:
        """One has ended without an outcome, which says nothing about its node."""
        self._begun.pop(evaluation_id, None)

    def note_outcome(self, outcome: Outcome) -> str:
        """One has ended; why nothing should be started on its node, "" for no reason."""
        begun = self._begun.pop(outcome.id, None)
        if begun is None:
            return ""
        place = (begun.campaign_id, begun.node)
        self._ends[begun.campaign_id][begun.node].append(outcome.failure is None)
        if not _is_quick_failure(outcome):
            self._quick.pop(place, None)
            return ""
        self._quick[place] += 1
        if self._quick[place] < MOST_QUICK or not self._goes_well_elsewhere(*place):
            return ""
        return (
            f"{self._quick[place]} evaluations in a row failed within {QUICK_SECONDS:g} s, while others go "
            f"well on other nodes ({_last_line(outcome.error)})"
        )

    def _goes_well_elsewhere(self, campaign_id: int, node: str) -> bool:
        """Whether most evaluations of the campaign on other nodes have a value, or run for long."""
        ends = [well for other, recent in self._ends[campaign_id].items() if other != node for well in recent]
        long_ago = time.monotonic() - LONG_SECONDS
        running = sum(
            one.campaign_id == campaign_id and one.node != node and one.at < long_ago
            for one in self._begun.values()
        )
        well = sum(ends) + running
        return well > 0 and 2 * well >= len(ends) + running


def _is_quick_failure(outcome: Outcome) -> bool:
    took_seconds = outcome.finished_at - outcome.started_at
    return outcome.failure is FailureKind.ERROR and took_seconds < QUICK_SECONDS


def _last_line(error: str) -> str:
    lines = error.strip().splitlines()
    return lines[-1][:TOLD_CHARACTERS] if lines else "no error was told"
