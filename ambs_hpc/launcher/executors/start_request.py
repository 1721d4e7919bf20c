"""Where an attempt runs and what it may use, filled into its start request."""

from __future__ import annotations

import os
from dataclasses import replace

from ambs_hpc.errors import ShapeNeverFits, UsageError
from ambs_hpc.launcher.environment import attempt_environment, gpu_environment, variables_of_ranks
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Slot
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.launcher.supervisor.process_tree import TOKEN_VARIABLE
from ambs_hpc.records import Resources


def placed(
    request: StartRequest,
    resources: Resources,
    slot: Slot,
    node_pool: NodePool,
    token: str,
    grace_seconds: float,
) -> StartRequest:
    """The request with its slot, its limits and its environment.

    Args:
        token: by which all its processes can be told.
        grace_seconds: between TERM and KILL at its time limit.

    Raises:
        ShapeNeverFits: it needs a launch command, and there is none.
    """
    share = slot.shares[0]
    has_gpus = any(node.gpus for node in node_pool.nodes)
    variable = node_pool.gpu_variable if has_gpus else None
    one = bounded(request, resources, len(share.cores), token, grace_seconds)
    one = replace(
        one,
        environment={**gpu_environment(variable, share.gpus), **one.environment},
        node=share.node,
        cores=list(share.cores),
        gpus=list(share.gpus),
    )
    return _as_ranks(one, resources, slot, node_pool) if request.has_ranks else one


def never_fits(evaluation_id: int, resources: Resources, node_pool: NodePool) -> ShapeNeverFits:
    """The error of an evaluation that is larger than what all nodes have, with what a person can do."""
    most = max((len(node.gpus) for node in node_pool.nodes), default=0)
    advice = "Correct `resources` in the problem, or start a launcher where it fits."
    if resources.gpus > most:
        variable = node_pool.gpu_variable
        naming = (
            f"name them: --gpus 0,1 of `ambs launch`, or export {variable}=0,1 before it starts"
            if node_pool.allocation_id is None
            else "give their number as `node.gpus` in the site file"
        )
        known = f"The launcher knows of {most or 'no'} GPUs on a node"
        advice = f"{known}. If there are more, {naming}. Else c{advice[1:]}"
    return ShapeNeverFits(
        f"Evaluation {evaluation_id} asks for {resources}, more than there is here. {advice}"
    )


def bounded(
    request: StartRequest, resources: Resources, cores: int, token: str, grace_seconds: float
) -> StartRequest:
    """The request with its limits and its environment, for an attempt that somebody else places and binds.

    Args:
        cores: that it has on each node.
    """
    threads = max(1, cores // resources.ranks_per_node)
    return replace(
        request,
        environment={
            **attempt_environment(os.environ, threads),
            **request.environment,
            TOKEN_VARIABLE: token,
        },
        # The memory of ranks is not ours to count: most of it is on other nodes.
        memory_bytes=0 if request.has_ranks else int(resources.memory_gib * 2**30),
        grace_seconds=grace_seconds,
    )


def _as_ranks(request: StartRequest, resources: Resources, slot: Slot, node_pool: NodePool) -> StartRequest:
    """The same through the launch command, which itself may run on any processor of this node."""
    assert request.arguments is not None
    variables = variables_of_ranks(request.environment, os.environ)
    try:
        command = node_pool.launch_ranks(slot.shares, resources.ranks_per_node, variables)
    except UsageError as error:
        raise ShapeNeverFits(f"Evaluation {request.id} asks for {resources}. {error}") from error
    others = len(slot.shares) - 1
    return replace(
        request,
        arguments=[*command, *request.arguments],
        node=slot.node + (f"+{others}" if others else ""),
        cores=[],
    )
