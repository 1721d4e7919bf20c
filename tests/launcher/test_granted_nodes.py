"""What a launcher asks of nodes of which the allocation has only a part."""

from __future__ import annotations

import pytest

from ambs_hpc.launcher.allocation import granted_nodes
from ambs_hpc.launcher.packing import Packing
from ambs_hpc.records import Resources
from ambs_hpc.sites import load_site

NODES = ("f1", "f2", "f3")


def option(command: list[str], name: str) -> str:
    return next(word for word in command if word.startswith(f"{name}=")).partition("=")[2]


@pytest.mark.parametrize("processors", [112, 56])
def test_no_step_asks_for_reserved_cores_or_second_threads(processors: int) -> None:
    """A Frontier node has 128 hardware threads: a step that asks for them is refused on every node."""
    granted = granted_nodes(load_site("frontier"), NODES, "login", [processors] * 3)
    assert option(list(granted.launch_on("f2")), "--cpus-per-task") == str(processors)
    assert option(list(granted.launch_on_all(NODES)), "--cpus-per-task") == str(processors)
    assert Packing(granted.nodes).most(Resources(cores=7)) == 3 * 8


def test_nodes_that_were_granted_differently_are_packed_differently() -> None:
    """And what runs on all of them asks for what the smallest has."""
    granted = granted_nodes(load_site("frontier"), NODES, "login", [112, 28, 112])
    assert [len(node.cores) for node in granted.nodes] == [56, 28, 56]
    assert option(list(granted.launch_on("f2")), "--cpus-per-task") == "28"
    assert option(list(granted.launch_on_all(NODES)), "--cpus-per-task") == "28"
    slot = Packing(granted.nodes).place(Resources(nodes=3, ranks_per_node=4, whole_node=True))
    assert slot is not None
    ranks = list(granted.launch_ranks(slot.shares, 4, ()))
    assert (option(ranks, "--nodes"), option(ranks, "--cpus-per-task")) == ("3", "7")


def test_nodes_of_which_a_number_of_cores_was_granted_are_known() -> None:
    """Which cores those are is a guess, by which no other launcher is kept away."""
    granted = granted_nodes(load_site("frontier"), NODES, "login", [112, 28, 112])
    assert granted.counted == {"f2"}
    assert granted_nodes(load_site("frontier"), NODES, "login").counted == frozenset()
