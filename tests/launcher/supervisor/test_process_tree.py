"""Processes and descriptors that evaluations leave are found, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


MIB = 1 << 20
# Each holds 64 MiB in its way and says so.
PRIVATE = "held = b'x' * size"
SHARED_BY_TWO = """
held = mmap.mmap(-1, size)
held.write(b'x' * size)
if os.fork() == 0:
    for place in range(0, size, 4096): held[place]
    print('ready', flush=True)
    time.sleep(60)
"""
MEMORY_FILE = """
descriptor = os.memfd_create('held')
os.truncate(descriptor, size)
held = mmap.mmap(descriptor, size)
held.write(b'x' * size)
"""
MAPPED_FILE = """
held = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), size, prot=mmap.PROT_READ)
for place in range(0, size, 4096): held[place]
"""
PROGRAM = "import mmap, os, sys, time; size = 64 << 20\n{}\nprint('ready', flush=True); time.sleep(60)"


def used_by(source: str, *arguments: str, processes: int = 1) -> float:
    """MiB that count for a program that runs `source`, once its processes have said that they are ready."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(source), *arguments],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    with child.stdout as said:
        try:
            for _ in range(processes):
                assert said.readline() == b"ready\n"
            return process_tree.memory_by_session({child.pid})[child.pid] / MIB
        finally:
            process_tree.kill_group(child.pid)
            child.wait()


@pytest.mark.parametrize(
    ("source", "processes"),
    [(PRIVATE, 1), (SHARED_BY_TWO, 2), (MEMORY_FILE, 1)],
    ids=["own", "shared", "memfd"],
)
def test_memory_that_cannot_be_dropped_counts_once(source: str, processes: int) -> None:
    """What two processes share is there once; the interpreters themselves take some 10 MiB each."""
    assert 64 <= used_by(source, processes=processes) < 112


def test_mapped_files_are_no_memory(tmp_path: Path) -> None:
    """The kernel drops them when it needs the room: whether they are there depends on the neighbours."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True)
    if kind.stdout.strip() in ("tmpfs", "ramfs"):
        pytest.skip("files are memory here")
    data = tmp_path / "data"
    data.write_bytes(bytes(64 * MIB))
    assert used_by(MAPPED_FILE, str(data)) < 48


# Of one process, in kB: 300 its own, 200 shared memory (half of it a neighbour's), 4000 of mapped files.
ROLLUP = {"Rss": 4600, "Pss": 4400, "SwapPss": 50, "Private_Hugetlb": 2048, "Shared_Hugetlb": 0}
STATUS = {"VmRSS": 4600, "RssAnon": 300, "RssFile": 4000, "RssShmem": 300, "VmSwap": 50, "HugetlbPages": 2048}


@pytest.mark.parametrize(
    ("rollup", "status", "kilobytes"),
    [
        ({**ROLLUP, "Pss_Anon": 320, "Pss_File": 3900, "Pss_Shmem": 200, "LazyFree": 20}, {}, 500 + 2098),
        (ROLLUP, STATUS, 600 + 2098),
        ({**ROLLUP, "Pss": 450}, STATUS, 450 + 2098),
        ({}, STATUS, 600 + 2098),
        (ROLLUP, {}, 4400 + 2098),
        ({}, {"VmRSS": 4600, "VmSwap": 50}, 4600 + 50),
        ({}, {}, 4600),
    ],
    ids=["5.3", "4.14", "4.14-shares-much", "4.5", "4.14-without-status", "3.10", "gone"],
)
def test_every_kernel_tells_memory_as_well_as_it_can(
    rollup: dict[str, int], status: dict[str, int], kilobytes: int
) -> None:
    """Large machines run kernels of many ages; swap and huge pages are outside the resident size of all."""
    assert process_tree.held_bytes(rollup, status, 4600 * 1024) == kilobytes * 1024
