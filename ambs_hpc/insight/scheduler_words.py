"""What a scheduler's reason for waiting means, and what can be done about it; pure."""

from __future__ import annotations

import re
from typing import NamedTuple


class Remedy(NamedTuple):
    """What the words mean, and a command; either may be empty."""

    meaning: str
    command: str


_FEWER = "fewer nodes or less time start sooner: ambs submit --nodes N --time T"
_LESS_TIME = "less time may end before that: ambs submit --time T"
_WHICH_ARE_UP = "no request starts before enough nodes are up: sinfo, or: pbsnodes -a"
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
        # Slurm's sentence has underscores in some outputs; PBS tells the total of what is up as T.
        r"(?<![a-z])DOWN(?![a-z])|DRAINED|UnavailableNodes|total nodes|\bT: 0\b",
        Remedy("nodes that it needs are down, drained or reserved", _WHICH_ARE_UP),
    ),
    (
        r"Reserved|maintenance|Reservation",
        Remedy("nodes are reserved, or will be under maintenance", _LESS_TIME),
    ),
    (r"ReqNodeNotAvail", Remedy("nodes that it needs are not there now", _WHICH_ARE_UP)),
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
    (r"Resources|Insufficient|Not enough", Remedy("not enough nodes are free", _FEWER)),
)


def remedy(words: str, scheduler_id: str) -> Remedy:
    """What the words mean; empty where they are not known."""
    for pattern, found in _MEANINGS:
        if re.search(pattern, words, re.IGNORECASE):
            return Remedy(found.meaning, found.command.format(id=scheduler_id))
    return Remedy("", "")
