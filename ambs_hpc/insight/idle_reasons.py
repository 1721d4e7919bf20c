"""Why slots are idle: each launcher against what waits, then allocations that are to come; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from ambs_hpc.insight.waiting_reasons import (
    MARGIN_MINUTES,
    NO_FILE,
    WaitingReason,
    refusal_told,
    submit_command,
)
from ambs_hpc.queue import LauncherNode, WaitingShape
from ambs_hpc.records import Allocation, Resources
from ambs_hpc.shown_text import cell, duration
from ambs_hpc.states import IdleReason

_REFUSES = "refuses "


@dataclass(frozen=True, slots=True)
class CampaignSupply:
    """What a campaign has for launchers.

    Args:
        proposed: by its search; `most` is its budget, None without one.
        succeeded: whether anything has.
        problem: its problem file, quoted for a shell; NO_FILE where it was not found.
        folder: of that file.
        allow: the command that registers its objective.
        paused: at rungs: they go on where more are evaluated, or where a person names them.
    """

    name: str
    ready: int
    running: int
    proposed: int
    most: int | None
    searching: bool
    succeeded: bool
    problem: str
    paused: int = 0
    folder: str = ""
    allow: str = f"ambs allow {NO_FILE}"

    @property
    def search(self) -> str:
        """The command that goes on with its search."""
        return f"ambs search {self.problem}"

    @property
    def where(self) -> str:
        """In words, where the problem file was not found."""
        return f"; {NO_FILE} is in {quote(self.folder)}" if self.problem == NO_FILE else ""

    @property
    def twice(self) -> str:
        """The command that goes on after its budget."""
        return f"{self.search} --max-evaluations {2 * (self.most or 1)}"


@dataclass(frozen=True, slots=True)
class SlotHolder:
    """A launcher and how it stands.

    Args:
        told: the reason that it stored last, a value of `IdleReason`; "" of an older version.
        words: its own, as `LauncherStats.idle`.
        silent_seconds: since its last sign of life; None while it gives signs.
        fate: of a silent one: "dead", "database_away" or "" where it is not known.
        nodes: that it has told to have.
    """

    id: int
    host: str
    slots: int
    running: int
    told: str
    words: str
    seconds_left: float | None
    nodes: Sequence[LauncherNode]
    allocation: Allocation | None
    silent_seconds: float | None = None
    fate: str = ""

    @property
    def name(self) -> str:
        """For a person."""
        inside = self.allocation
        where = "" if inside is None else f" in allocation {inside.id} ({inside.scheduler_id})"
        return f"launcher {self.id} on {self.host}{where}"

    def another(self, nodes: int = 1, limit_seconds: float | None = None) -> str:
        """The command that brings one more launcher of this kind.

        Args:
            nodes: at least so many.
            limit_seconds: of what it is to run; as much time as this one was given is asked for anyway.
        """
        if self.allocation is None and nodes <= 1:
            return "ambs launch"
        return _again(self.allocation, nodes, limit_seconds)


def idle_reasons(
    holders: Sequence[SlotHolder],
    supplies: Sequence[CampaignSupply],
    waiting: Sequence[WaitingShape],
    coming: Sequence[Allocation],
    last_over: Allocation | None,
    *,
    can_submit: bool = False,
) -> list[WaitingReason]:
    """Why slots are idle, or are not there, at least one.

    Args:
        holders: launchers that live, and silent ones whose allocation is not over.
        waiting: evaluations, by shape.
        coming: allocations that are not over.
        last_over: the newest allocation, if it is over.
        can_submit: whether the folder names a site with a batch system.
    """
    found: list[WaitingReason] = []
    is_all_proposed = not any(one.most is None or one.proposed < one.most for one in supplies)
    if any(one.silent_seconds is None for one in holders) or (is_all_proposed and not waiting):
        # A dead one of which nothing is left needs no successor.
        holders = [one for one in holders if one.fate != "dead" or one.running or one.allocation]
    for one in holders:
        found += [_silent(one)] if one.silent_seconds is not None else _of_launcher(one, supplies, waiting)
    inside = {one.allocation.id for one in holders if one.allocation is not None}
    found += [_coming(one) for one in coming if one.id not in inside]
    if not holders and not coming:
        found.append(_nobody(waiting, supplies, last_over, can_submit=can_submit))
    return found


def _again(one: Allocation | None, nodes: int = 1, limit_seconds: float | None = None) -> str:
    """The command that asks for an allocation like this one, of so many nodes and so much time at least."""
    if one is None:
        return submit_command(nodes, limit_seconds)
    nodes = max(nodes, int(str(one.request.get("nodes") or 1)))
    minutes = int(float(str(one.request.get("minutes") or 0)))
    as_long = 60.0 * (minutes - MARGIN_MINUTES) if minutes else None
    limits = [limit for limit in (as_long, limit_seconds) if limit is not None]
    return submit_command(nodes, max(limits) if limits else None)


def _of_launcher(
    one: SlotHolder, supplies: Sequence[CampaignSupply], waiting: Sequence[WaitingShape]
) -> list[WaitingReason]:
    said = one.words.split("; ") if one.words else []
    refusals = [words for words in said if words.startswith(_REFUSES)]
    refused = {words.removeprefix(_REFUSES).partition(": ")[0] for words in refusals}
    # What is refused and has nothing that waits keeps no slot idle now.
    concerned = [one for one in waiting if one.campaign in refused]
    named = [words for words in refusals if any(_is_about(words, shape) for shape in concerned)]
    allowing = {each.name: each.allow for each in supplies}
    found = [_refusal(one, words, concerned, allowing) for words in named]
    others = [shape for shape in waiting if shape not in concerned]
    if "draining" in said:
        words = f"{one.name} is draining: it leases nothing more and ends when what runs has ended"
        return [*found, WaitingReason("draining", words, one.another())]
    free = max(0, one.slots - one.running)
    idle = [words for words in said if words not in refusals]
    if one.told == IdleReason.BUSY.value and not free:
        busy = WaitingReason("busy", f"{one.name}: all {one.slots} slots are busy", "ambs status")
        return found or [busy]
    if len(idle) > 1 or one.told == IdleReason.NODE_TROUBLE.value:
        trouble = "; ".join(words for words in idle if words not in _OF_FREE_SLOTS)
        if trouble:
            found.append(WaitingReason("node_trouble", f"{one.name}: {cell(trouble)}", "ambs nodes"))
    if (free and (others or not concerned)) or not found:
        further = _free(one, free, supplies, others)
        has_trouble = any(each.code == "node_trouble" for each in found)
        # Slots of a node that is given up stay free, whatever ends beside them.
        found += [
            each for each in further if not (has_trouble and each.code in ("does_not_fit", "may_start"))
        ]
    return found


def _is_about(words: str, shape: WaitingShape) -> bool:
    return words.startswith(f"{_REFUSES}{shape.campaign}: ")


def _refusal(
    one: SlotHolder, words: str, waiting: Sequence[WaitingShape], allowing: Mapping[str, str]
) -> WaitingReason:
    """Why a launcher runs nothing of a campaign: mostly it is not allowed, or needs more than there is."""
    shape = next(shape for shape in waiting if _is_about(words, shape))
    lacks = _lacks(one, shape.resources)
    if lacks:
        told = f"{one.name} cannot run {shape.campaign}: {_what(shape)} {lacks}"
        return _other_shapes(one, told, shape)
    allow = allowing.get(shape.campaign, "ambs status")
    return WaitingReason("refused", *refusal_told(f"{one.name} {cell(words)}", shape.first_id, allow))


def _other_shapes(one: SlotHolder, words: str, shape: WaitingShape) -> WaitingReason:
    nodes, limit = shape.resources.nodes, shape.time_limit_seconds
    if nodes > len(one.nodes):
        return WaitingReason("other_shapes", words, one.another(nodes, limit))
    words += "; ask with --queue or --site for nodes that have it"
    return WaitingReason("other_shapes", words, submit_command(nodes, limit).replace("submit", "check", 1))


_OF_FREE_SLOTS = (
    "no evaluation is ready",
    "what waits does not fit beside what runs",
    "too little time left for what waits",
)


def _free(
    one: SlotHolder,
    free: int,
    supplies: Sequence[CampaignSupply],
    waiting: Sequence[WaitingShape],
) -> list[WaitingReason]:
    who = f"{one.name} has {free} of {one.slots} slots free"
    if kept := next((words for words in one.words.split("; ") if words.startswith("room is kept")), ""):
        number = kept.rpartition(" ")[2]
        return [
            WaitingReason(
                "room_kept", f"{who}: {kept}, which starts once enough has ended", f"ambs why {number}"
            )
        ]
    return [_unfit(one, who, waiting) if waiting else _nothing_waits(who, supplies)]


def _unfit(one: SlotHolder, who: str, waiting: Sequence[WaitingShape]) -> WaitingReason:
    fitting = [shape for shape in waiting if not _lacks(one, shape.resources)]
    if not fitting:
        shape = waiting[0]
        lacks = _lacks(one, shape.resources)
        return _other_shapes(one, f"{who}: {_what(shape)} {lacks}", shape)
    left = one.seconds_left
    in_time = [
        shape
        for shape in fitting
        if left is None or shape.time_limit_seconds is None or shape.time_limit_seconds <= left
    ]
    if not in_time and left is not None:
        shape = min(fitting, key=lambda each: each.time_limit_seconds or 0.0)
        limit = shape.time_limit_seconds or 0.0
        words = (
            f"{who}: {_what(shape)} may run for {duration(limit)}, and it has {duration(max(0.0, left))} left"
        )
        return WaitingReason("too_little_time", words, submit_command(shape.resources.nodes, limit))
    if one.told == IdleReason.TOO_LITTLE_TIME.value:
        words = f"{who}: what waits has taken longer so far than what it has left"
        return WaitingReason("too_little_time", words, one.another())
    if one.running:
        words = f"{who}: {_what(in_time[0])} will not fit beside what runs; it starts when enough has ended"
        return WaitingReason("does_not_fit", words, f"ambs why {in_time[0].first_id}")
    words = f"{who}: {_what(in_time[0])} about to start"
    return WaitingReason("may_start", words, "ambs status")


def _what(shape: WaitingShape) -> str:
    return f"what waits ({shape.number} of {shape.campaign})"


def _lacks(one: SlotHolder, shape: Resources) -> str:
    """What a launcher lacks for a shape, as the end of a sentence; "" where it fits, or is not known."""
    nodes = one.nodes
    if not nodes:
        return ""
    if shape.nodes > len(nodes):
        return f"needs {shape.nodes} nodes, and it has {len(nodes)}"
    needs = (
        ("cores", float(shape.cores), [float(node.cores) for node in nodes]),
        ("GPUs", float(shape.gpus), [float(node.gpus) for node in nodes]),
        ("GiB of memory", shape.memory_gib, [node.memory_gib or float("inf") for node in nodes]),
    )
    for name, wanted, there in needs:
        if sum(each >= wanted for each in there) < shape.nodes:
            return f"needs {wanted:g} {name} of a node, and its nodes have {max(there):g}"
    return ""


def _nothing_waits(who: str, supplies: Sequence[CampaignSupply]) -> WaitingReason:
    searching = [one for one in supplies if one.searching]
    open_ones = [one for one in supplies if one.most is None or one.proposed < one.most]
    for one in searching:
        if one in open_ones:
            words = (
                f"{who}: nothing waits; the search of {one.name} is at work and has {one.running} "
                "evaluations in flight: it thinks, or keeps no more in flight; if it stays so, begin it "
                "again with more --slots"
            )
            return WaitingReason("search_thinks", words, "ambs status")
    if not supplies:
        return WaitingReason("no_campaign", f"{who}: there is no campaign", "ambs search PROBLEM")
    if not open_ones:
        one = max(supplies, key=lambda each: each.running)
        runs = _still_running(one) if one.running else _ended(one.paused)
        words = f"{who}: nothing waits; all {one.most} evaluations of {one.name} are proposed, and {runs}"
        if one.searching:
            words += "; for more of them begin the search again, with a larger --max-evaluations"
        return WaitingReason("all_proposed", words + one.where, "ambs status" if one.searching else one.twice)
    one = open_ones[-1]
    if not one.succeeded and one.proposed:
        words = f"{who}: nothing waits; the search of {one.name} has ended, and nothing of it has succeeded"
        return WaitingReason("no_search", words, f"ambs why failed --campaign {quote(one.name)}")
    budget = one.most or "any number"
    words = f"{who}: nothing waits, and no search lives: {one.name} has proposed {one.proposed} of {budget}"
    return WaitingReason("no_search", words + one.where, one.search)


def _ended(paused: int) -> str:
    return f"all have ended but {paused} that are paused at rungs" if paused else "all have ended"


def _still_running(one: CampaignSupply) -> str:
    paused = f", {one.paused} are paused at rungs" if one.paused else ""
    return f"{one.running} of them have not ended{paused}"


def _silent(one: SlotHolder) -> WaitingReason:
    since = duration(one.silent_seconds)
    inside = one.allocation
    cancel = "ambs launch" if inside is None else f"ambs allocations cancel {inside.id}"
    held = (
        f"; the {one.running} evaluations that it holds go back when its end is certain"
        if one.running
        else ""
    )
    if one.fate == "dead":
        words = f"{one.name} is dead: its last sign of life was {since} ago{held}"
        again = f"{cancel} && {one.another()}" if inside else cancel
        return WaitingReason("launcher_dead", words, again)
    if one.fate == "database_away":
        words = (
            f"{one.name} does not reach the database, and has been silent for {since}; what it runs goes on. "
            "Its nodes have to reach the address that this names:"
        )
        return WaitingReason("database_away", words, "ambs db status")
    words = f"{one.name} has been silent for {since}: it is dead, or does not reach the database{held}"
    words += f"; to end it: {cancel}" if inside else f"; look on {one.host}, or begin another"
    look = f"ambs why allocation {inside.id}" if inside else cancel
    return WaitingReason("launcher_silent", words, look)


def _coming(one: Allocation) -> WaitingReason:
    number = f" ({one.scheduler_id})" if one.scheduler_id else ""
    says = f"; {one.scheduler} says: {cell(one.detail)}" if one.detail else ""
    name, look = f"allocation {one.id}{number} on {one.site}", f"ambs why allocation {one.id}"
    if one.state == "RUNNING" and one.launchers:
        words = f"{name} is running, and its launcher has ended{says}"
        return WaitingReason("launcher_ended", words, f"ambs allocations cancel {one.id}")
    if one.state == "RUNNING":
        words = f"{name} is running, and no launcher of it has been heard of{says}"
        return WaitingReason("allocation_without_launcher", words, look)
    return WaitingReason("allocation_waits", f"{name} is {one.state}{says}", look)


def _nobody(
    waiting: Sequence[WaitingShape],
    supplies: Sequence[CampaignSupply],
    last_over: Allocation | None,
    *,
    can_submit: bool,
) -> WaitingReason:
    number, held = sum(shape.number for shape in waiting), sum(one.running for one in supplies)
    words = f"no launcher lives and no allocation is to come; {number} evaluations wait"
    if held:
        words += f", and {held} that a launcher held until it died go back with the next command that looks"
    if last_over is not None and last_over.detail:
        words += (
            f"; the last allocation, {last_over.id}, is over ({last_over.state}): {cell(last_over.detail)}"
        )
    open_ones = [one for one in supplies if one.most is None or one.proposed < one.most]
    if not (number or held) and supplies and not open_ones:
        paused = sum(one.paused for one in supplies)
        words = "nothing is left to do: no launcher lives, and all that was to be proposed has ended"
        if paused:
            words += (
                f" or is paused at a rung, where it waits for others that are proposed ({paused}: "
                "ambs list --state PAUSED)"
            )
        words += f"; to go on: {supplies[-1].twice}{supplies[-1].where}"
        return WaitingReason("all_done", words, "ambs best")
    if not (number or held) and not any(one.searching for one in open_ones):
        one = open_ones[-1] if open_ones else None
        words += f"; then: {'ambs submit' if can_submit else 'ambs launch'}{one.where if one else ''}"
        return WaitingReason("no_launcher", words, one.search if one else f"ambs search {NO_FILE}")
    if not (can_submit or last_over is not None):
        return WaitingReason("no_launcher", words, "ambs launch")
    nodes = max((shape.resources.nodes for shape in waiting), default=1)
    limits = [shape.time_limit_seconds for shape in waiting]
    known = [limit for limit in limits if limit is not None]
    limit = max(known) if known and len(known) == len(limits) else None
    return WaitingReason("no_launcher", words, _again(last_over, nodes, limit))
