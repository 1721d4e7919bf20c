"""The decision whether to submit another allocation now, and of which size; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ambs_hpc.records import Allocation
from ambs_hpc.sites.vanished import CANCELLED, NO_LAUNCHER

WAITING = ("PREPARED", "QUEUED", "HELD", "STARTING", "UNKNOWN")
# Of Slurm's sbatch, for a node that it was told to leave out and that is gone: it was asked again without.
UNKNOWN_NODE = re.compile("invalid node name", re.IGNORECASE)
FAILED = ("REFUSED", "VANISHED", "ENDED")  # unless a launcher ran in it


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits that a person sets.

    Args:
        most_queued: allocations that may wait at a time, >= 1.
        min_nodes, max_nodes: size of one allocation, 1 <= min <= max.
        per_node: evaluations that a node runs at once, >= 1.
        give_up_after: number of failed allocations in a row after which nothing more is submitted, >= 1.
    """

    most_queued: int
    min_nodes: int
    max_nodes: int
    per_node: int
    give_up_after: int = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision.

    Args:
        nodes: size of the allocation to submit; 0 submits none.
        reason: the reason, for people.
        gave_up: a person must look first.
    """

    nodes: int
    reason: str
    gave_up: bool = False


def decide(policy: Policy, ready: int, allocations: Sequence[Allocation], *, retry: bool = False) -> Decision:
    """The size that the waiting evaluations need beyond the allocations that wait already.

    Args:
        ready: number of evaluations that wait.
        allocations: newest first.
        retry: a person has looked, so earlier failures are ignored.
    """
    waiting = [one for one in allocations if one.state in WAITING]
    failed = _failed_in_a_row(allocations)
    if len(failed) >= policy.give_up_after and not retry:
        words = failed[0].detail or failed[0].state
        return Decision(
            0,
            f"the last {len(failed)} allocations ran no launcher; the newest, {failed[0].id}: {words}. "
            "Correct the cause, then use --retry.",
            gave_up=True,
        )
    if len(waiting) >= policy.most_queued:
        return Decision(0, f"{len(waiting)} allocations wait already")
    covered = sum(_nodes(one) for one in waiting) * policy.per_node
    if ready <= covered:
        return Decision(0, f"{ready} evaluations wait, and queued allocations have room for {covered}")
    wanted = math.ceil((ready - covered) / policy.per_node)
    nodes = min(policy.max_nodes, max(policy.min_nodes, wanted))
    return Decision(nodes, f"{ready} evaluations wait, and queued allocations have room for {covered}")


def _failed_in_a_row(allocations: Sequence[Allocation]) -> list[Allocation]:
    """The newest allocations that ended without a launcher, up to one that had one or was cancelled."""
    failed: list[Allocation] = []
    for one in allocations:
        if one.state not in FAILED or (one.request.get("left_out") and UNKNOWN_NODE.search(one.detail)):
            continue
        is_unknown = (
            one.state == "VANISHED" and one.scheduler_id is not None and NO_LAUNCHER not in one.detail
        )
        is_cancelled = one.detail.lower().startswith(CANCELLED)
        if one.launchers or is_unknown or is_cancelled:  # a person may have cancelled what vanished, too
            break
        failed.append(one)
    return failed


def _nodes(one: Allocation) -> int:
    return int(str(one.request.get("nodes", 1)))
