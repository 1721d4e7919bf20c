"""A request for nodes, checked against what the site accepts before anything is spent; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.records import Resources
from ambs_hpc.records.stored_ranges import LONGEST_MINUTES, MOST_NODES
from ambs_hpc.schedulers import registered
from ambs_hpc.sites.node_fit import misfit, node_warnings
from ambs_hpc.sites.profile import Queue, Site
from ambs_hpc.sites.script_safety import ATTRIBUTE, wrong_name, wrong_path

MOST_CHAINED = 1000

HIGH_CHARGE_FACTOR = 2.0  # from here on a warning names the factor


@dataclass(frozen=True, slots=True)
class AllocationRequest:
    """A request for nodes.

    Args:
        nodes: number of nodes in the queue's unit, >= 1.
        minutes: walltime, >= 1.
        folder: the campaign folder, absolute.
        queue: queue of the site; empty takes the default.
        project: project that pays.
        filesystems: file systems that are needed, where the site requires them; empty takes the profile's.
        attributes: further attributes, "key=value" or "key", where the scheduler has them.
        chain: number of such allocations still to be queued, one after another where the scheduler can wait.
        after: the scheduler's id of the allocation before whose end this one must not start; empty for none.
        left_out: nodes that it must not get; asked for where the scheduler can leave nodes out.
        max_node_hours: of all allocations from this folder together; None for no limit.
    """

    nodes: int
    minutes: int
    folder: Path
    queue: str = ""
    project: str = ""
    filesystems: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    chain: int = 1
    after: str = ""
    left_out: tuple[str, ...] = ()
    max_node_hours: float | None = None


@dataclass(frozen=True, slots=True)
class WaitingPart:
    """The evaluations of one campaign that wait.

    Args:
        shape: what each occupies; None where that is not stored.
        limit_seconds: the time limit of each; None for none.
    """

    number: int
    shape: Resources | None
    limit_seconds: float | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """The work that an allocation would find.

    Args:
        parts: the evaluations that wait, by campaign.
        searching: whether a live search will add some.
        others_come: whether a new search, or a live one of another campaign, will add evaluations that the
            shapes of these do not describe.
    """

    parts: tuple[WaitingPart, ...]
    searching: bool
    others_come: bool = False

    @property
    def ready(self) -> int:
        """Number of evaluations that wait."""
        return sum(one.number for one in self.parts)

    @property
    def shortest_limit_seconds(self) -> float | None:
        """The shortest time limit among those that wait; None where one has none."""
        limits = [one.limit_seconds for one in self.parts]
        known = [limit for limit in limits if limit is not None]
        return min(known) if known and len(known) == len(limits) else None

    @property
    def shapes(self) -> tuple[Resources, ...]:
        """What one evaluation of each campaign occupies, without repetitions."""
        return tuple(dict.fromkeys(one.shape for one in self.parts if one.shape is not None))


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of checking a request against a site.

    Args:
        problems: why it would be refused, vanish or do nothing; each with what is accepted.
        warnings: its costs and risks.
        queue: the queue that it would enter, empty when the scheduler chooses.
        charged_hours: node-hours (GPU-hours in a queue by GPUs) for the whole chain; None if unknown.
        cheapest: the queue that charges least for it; None when no queue accepts it.
    """

    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    queue: str
    charged_hours: float | None
    cheapest: str | None


def minutes_of(text: str) -> int:
    """Minutes from "90", "90m", "2h", "1h30m" or "1:30:00", the one form of colons that all schedulers share.

    Raises:
        UsageError: the text has another form; every scheduler reads colons differently.
    """
    if found := re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m?)?", text.strip()):
        hours, minutes = (int(part or 0) for part in found.groups())
        if text.strip() and hours * 60 + minutes > 0:
            return hours * 60 + minutes
    if found := re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d)", text.strip()):
        hours, minutes, seconds = map(int, found.groups())
        if hours + minutes + seconds > 0:
            return hours * 60 + minutes + (seconds > 0)
    if ":" in text:
        raise UsageError(
            f"walltime {text!r}: 1:30 is 90 minutes to Cobalt and 90 seconds to Slurm. "
            "Give minutes, such as 90, or 1h30m or 1:30:00."
        )
    raise UsageError(f"walltime {text!r}: give minutes from 1, such as 90, or 1h30m.")


def check_request(
    site: Site, request: AllocationRequest, backlog: Backlog | None = None, architecture: str = ""
) -> CheckReport:
    """All checks that are possible without asking the scheduler.

    Args:
        backlog: None when the database was not read.
        architecture: instruction set of the machine where the request is made, as `uname -m` prints it; empty
            leaves it out.
    """
    name = request.queue or site.default_queue
    queue = site.queues.get(name)
    problems = [*_form(site, request), *_place(site, request, name, queue)]
    warnings = [*_warnings(site, request, name, queue), *node_warnings(site, architecture)]
    if backlog is not None:
        problems += _idle(request, backlog)
        misfits = [words for shape in backlog.shapes if (words := misfit(site, request.nodes, queue, shape))]
        is_useless = len(misfits) == len(backlog.shapes) and not backlog.others_come
        (problems if is_useless else warnings).extend(misfits)
    charged = None
    if queue is not None:
        charged = request.chain * queue.charged(request.nodes, request.minutes)
    return CheckReport(tuple(problems), tuple(warnings), name, charged, cheapest_queue(site, request))


def ready_that_fit(site: Site, request: AllocationRequest, backlog: Backlog) -> int:
    """The number of evaluations that wait and could run to their time limits in such an allocation."""
    queue = site.queues.get(request.queue or site.default_queue)
    return sum(
        one.number
        for one in backlog.parts
        if (one.limit_seconds is None or one.limit_seconds <= 60 * request.minutes)
        and (one.shape is None or misfit(site, request.nodes, queue, one.shape) is None)
    )


def cheapest_queue(site: Site, request: AllocationRequest) -> str | None:
    """The queue that accepts the request and charges least; open queues without preemption come first.

    Among equals it is the requested one, then the first of the site file. Only queues that count in the same
    unit are compared: four GPUs are not four nodes.
    """
    asked = request.queue or site.default_queue
    unit = site.queues[asked].unit if asked in site.queues else "node"
    ranked = [
        (
            queue.by_request,
            queue.preemptable,
            queue.charged(request.nodes, request.minutes),
            name != asked,
            place,
        )
        for place, (name, queue) in enumerate(site.queues.items())
        if queue.unit == unit and _takes(queue, request)
    ]
    return [*site.queues][min(ranked)[-1]] if ranked else None


def _takes(queue: Queue, request: AllocationRequest) -> bool:
    longest = queue.longest_minutes(request.nodes)
    if longest is None or request.nodes > (queue.max_user_nodes or request.nodes):
        return False
    return queue.min_minutes <= request.minutes <= longest


def wrong_sizes(request: AllocationRequest) -> Iterator[str]:
    """Numbers that no machine accepts."""
    for name, number, unit, most in (
        ("nodes", request.nodes, "", MOST_NODES),
        ("walltime", request.minutes, " minutes", LONGEST_MINUTES),
        ("chain", request.chain, "", MOST_CHAINED),
    ):
        if not 1 <= number <= most:
            yield f"{name} {number}{unit}: give a whole number from 1 to {most}."


def _form(site: Site, request: AllocationRequest) -> Iterator[str]:
    """Errors in the request itself: what is missing, or cannot stand in a script."""
    yield from wrong_sizes(request)
    if site.project_required and not request.project:
        yield f"project: {site.name} refuses requests without one. Give -A PROJECT, or `project` in ambs.yml."
    words = [
        wrong_name("project", request.project),
        wrong_name("queue", request.queue),
        wrong_path("folder", str(request.folder)),
    ]
    yield from filter(None, words)
    if site.filesystems_required and not (request.filesystems or site.filesystems):
        yield f"filesystems: {site.name} requires them. Give --filesystems home:..."
    for one in request.filesystems:
        if not re.fullmatch(r"[\w-]+", one):
            yield f"filesystems {one!r}: give names, with colons between them."
    yield from _attributes(site, request)


def _attributes(site: Site, request: AllocationRequest) -> Iterator[str]:
    keys = [attribute.partition("=")[0] for attribute in request.attributes]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield f"attributes {key!r}: given {keys.count(key)} times. Give it once."
    for attribute in request.attributes:
        if not registered(site.scheduler).has_attributes:
            yield f"attributes {attribute!r}: only Cobalt has them; {site.name} runs {site.scheduler}."
        elif not ATTRIBUTE.match(attribute):
            yield f"attributes {attribute!r}: write key=value, without blanks or a second '='."


def _place(site: Site, request: AllocationRequest, name: str, queue: Queue | None) -> Iterator[str]:
    """Why the queue would not accept the request."""
    if site.nodes is not None and request.nodes > site.nodes:
        yield f"nodes {request.nodes}: {site.name} has {site.nodes}."
        return
    if not site.queues:
        return
    if queue is None:
        routed = [own for own, one in site.queues.items() if any(tier.route == name for tier in one.tiers)]
        if routed:
            yield f"queue {name!r} is filled by {routed[0]!r} alone. Submit to {routed[0]!r}."
        else:
            yield f"queue {name!r}: {site.name} has none of that name. {nearest(name, site.queues)}"
        return
    yield from _size_and_time(site, request, name, queue)
    if queue.max_queued is not None and request.chain > queue.max_queued:
        yield f"chain {request.chain}: {name} takes {queue.max_queued} allocations of a user at a time."


def _size_and_time(site: Site, request: AllocationRequest, name: str, queue: Queue) -> Iterator[str]:
    longest = queue.longest_minutes(request.nodes)
    cheapest = cheapest_queue(site, request)
    instead = _alternative(site, cheapest) if cheapest and cheapest != name else ""
    if longest is None:
        yield f"nodes {request.nodes}: {name} takes {_sizes(queue)}.{instead}"
    elif request.nodes > (queue.max_user_nodes or request.nodes):
        yield (
            f"nodes {request.nodes}: {name} gives a user {queue.max_user_nodes} at a time, so that the "
            f"request would wait and never run.{instead}"
        )
    elif request.minutes > longest:
        larger = [tier for tier in queue.tiers if tier.max_minutes >= request.minutes]
        more = f" From {larger[0].min_nodes} nodes on it is longer." if larger else ""
        if queue.max_node_minutes is not None and longest == queue.max_node_minutes // request.nodes:
            more = f" Nodes times minutes are limited to {queue.max_node_minutes}."
        yield (
            f"walltime {request.minutes} minutes: {name} gives {_counted(request.nodes, queue.unit)} at most "
            f"{longest}.{more}{instead}"
        )
    if request.minutes < queue.min_minutes:
        yield f"walltime {request.minutes} minutes: {name} takes {queue.min_minutes} or more.{instead}"


def _alternative(site: Site, name: str) -> str:
    """That another queue takes the request, and what speaks against it, as the end of a message."""
    queue = site.queues[name]
    if queue.by_request:
        return f" {name} takes it, from projects that asked for it."
    return f" {name} takes it{', and may end it without notice' if queue.preemptable else ''}."


def _sizes(queue: Queue) -> str:
    if queue.sizes:
        return f"{', '.join(map(str, queue.sizes))} {queue.unit}s"
    if queue.min_nodes == queue.max_nodes:
        return f"{_counted(queue.min_nodes, queue.unit)} only"
    return f"{queue.min_nodes} to {queue.max_nodes} {queue.unit}s"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _warnings(site: Site, request: AllocationRequest, name: str, queue: Queue | None) -> Iterator[str]:
    if request.chain > 1 and not registered(site.scheduler).can_wait:
        yield (
            f"chain {request.chain}: {site.scheduler} has no way to start one whenever another has ended, "
            "however it ended, so they may run side by side where there are nodes."
        )
    if site.retired is not None:
        yield f"{site.name} was retired on {site.retired}."
    if not site.preamble and registered(site.scheduler).is_batch_system:
        yield "no preamble: the script runs with what your login shell sets up. See `preamble` in ambs.yml."
    known = [*site.filesystems, *site.other_filesystems]
    unknown = [one for one in request.filesystems if known and one not in known]
    if unknown:
        yield f"filesystems {':'.join(unknown)}: the profile knows {':'.join(known)}."
    if queue is None:
        return
    if request.nodes < queue.charged_nodes:
        yield f"{name} charges {queue.charged_nodes} nodes for {request.nodes}: ask for them, and use them."
    if queue.charge_factor >= HIGH_CHARGE_FACTOR:
        yield f"{name} charges {queue.charge_factor:g} times."
    if queue.by_request:
        yield f"{name} is open to projects that asked for it."
    if queue.preemptable:
        yield f"{name} may end the allocation without notice; only what runs then is lost."


def _idle(request: AllocationRequest, backlog: Backlog) -> list[str]:
    """Why the allocation would have nothing to do."""
    if not backlog.ready and not backlog.searching:
        return ["evaluations: none waits and no search is alive, so nodes would idle. Start `ambs search`."]
    limit = backlog.shortest_limit_seconds
    if backlog.ready and not backlog.others_come and limit is not None and limit > 60 * request.minutes:
        return [
            f"walltime {request.minutes} minutes: evaluations may take {limit / 60:g}, and none is started "
            "that cannot end in time. Ask for longer, or lower time_limit_seconds."
        ]
    return []
