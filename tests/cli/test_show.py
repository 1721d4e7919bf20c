"""`ambs show` speaks of what an evaluation occupies in words."""

from __future__ import annotations

import pytest

from ambs_hpc.api.evaluation_words import occupied
from ambs_hpc.records import Resources


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(), "1 core"),
        (Resources(cores=4, gpus=1, memory_gib=16), "4 cores, 1 GPU, 16 GiB of memory"),
        (
            Resources(nodes=2, gpus=4, ranks_per_node=4),
            "2 nodes, on each the whole node, 1 core, 4 GPUs, 4 ranks",
        ),
    ],
)
def test_resources_are_told_in_words(resources: Resources, words: str) -> None:
    """The page is for people: no class name of ours, and nothing that is not occupied."""
    assert occupied(resources) == words
