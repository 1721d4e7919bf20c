"""A simulated machine with the nodes, queues and limits of a site's profile."""

from __future__ import annotations

from dataclasses import dataclass

from ambs_hpc.errors import UsageError
from ambs_hpc.sites import Queue, Site


@dataclass(frozen=True, slots=True)
class Grant:
    """What the site grants to each of several simultaneous allocations.

    Args:
        slots_per_node: one for each GPU, or one where there is none.
        longest_minutes: walltime; None where the profile knows no limit.
    """

    slots_per_node: int
    longest_minutes: int | None


def grant_of(site: Site, queue_name: str, nodes: int, launchers: int) -> Grant:
    """What `launchers` allocations with `nodes` nodes in total would be granted.

    Args:
        queue_name: empty takes the site's default.

    Raises:
        NotFound: the site has no such queue.
        UsageError: the site would not accept them; the message says what it accepts.
    """
    if site.nodes is not None and nodes > site.nodes:
        raise UsageError(f"--nodes {nodes}: {site.name} has {site.nodes}.")
    name = queue_name or site.default_queue
    if not site.queues or not name:
        return Grant(max(1, site.node.gpus), None)
    queue = site.queue(name)
    if queue.max_running is not None and launchers > queue.max_running:
        raise UsageError(
            f"--launchers {launchers}: queue {name!r} of {site.name} runs at most {queue.max_running} "
            "allocation(s) of a user at a time."
        )
    each = -(-nodes // launchers)
    minutes = queue.longest_minutes(each)
    if minutes is None:
        raise UsageError(
            f"--nodes {nodes}: queue {name!r} of {site.name} takes {_sizes(queue)} in an allocation, "
            f"not {each}."
        )
    return Grant(1 if queue.unit == "gpu" else max(1, site.node.gpus), minutes)


def _sizes(queue: Queue) -> str:
    unit = "GPUs" if queue.unit == "gpu" else "nodes"
    if queue.sizes:
        return f"{', '.join(map(str, queue.sizes))} {unit}"
    return f"{queue.min_nodes} to {queue.max_nodes} {unit}"
