"""Processes and descriptors that evaluations leave are found, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys

from ambs_hpc.launcher.supervisor import process_tree
from tests.databases import wait_until

CLOSES = """
import os
from ambs_hpc.launcher.supervisor.process_tree import close_descriptors
kept, _ = os.pipe()
extra = [os.dup(0) for _ in range(20)]
high = os.dup2(0, 900)
close_descriptors(but=kept)
left = []
for descriptor in range(1000):
    try:
        os.fstat(descriptor)
    except OSError:
        continue
    left.append(descriptor)
assert left == [0, 1, 2, kept], left
"""


def test_all_descriptors_but_one_are_closed() -> None:
    """High ones too, and without a call for each that could be open."""
    subprocess.run([sys.executable, "-c", CLOSES], check=True, close_fds=True)


def test_children_are_listed_and_known_as_ours() -> None:
    """A living child is one, a process that was waited for is none."""
    child = subprocess.Popen(["sleep", "30"])
    try:
        assert child.pid in process_tree.children()
        assert process_tree.is_child(child.pid)
        assert process_tree.state_of(child.pid) in "SRD"
    finally:
        child.kill()
        child.wait()
    assert not process_tree.is_child(child.pid)
    assert process_tree.state_of(child.pid) == "X"


def test_environment_is_that_of_the_start() -> None:
    """By it processes of an attempt are told, whatever their name and parent."""
    child = subprocess.Popen(["sleep", "30"], env={**os.environ, process_tree.TOKEN_VARIABLE: "here"})
    try:
        mark = f"{process_tree.TOKEN_VARIABLE}=here".encode()
        wait_until(lambda: mark in process_tree.environment_of(child.pid))
    finally:
        child.kill()
        child.wait()
    assert process_tree.environment_of(child.pid) == []
