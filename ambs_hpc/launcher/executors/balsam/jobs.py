"""What Balsam is asked to run for an evaluation; pure."""

from __future__ import annotations

import hashlib
import os
import sys

from ambs_hpc.launcher.executors.balsam.link import ATTEMPT, CAMPAIGN, EVALUATION, MARK, QUEUE, TOKEN
from ambs_hpc.launcher.packing import Packing
from ambs_hpc.launcher.paths import run_directory_of
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.records import Claim, Resources
from ambs_hpc.schedulers.balsam.values import NewJob


def new_job(claim: Claim, request: StartRequest, packing: Packing, grace_seconds: float) -> NewJob:
    """The job of an attempt: its shape one to one, and a time that leaves room for its end.

    Args:
        packing: of one node, as Balsam sees its nodes.
    """
    shape, run_directory = claim.resources, run_directory_of(request.folder)
    queue, seconds = queue_of(run_directory), claim.time_limit_seconds
    per_node = 1 if shape.takes_whole_nodes else packing.most(on_one_node(shape))
    return NewJob(
        workdir=f"ambs/{queue}/{os.path.relpath(request.folder, run_directory)}",
        tags={
            **MARK,
            QUEUE: queue,
            CAMPAIGN: claim.campaign,
            EVALUATION: str(claim.id),
            ATTEMPT: str(claim.attempt),
            TOKEN: claim.token,
        },
        parameters={"python": sys.executable, "folder": request.folder},
        folder=request.folder,
        num_nodes=shape.nodes,
        ranks_per_node=shape.ranks_per_node,
        threads_per_rank=max(1, cores_of(shape, packing) // shape.ranks_per_node),
        gpus_per_rank=shape.gpus // shape.ranks_per_node,
        node_packing_count=max(1, per_node),
        wall_time_min=0 if seconds is None else -int(-(seconds + grace_seconds) // 60),
    )


def on_one_node(shape: Resources) -> Resources:
    """The shape that it would have on a single node."""
    return Resources(shape.cores, shape.gpus, shape.memory_gib)


def cores_of(shape: Resources, packing: Packing) -> int:
    """How many cores an evaluation has on each of its nodes."""
    capacity = packing.capacity()
    return capacity.cores if shape.takes_whole_nodes and capacity is not None else shape.cores


def queue_of(run_directory: str) -> str:
    """The tag that tells jobs of this campaign and database from all others of a site."""
    return hashlib.sha256(os.fsencode(run_directory)).hexdigest()[:12]
