"""How much of its nodes a launcher packs: what was granted, not what the nodes have."""

from __future__ import annotations

import pytest

from ambs_hpc.launcher.allocation import confined_share, granted_nodes, our_share
from ambs_hpc.schedulers import CurrentAllocation
from ambs_hpc.sites import load_site


@pytest.mark.parametrize(
    ("granted", "is_exclusive", "usable", "share"),
    [
        ((1, 1), False, 64, (1, 1)),  # shared nodes: two launchers would each use all of them
        ((1, 1), True, 64, ()),  # whole nodes, of which the request named one processor
        ((1, 1), True, 1, (1, 1)),  # whole nodes, but we are confined to what was named
        ((64, 64), True, 64, (64, 64)),
        ((), False, 64, ()),  # the scheduler did not say
        ((), True, 64, ()),
    ],
)
def test_share_of_a_node(
    granted: tuple[int, ...], is_exclusive: bool, usable: int, share: tuple[int, ...]
) -> None:
    """() stands for all that a node has."""
    here = CurrentAllocation("7.pbs", ("n1", "n2"), processors=granted, is_exclusive=is_exclusive)
    assert our_share(here, usable) == share


def test_only_the_share_is_packed() -> None:
    """64 hardware threads are the 32 cores of a node of Polaris, one processor is one core."""
    polaris = load_site("polaris")
    for share, cores in (((64, 64), 32), ((1, 1), 1), ((), 32)):
        granted = granted_nodes(polaris, ("x1", "x2"), "login", share)
        assert [len(node.cores) for node in granted.nodes] == [cores, cores]


def test_when_nobody_can_be_asked_this_node_is_packed_as_far_as_we_may_run_there() -> None:
    """Part of a node that others use too, of which the environment tells nothing."""
    polaris, here = load_site("polaris"), CurrentAllocation("7.pbs", ("x1", "x2"))
    some = {*range(4, 8), *range(36, 40)}  # both threads of four cores
    share = confined_share(polaris, here, some, "x1.hsn")
    assert share == (4, 64)
    granted = granted_nodes(polaris, here.nodes, "login", share)
    assert [len(node.cores) for node in granted.nodes] == [4, 32]
    assert confined_share(polaris, here, range(64), "x1") == ()
