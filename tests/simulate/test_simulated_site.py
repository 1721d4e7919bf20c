"""A pretend machine keeps the limits of the site that it pretends."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.simulate import Grant, grant_of
from ambs_hpc.sites import load_site


def test_walltimes_follow_the_tiers(tmp_path: Path) -> None:
    """Theta gave larger allocations longer walltimes; it has no GPUs."""
    theta = load_site("theta", tmp_path)
    assert grant_of(theta, "", 128, 1) == Grant(1, 180)
    assert grant_of(theta, "", 1024, 1) == Grant(1, 1440)
    assert grant_of(theta, "", 1024, 8) == Grant(1, 180)


def test_every_gpu_is_a_slot(tmp_path: Path) -> None:
    """As launchers pack them when one evaluation wants one GPU."""
    assert grant_of(load_site("polaris", tmp_path), "prod", 480, 1) == Grant(4, 1440)


def test_a_site_without_queues_knows_no_limit(tmp_path: Path) -> None:
    """A profile that does not know them accepts any request, too."""
    assert grant_of(load_site("slurm", tmp_path), "", 7, 1).longest_minutes is None


@pytest.mark.parametrize(
    ("queue", "nodes", "launchers", "words"),
    [
        ("", 5000, 1, "has 4392"),
        ("", 4392, 1, "takes 1 to 4100 nodes"),
        ("debug-flat-quad", 8, 2, "at most 1 allocation"),
    ],
)
def test_what_the_site_refuses_is_refused(
    tmp_path: Path, queue: str, nodes: int, launchers: int, words: str
) -> None:
    """A campaign that cannot be run need not be simulated."""
    with pytest.raises(UsageError, match=words):
        grant_of(load_site("theta", tmp_path), queue, nodes, launchers)


def test_an_unknown_queue_is_answered_with_the_known(tmp_path: Path) -> None:
    """As everywhere."""
    with pytest.raises(NotFound, match="debug-cache-quad"):
        grant_of(load_site("theta", tmp_path), "debug", 8, 1)
