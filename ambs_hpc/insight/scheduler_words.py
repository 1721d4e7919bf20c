"""What a scheduler's reason for waiting means, and what can be done about it; pure."""

from __future__ import annotations

import re
from typing import NamedTuple


class Remedy(NamedTuple):
    """What the words mean, and a command; either may be empty."""

    meaning: str
    command: str


_FEWER = "fewer nodes or less time start sooner: ambs submit --nodes N --time T"
# Searched for in this order, in what the scheduler said of an allocation that waits. {id} is its own id.
_MEANINGS: tuple[tuple[str, Remedy], ...] = (
    (r"JobHeldUser|user_hold", Remedy("you hold it", "scontrol release {id}, or: qrls {id}")),
    (
        r"JobHeldAdmin|admin_hold|operator",
        Remedy("the site holds it", "ask the support of the site about {id}"),
    ),
    (
        r"Dependency|DependencyNeverSatisfied|dep_hold",
        Remedy("it waits for the end of another", "ambs allocations"),
    ),
    (
        r"launch failed requeued held|requeued held",
        Remedy("its start has failed", "scontrol release {id} tries again"),
    ),
    (
        r"QOS|Assoc|MaxJobs|MaxCpu|MaxNodes|limit|quota",
        Remedy(
            "a limit of your user, project or queue", "wait until others of yours have ended, or: ambs check"
        ),
    ),
    (
        r"ReqNodeNotAvail|Reserved|maintenance|Reservation",
        Remedy("nodes are reserved, down or under maintenance", _FEWER),
    ),
    (
        r"PartitionDown|PartitionInactive|queue .*(stopped|not started|disabled)",
        Remedy("the queue is closed", "ambs check -q QUEUE"),
    ),
    (
        r"BadConstraints|NodeConfig|can ?never|Can Never Run",
        Remedy(
            "no node of the machine can ever satisfy it", "ambs allocations cancel, and submit another one"
        ),
    ),
    (r"Priority", Remedy("others come first", _FEWER)),
    (r"Resources|Insufficient|Not enough", Remedy("nodes are busy", _FEWER)),
)


def remedy(words: str, scheduler_id: str) -> Remedy:
    """What the words mean; empty where they are not known."""
    for pattern, found in _MEANINGS:
        if re.search(pattern, words, re.IGNORECASE):
            return Remedy(found.meaning, found.command.format(id=scheduler_id))
    return Remedy("", "")
