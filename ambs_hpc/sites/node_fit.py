"""What the nodes of a site mean for evaluations and for a search, in the words of a check; pure."""

from __future__ import annotations

from collections.abc import Iterator

from ambs_hpc.records import Resources
from ambs_hpc.sites.profile import NodeShape, Queue, Site


def misfit(site: Site, nodes: int, queue: Queue | None, shape: Resources) -> str | None:
    """Why no evaluation of this shape can run in an allocation; None when it can, or nothing is known.

    Args:
        nodes: size of the allocation in the queue's unit.
        shape: what one evaluation occupies.
    """
    if site.node.found:
        return None
    by_gpu = queue is not None and queue.unit == "gpu"
    granted = 1 if by_gpu else nodes
    gpus = min(nodes, site.node.gpus) if by_gpu else site.node.gpus
    if shape.nodes > granted:
        return f"evaluations want {shape.nodes} nodes: the allocation has {granted}. Ask for more nodes."
    if shape.gpus > gpus:
        where = "the allocation" if by_gpu else f"a node of {site.name}"
        return f"evaluations want {shape.gpus} of a node's GPUs: {where} has {gpus}. Change their resources."
    usable = len(site.node.usable_cores)
    if shape.cores > usable:
        return (
            f"evaluations want {shape.cores} cores of a node: an allocation gets {_cores(site.node)}. "
            "Change their resources."
        )
    memory = site.node.memory_gib
    if memory and shape.memory_gib > memory:
        estimate = " (an estimate of this profile)" if "node.memory_gib" in site.estimated else ""
        return (
            f"evaluations want {shape.memory_gib:g} GiB of a node: {memory:g} GiB are usable{estimate}. "
            "Change their resources."
        )
    return None


def node_warnings(site: Site, architecture: str) -> Iterator[str]:
    """What a user has to know of compute and login nodes before work is sent there.

    Args:
        architecture: instruction set of this machine; empty when it does not matter.
    """
    if architecture and not site.node.found and architecture != site.node.architecture:
        yield (
            f"nodes are {site.node.architecture}, this machine is {architecture}: the preamble has to set up "
            "a Python for them."
        )
    if site.compute_internet == "none":
        yield "compute nodes have no internet: fetch data, models and packages before."
    if words := login_warning(site):
        yield words


def login_warning(site: Site) -> str | None:
    """Why a search should not run on a login node; None where it may."""
    advice = "let the search run in the allocation: `ambs submit --with-search PROBLEM`."
    if site.login_cpu_minutes is not None:
        return f"login nodes end a process after {site.login_cpu_minutes} minutes of CPU time; {advice}"
    if not site.login_computing:
        return f"nothing that computes may run on a login node; {advice}"
    return None


def _cores(node: NodeShape) -> str:
    usable = len(node.usable_cores)
    reserved = node.cores - usable
    return f"{usable} of {node.cores} ({reserved} are reserved)" if reserved else str(usable)
