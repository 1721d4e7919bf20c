"""Why an evaluation waits: its needs against the launchers that live and the allocations that are to come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from ambs_hpc.records import Allocation, Resources
from ambs_hpc.shown_text import cell, duration


@dataclass(frozen=True, slots=True)
class WaitingReason:
    """A reason, and what to do about it.

    Args:
        code: for scripts: "refused", "draining", "too_little_time", "too_few_nodes", "busy", "room_kept",
            "launcher_says", "may_start", "allocation_waits", "allocation_without_launcher",
            "last_allocation", "no_launcher".
        words: for people.
        command: that mends it, or shows how it goes on; it can be pasted as it is.
    """

    code: str
    words: str
    command: str


MARGIN_MINUTES = 5  # for start-up and the end, in a walltime that is proposed
USUAL_MINUTES = 60  # of walltime, where evaluations have no time limit
NO_FILE = "PROBLEM"  # stands for a problem file that was not found


def submit_command(nodes: int, limit_seconds: float | None) -> str:
    """The command that asks for an allocation in which evaluations of that time limit have time."""
    minutes = USUAL_MINUTES if limit_seconds is None else math.ceil(limit_seconds / 60) + MARGIN_MINUTES
    return f"ambs submit --nodes {nodes} --time {minutes}"


@dataclass(frozen=True, slots=True)
class Need:
    """What an evaluation waits for.

    Args:
        ahead: evaluations that are leased before it.
        allow: the command that registers its campaign's objective.
    """

    id: int
    campaign: str
    resources: Resources
    time_limit_seconds: float | None
    ahead: int
    allow: str = f"ambs allow {NO_FILE}"

    @property
    def submit(self) -> str:
        """The command that asks for an allocation of its shape."""
        return submit_command(self.resources.nodes, self.time_limit_seconds)


@dataclass(frozen=True, slots=True)
class LivingLauncher:
    """A launcher as its rows tell of it.

    Args:
        idle: why slots of it are idle, in its own words.
        seconds_left: of its allocation; None where it has no known end.
        nodes: of its allocation; None where there is none.
    """

    id: int
    host: str
    slots: int
    running: int
    idle: str
    seconds_left: float | None
    nodes: int | None


def waiting_reasons(
    need: Need,
    launchers: Sequence[LivingLauncher],
    coming: Sequence[Allocation],
    last_over: Allocation | None,
    *,
    can_submit: bool = False,
) -> list[WaitingReason]:
    """The reasons for which an evaluation is not running, at least one.

    Args:
        launchers: that live.
        coming: allocations that are not over.
        last_over: the newest allocation, if it is over.
        can_submit: whether the folder names a site with a batch system.
    """
    found = [_of_launcher(need, one) for one in launchers]
    if any(one.code in ("busy", "may_start", "room_kept") for one in found):
        return found
    found += [_of_allocation(one, has_launcher=bool(launchers)) for one in coming]
    if not launchers and not coming:
        if last_over is not None and last_over.detail:
            words = f"the last allocation, {_named(last_over)}, is over ({last_over.state}): "
            found.append(
                WaitingReason("last_allocation", words + cell(last_over.detail), "ambs allocations --all")
            )
        words = "no launcher is alive and no allocation is to come"
        command = need.submit if can_submit or last_over is not None else "ambs launch"
        found.append(WaitingReason("no_launcher", words, command))
    return found


def _of_launcher(need: Need, one: LivingLauncher) -> WaitingReason:
    who = f"launcher {one.id} on {one.host}"
    said = one.idle.split("; ") if one.idle else []
    refusal = next((words for words in said if words.startswith(f"refuses {need.campaign}: ")), "")
    if refusal:
        return WaitingReason("refused", *refusal_told(f"{who} {cell(refusal)}", need.id, need.allow))
    if "draining" in said:
        return WaitingReason("draining", f"{who} is draining: it leases nothing more", need.submit)
    if one.nodes is not None and need.resources.nodes > one.nodes:
        words = f"it needs {need.resources.nodes} nodes, and {who} has {one.nodes}"
        return WaitingReason("too_few_nodes", words, need.submit)
    left, limit = one.seconds_left, need.time_limit_seconds
    if left is not None and limit is not None and limit > left:
        words = f"it may run for {duration(limit)}, and {who} has {duration(max(left, 0.0))} left"
        return WaitingReason("too_little_time", words, need.submit)
    if one.running >= one.slots:
        words = f"all {one.slots} slots of {who} are busy; {need.ahead} evaluations are leased before it"
        return WaitingReason("busy", f"{words}; more allocations have more slots", "ambs status")
    if f"room is kept for evaluation {need.id}" in said:
        words = f"{who} keeps room for it: it starts once enough has ended"
        return WaitingReason("room_kept", words, "ambs status")
    if said:
        return WaitingReason("launcher_says", f"{who} says: {cell(one.idle)}", f"ambs show {need.id}")
    words = f"{who} has free slots; {need.ahead} evaluations are leased before it"
    return WaitingReason("may_start", words, "ambs status")


def refusal_told(words: str, evaluation_id: int, allow: str) -> tuple[str, str]:
    """A launcher's refusal with whose business it is, and a command: registering mends only what is not."""
    if "ambs allow" not in words and "regist" not in words:
        return f"{words}; mend what it says", f"ambs show {evaluation_id}"
    return f"{words}; it is the user of that launcher who allows it", allow


def _of_allocation(one: Allocation, *, has_launcher: bool) -> WaitingReason:
    says = f"; {quote(one.scheduler)} says: {cell(one.detail)}" if one.detail else ""
    if one.state == "RUNNING":
        if has_launcher or one.launchers:
            words = f"{_named(one)} is running{says}"
        else:
            words = f"{_named(one)} is running and no launcher of it has been heard of{says}"
        return WaitingReason("allocation_without_launcher", words, "ambs allocations")
    return WaitingReason("allocation_waits", f"{_named(one)} is {one.state}{says}", "ambs allocations")


def _named(one: Allocation) -> str:
    number = f" ({one.scheduler_id})" if one.scheduler_id else ""
    return f"allocation {one.id}{number} on {one.site}"
