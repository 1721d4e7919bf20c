"""What schedulers do not say of an allocation: why one that they forgot is over, or ran no launcher."""

from __future__ import annotations

from pathlib import Path

from ambs_hpc.errors import AmbsError, RowUnusable
from ambs_hpc.queue import REFUSED, VANISHED
from ambs_hpc.records import Allocation
from ambs_hpc.schedulers import AllocationState, AllocationStatus, registered
from ambs_hpc.schedulers.last_words import last_words
from ambs_hpc.schedulers.registry import REGISTRY
from ambs_hpc.sites.profile import Queue
from ambs_hpc.sites.site_file import load_site

END_ASKED = "its end was asked for"
CANCELLED = "cancelled"
GONE = "the scheduler does not know it any more"
NO_LAUNCHER = "no launcher started in it"
APPEARS_WITHIN_SECONDS = 300.0  # a scheduler may take a while to show what it took
READ_BYTES = 4000  # of what a script has printed


def askable(one: Allocation) -> Allocation:
    """The allocation itself, where its row says whom to ask about it, and how to find it again.

    Raises:
        RowUnusable: the row is of somebody's hand, or of a version that knows more schedulers.
    """
    missing = [name for name in ("folder", "minutes", "name") if name not in one.request]
    if missing:
        wanted = "what was submitted, with folder, minutes and name"
        raise RowUnusable("allocation", one.id, "request", dict(one.request), wanted)
    if one.scheduler not in REGISTRY:
        raise RowUnusable("allocation", one.id, "scheduler", one.scheduler, ", ".join(REGISTRY))
    return one


def how_it_vanished(one: Allocation, script: Path) -> tuple[str, str]:
    """The state to store for an allocation that its scheduler does not know, and the words for it.

    A routing queue takes a request, gives it an id, and forgets it when none of the queues behind it accepts
    it: within a second, without an error, and it is in no history. That is a refusal. What ran has been shown
    before, or has begun to write beside its script. Of what was cancelled nothing else is to be told.

    Args:
        one: as it is stored.
        script: the file that was submitted.
    """
    if one.detail.startswith(END_ASKED):
        return AllocationState.ENDED.value, f"{CANCELLED}; {GONE}"
    command = registered(one.scheduler).routed_limits
    if not command or _was_seen(one, script):
        return VANISHED, "; ".join(filter(None, (GONE, why_no_launcher(one, script))))
    return REFUSED, (
        "gone before the scheduler ever showed it, and its script never began: so ends a request that no "
        f"queue behind a routing queue accepts. It asked {_asked_and_limits(one, command)}"
    )


def detail_of(one: Allocation, status: AllocationStatus, script: Path) -> str:
    """What is stored of a status in words: the scheduler's, and what it may not tell.

    Some schedulers do not say of one that is over that somebody has cancelled it, so ours is kept until then.

    Args:
        one: as it is stored.
        script: the file that was submitted.
    """
    said = " ".join(filter(None, (status.own_state, status.comment)))
    asked = one.detail.startswith(END_ASKED)
    if not status.state.is_over:
        return f"{END_ASKED}; {said}" if asked else said
    is_told = said.lower().startswith(CANCELLED)
    return "; ".join(
        filter(None, (CANCELLED if asked and not is_told else "", said, why_no_launcher(one, script)))
    )


def may_appear(one: Allocation, script: Path, now: float) -> bool:
    """Whether its scheduler, which does not know it, has perhaps only not shown it yet.

    LSF answers questions from a copy of its state, which may be minutes old, as do commands by which some
    centres replace those of their scheduler. A request that a routing queue has forgotten never appears.

    Args:
        one: as it is stored.
        script: the file that was submitted.
        now: seconds since 1970 UTC.
    """
    return is_young(one, now) and not registered(one.scheduler).routed_limits and not _was_seen(one, script)


def is_young(one: Allocation, now: float) -> bool:
    """Whether it was submitted so lately that it may still appear."""
    return now - one.created_at <= APPEARS_WITHIN_SECONDS


def _was_seen(one: Allocation, script: Path) -> bool:
    """Whether its scheduler has ever shown it, or something of it has begun, or its end was asked for."""
    has_begun = any(script.with_suffix(suffix).exists() for suffix in (".output", ".error"))
    return one.state != "QUEUED" or one.detail != "" or has_begun or one.launchers > 0


def why_no_launcher(one: Allocation, script: Path) -> str:
    """What the script of an allocation that is over said of an error, when no launcher ever started in it.

    A word of the preamble that this machine does not know ends the script before the launcher: then nothing
    but the script's own output tells why, and the next allocation would end the same way.

    Args:
        one: as it is stored.
        script: the file that was submitted; what it prints lies beside it.
    """
    if one.launchers:
        return ""
    file = script.with_suffix(".error")
    try:
        with file.open("rb") as output:
            output.seek(max(0, file.stat().st_size - READ_BYTES))
            said = output.read(READ_BYTES).decode(errors="replace")
    except OSError:
        return ""
    words = last_words(said, telling=True)
    return f"{NO_LAUNCHER}: {words}" if words else ""


def _asked_and_limits(one: Allocation, command: str) -> str:
    name, queue = str(one.request.get("queue") or ""), None
    try:
        site = load_site(one.site, Path(str(one.request["folder"])))
    except AmbsError:  # its file is gone or broken meanwhile
        pass
    else:
        name = name or site.default_queue
        queue = site.queues.get(name)
    question = f"{command} {name}".strip()
    limits = f"see `{question}`" if queue is None else f"by its profile {limits_in_words(queue)}"
    return (
        f"queue {name or '(default)'} of {one.site} for {one.request.get('nodes')} nodes for "
        f"{one.request.get('minutes')} minutes; {limits}"
    )


def limits_in_words(queue: Queue) -> str:
    """The sizes and walltimes that a queue accepts: "it takes 10-24 nodes up to 180 minutes (small), ..."."""
    unit = "GPUs" if queue.unit == "gpu" else "nodes"
    parts = [
        f"{tier.min_nodes}-{tier.max_nodes} {unit} up to {tier.max_minutes} minutes"
        + (f" ({tier.route})" if tier.route else "")
        for tier in queue.tiers
    ]
    least = f", from {queue.min_minutes} minutes" if queue.min_minutes else ""
    return f"it takes {', '.join(parts)}{least}"
