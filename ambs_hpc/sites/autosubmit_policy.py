"""The decision whether to submit another allocation now, and of which size; pure."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ambs_hpc.records import Allocation
from ambs_hpc.schedulers.balsam.scheduler import NAME as BALSAM
from ambs_hpc.sites.vanished import CANCELLED

WAITING = ("PREPARED", "QUEUED", "HELD", "STARTING", "UNKNOWN")
# Of Slurm's sbatch, for a node that it was told to leave out and that is gone: it was asked again without.
UNKNOWN_NODE = re.compile("invalid node name", re.IGNORECASE)
FAILED = ("REFUSED", "VANISHED", "ENDED")  # unless a launcher ran in it, and was of use
IDLE_SHARE = 0.05  # of its slot-time: whose launcher has used less has so far done nothing


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


def decide(
    policy: Policy,
    ready: int,
    allocations: Sequence[Allocation],
    *,
    fruitless: Collection[int] = (),
    retry: bool = False,
) -> Decision:
    """The size that the waiting evaluations need beyond the allocations that wait already, or have begun.

    Args:
        ready: number of evaluations that wait.
        allocations: newest first.
        fruitless: those of them that are over and ran a launcher, which ended nothing although evaluations
            waited then that wait now.
        retry: a person has looked, so earlier failures are ignored.
    """
    waiting = [one for one in allocations if one.state in WAITING]
    failed = _failed_in_a_row(allocations, fruitless)
    if len(failed) >= policy.give_up_after and not retry:
        return _stopped(failed, [one.id for one in allocations if one.state not in (*FAILED, "UNSENT")])
    if len(waiting) >= policy.most_queued:
        return Decision(0, f"{len(waiting)} allocations wait already{_why_held(waiting)}")
    begun = [one for one in allocations if _begins(one)]
    covered = sum(_nodes(one) for one in [*waiting, *begun]) * policy.per_node
    reason = f"{ready} evaluations wait, and allocations that wait or begin have room for {covered}"
    if ready <= covered:
        return Decision(0, reason)
    wanted = math.ceil((ready - covered) / policy.per_node)
    return Decision(min(policy.max_nodes, max(policy.min_nodes, wanted)), reason)


def _stopped(failed: Sequence[Allocation], open_ids: Sequence[int]) -> Decision:
    """Nothing is submitted after so many failures, unless by a person; what is newer may yet do better."""
    newest = failed[0]
    what = "ran nothing of what waits" if any(one.launchers for one in failed) else "ran no launcher"
    words = "see `ambs why idle`" if newest.launchers else newest.detail or newest.state
    said = f"the last {len(failed)} allocations {what}; the newest, {newest.id}: {words}"
    if newer := [number for number in open_ids if number > newest.id]:
        return Decision(0, f"{said}. Whether {newer[-1]} does better is not known yet")
    return Decision(0, f"{said}. Correct the cause, then use --retry.", gave_up=True)


def _failed_in_a_row(allocations: Sequence[Allocation], fruitless: Collection[int]) -> list[Allocation]:
    """The newest allocations that were of no use, up to one that was, or that a person cancelled."""
    failed: list[Allocation] = []
    useful = [one for one in allocations if one.launchers and one.id not in fruitless and not _begins(one)]
    for one in allocations:
        if one in useful:
            break
        is_asked_again = one.request.get("left_out") and UNKNOWN_NODE.search(one.detail)
        if one.state not in FAILED or one.scheduler == BALSAM or is_asked_again:
            continue
        if one.detail.lower().startswith(CANCELLED) or (
            one.launchers and any(_overlap(one, other) for other in useful)
        ):
            break
        failed.append(one)
    return failed


def _begins(one: Allocation) -> bool:
    """Whether it runs and has done nothing so far: a launcher, and what that starts, take a while.

    Launchers of Balsam's are not ours, so nobody knows it of an allocation of Balsam's.
    """
    is_idle = not one.evaluations and (one.utilisation or 0.0) < IDLE_SHARE
    return one.state == "RUNNING" and is_idle and one.scheduler != BALSAM


def _overlap(one: Allocation, other: Allocation) -> bool:
    """Whether both ran at some time; what waits now may then have run in the other."""
    begun, ended = one.started_at or one.created_at, one.ended_at or math.inf
    return (other.started_at or other.created_at) < ended and begun < (other.ended_at or math.inf)


def _why_held(waiting: Sequence[Allocation]) -> str:
    """Which of them somebody has to release, or that waits for another to end; "" where none does."""
    held = [one for one in waiting if one.state == "HELD"]
    return f" ({held[-1].id} is held: {held[-1].detail})" if held else ""


def _nodes(one: Allocation) -> int:
    return int(str(one.request.get("nodes", 1)))
