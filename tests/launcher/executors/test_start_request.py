"""What an evaluation that fits nowhere is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ambs_hpc.launcher.executors.start_request import never_fits
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node
from ambs_hpc.records import Resources

HERE = NodePool((Node("here", (0, 1), ("0", "1")),), "ROCR_VISIBLE_DEVICES")
NO_GPUS = NodePool((Node("here", (0, 1)),), "ROCR_VISIBLE_DEVICES")
NAMED = "--gpus 0,1 of `ambs launch`, or export ROCR_VISIBLE_DEVICES=0,1"


@pytest.mark.parametrize(
    ("node_pool", "resources", "told", "untold"),
    [
        (NO_GPUS, Resources(gpus=1), ["knows of no GPUs", NAMED, "Else correct `resources`"], "node.gpus"),
        (HERE, Resources(gpus=3), ["knows of 2 GPUs", NAMED], "node.gpus"),
        (replace(HERE, allocation_id=1), Resources(gpus=3), ["`node.gpus` in the site file"], "--gpus"),
        (HERE, Resources(cores=3), ["Correct `resources`"], "GPUs"),
    ],
)
def test_missing_gpus_can_be_named(
    node_pool: NodePool, resources: Resources, told: list[str], untold: str
) -> None:
    """They may be there and only not be found; whoever asks for them usually has them."""
    message = str(never_fits(7, resources, node_pool))
    assert all(part in message for part in ["Evaluation 7", *told]), message
    assert untold not in message
