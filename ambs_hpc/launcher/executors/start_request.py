"""What a supervisor is told about an evaluation: its program, its folder, its slot and its limits."""

from __future__ import annotations

import os
from typing import Any

from ambs_hpc.errors import ShapeNeverFits, UsageError
from ambs_hpc.launcher.executors.protocol import Work
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Slot
from ambs_hpc.launcher.supervisor import process_tree

Request = dict[str, Any]
# Where programs and libraries are: launch commands that pass no environment must pass these.
PLACES = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "HOME", "VIRTUAL_ENV", "CONDA_PREFIX")


def request_of(work: Work, slot: Slot, node_pool: NodePool, token: str, grace_seconds: float) -> Request:
    """The message that has an evaluation started in its slot.

    Args:
        token: by which all its processes can be told.
        grace_seconds: between TERM and KILL at its time limit.

    Raises:
        ShapeNeverFits: it needs a launch command, and there is none.
    """
    claim, share = work.claim, slot.shares[0]
    has_gpus = any(node.gpus for node in node_pool.nodes)
    gpus = {node_pool.gpu_variable: ",".join(share.gpus)} if has_gpus else {}
    unplaced = _unplaced(work, len(share.cores), token, grace_seconds)
    request: Request = {
        **unplaced,
        "node": share.node,
        "environment": {**gpus, **unplaced["environment"]},
        "cores": list(share.cores),
    }
    return _spread(request, work, slot, node_pool) if claim.resources.needs_launch_command else request


def request_elsewhere(work: Work, cores: int, token: str, grace_seconds: float) -> Request:
    """The same for an evaluation that somebody else places and binds, and of which we see one node only.

    Args:
        cores: that it has on each node.
    """
    request = _unplaced(work, cores, token, grace_seconds)
    return {
        **request,
        "function": work.function,
        "module_directory": work.directory,
        "memory_bytes": 0 if work.claim.resources.needs_launch_command else request["memory_bytes"],
    }


def _unplaced(work: Work, cores: int, token: str, grace_seconds: float) -> Request:
    """What does not depend on where it runs."""
    claim = work.claim
    threads = max(1, cores // claim.resources.ranks_per_node)
    return {
        "id": claim.id,
        "attempt": claim.attempt,
        "node": "",
        "arguments": work.arguments,
        "needs_request": work.needs_request,
        "is_spread": claim.resources.needs_launch_command,
        "configuration": dict(claim.configuration),
        "directory": work.folder,
        "environment": {
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
            **work.environment,
            process_tree.TOKEN_VARIABLE: token,
        },
        "cores": [],
        "time_limit_seconds": claim.time_limit_seconds,
        "memory_bytes": int(claim.resources.memory_gib * 2**30),
        "grace_seconds": grace_seconds,
    }


def _spread(request: Request, work: Work, slot: Slot, node_pool: NodePool) -> Request:
    """The same by way of the launch command, which itself may run on any processor here.

    Its memory is not ours to count: most of it is on other nodes.
    """
    assert work.arguments is not None
    resources = work.claim.resources
    variables = [*request["environment"], *(name for name in PLACES if name in os.environ)]
    try:
        command = node_pool.launch_ranks(slot.shares, resources.ranks_per_node, variables)
    except UsageError as error:
        raise ShapeNeverFits(f"Evaluation {work.claim.id} asks for {resources}. {error}") from error
    others = len(slot.shares) - 1
    return {
        **request,
        "arguments": [*command, *work.arguments],
        "node": slot.node + (f"+{others}" if others else ""),
        "cores": [],
        "memory_bytes": 0,
    }
