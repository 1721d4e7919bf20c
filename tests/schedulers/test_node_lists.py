"""Compressed node lists are written out exactly."""

from __future__ import annotations

import pytest

from ambs_hpc.schedulers.node_lists import expand_hosts, expand_numbers, unique_lines

WRITTEN_OUT = {
    "n1": ["n1"],
    "n[1-4]": ["n1", "n2", "n3", "n4"],
    "n[08-11]": ["n08", "n09", "n10", "n11"],
    "cc[001-003],cc010": ["cc001", "cc002", "cc003", "cc010"],
    "node[02-03]": ["node02", "node03"],
    "nid[001234,001300-001301]": ["nid001234", "nid001300", "nid001301"],
    "a[1-2]b[3-4]": ["a1b3", "a1b4", "a2b3", "a2b4"],
    "x3006c0s13b1n0.hsn,x3006c0s19b0n0.hsn": ["x3006c0s13b1n0.hsn", "x3006c0s19b0n0.hsn"],
    "frontier[00099-00101]": ["frontier00099", "frontier00100", "frontier00101"],
    "": [],
}


@pytest.mark.parametrize("text", WRITTEN_OUT)
def test_host_lists_are_written_out(text: str) -> None:
    """A missing node idles, an invented one makes every launch on it fail."""
    assert list(expand_hosts(text)) == WRITTEN_OUT[text]


def test_node_numbers_are_written_out() -> None:
    """A Cray under Cobalt names its nodes by numbers only."""
    assert expand_numbers("340-343,350") == ("340", "341", "342", "343", "350")
    assert expand_numbers("7") == ("7",)


@pytest.mark.parametrize("text", ["n[1-", "n[1-4", "n]", "n[4-1]", "n[a-b]", "a,,b", "n[]"])
def test_a_broken_host_list_is_refused(text: str) -> None:
    """Better no launcher than one on nodes that were guessed."""
    with pytest.raises(ValueError, match="node list"):
        expand_hosts(text)


@pytest.mark.parametrize("text", ["", "node01", "3-1", "3-"])
def test_broken_node_numbers_are_refused(text: str) -> None:
    """The same for numbers."""
    with pytest.raises(ValueError, match="node list"):
        expand_numbers(text)


def test_a_node_file_names_each_node_once() -> None:
    """PBS writes a line per chunk and rank."""
    assert unique_lines("p2\np2\n\np1 \np2\n") == ("p2", "p1")
