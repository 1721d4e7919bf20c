"""A disk that is full, or a file system that fails, is the node's trouble and never the evaluation's."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc.launcher.executors import node_health, node_pauses
from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.states import FailureKind
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

MODULE = """
import os, time
def value(configuration):
    return 1
def value_after_go(configuration):
    open("begun", "w").close()
    while not os.path.exists(os.path.join(os.environ["FOLDER"], "go")): time.sleep(0.01)
    return 5
def writes(configuration):
    with open("state", "wb") as file: file.write(bytes(1 << 22))
    return 1
"""
NOTHING_STARTS = "No space left on device; nothing is started until there is room"


class SmallDisk:
    """A file system of one MiB and forty files for the run directory; filled and freed by tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mount("mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=40,mode=0755", "tmpfs", str(folder))

    def mount(self, *command: str) -> None:
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("only root can mount a small disk")

    def fill(self) -> None:
        subprocess.run(["dd", "if=/dev/zero", f"of={self.folder}/fill"], capture_output=True, check=False)

    def use_up_files(self) -> None:
        for number in range(50):
            try:
                (self.folder / f"fill-{number}").touch()
            except OSError:
                return

    def free(self) -> None:
        for file in self.folder.glob("fill*"):
            file.unlink()
        self.mount("mount", "-o", "remount,size=32m,nr_inodes=1000", str(self.folder))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    monkeypatch.setattr(node_health, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(node_pauses, "LOOK_SECONDS", 0.1)
    (tmp_path / "full_module.py").write_text(MODULE)
    runs = tmp_path / "runs"
    runs.mkdir()
    yield SmallDisk(runs)
    subprocess.run(["umount", "-l", str(runs)], capture_output=True, check=False)


@pytest.fixture
def executor(disk: SmallDisk) -> Iterator[ProcessExecutor]:
    node = Node("n", (0, 0, 0, 0))
    made = ProcessExecutor(Packing([node]), NodePool((node,), "CUDA_VISIBLE_DEVICES"), grace_seconds=0.5)
    yield made
    made.close()


def work(disk: SmallDisk, number: int, program: str | list[str]) -> Prepared:
    claim = Claim(number, 1, "c", number, 1, f"token.{number}", {}, Resources(), None)
    function = f"full_module:{program}" if isinstance(program, str) else None
    folder = f"{disk.folder}/000/{number}-1"
    arguments = None if isinstance(program, str) else program
    module_folder = str(disk.folder.parent)
    return prepared(claim, arguments, function, module_folder, folder, {"FOLDER": module_folder})


def ends(executor: ProcessExecutor, number: int = 1) -> list[Ended]:
    found: list[Ended] = []
    wait_until(lambda: found.extend(executor.poll(0.05)) or len(found) >= number)
    return found


def polled(executor: ProcessExecutor) -> int:
    assert executor.poll(0.05) == []
    return executor.count(Resources())


@pytest.mark.parametrize("program", ["value", ["echo", "AMBS-RESULT: 1"]], ids=["function", "command"])
def test_what_cannot_get_a_folder_never_began(
    executor: ProcessExecutor, disk: SmallDisk, program: str | list[str]
) -> None:
    """It counts against nothing, and nothing more is started before the disk has room; then all goes on."""
    assert executor.start(*work(disk, 1, program))
    assert isinstance(ends(executor)[0], Outcome)
    disk.use_up_files()
    executor.start(*work(disk, 2, program))
    (said,) = ends(executor)
    assert isinstance(said, Interrupted)
    assert not said.started
    assert f"{disk.folder}/000/2-1 could not be written: No space left on device" in said.reason
    assert executor.room() is None
    assert executor.count(Resources()) == 0
    assert executor.troubles == [f"runs folder {disk.folder}: {NOTHING_STARTS}"]
    assert not executor.start(*work(disk, 2, program))
    disk.free()
    wait_until(lambda: polled(executor) == 1)
    assert executor.start(*work(disk, 2, program))
    (after,) = ends(executor)
    assert isinstance(after, Outcome)
    assert after.objective == 1.0
    assert executor.count(Resources()) == 4
    assert executor.troubles == []


@pytest.mark.parametrize("files_left", [1, 2, 3])
@pytest.mark.parametrize("program", ["value", ["echo", "AMBS-RESULT: 1"]], ids=["function", "command"])
def test_the_last_files_of_a_disk_are_not_kept_by_what_never_began(
    executor: ProcessExecutor, disk: SmallDisk, program: str | list[str], files_left: int
) -> None:
    """There may be room for the folder, and none for its logs or its outcome."""
    executor.start(*work(disk, 1, program))
    ends(executor)
    disk.use_up_files()
    for file in list(disk.folder.glob("fill-*"))[:files_left]:
        file.unlink()
    executor.start(*work(disk, 2, program))
    if files_left < 3:
        (said,) = ends(executor)
        assert isinstance(said, Interrupted)
        assert not said.started
        assert not (disk.folder / "000/2-1").exists()
    elif isinstance(program, list):  # the outcome has no file, and is told all the same
        (said,) = ends(executor)
        assert isinstance(said, Outcome)
        assert said.objective == 1.0
        assert executor.count(Resources()) == 0
    else:
        begun = time.monotonic()
        wait_until(lambda: polled(executor) == 3 and time.monotonic() > begun + 0.3)
        disk.free()
        (said,) = ends(executor)
        assert isinstance(said, Outcome)
        assert said.objective == 1.0


@pytest.mark.parametrize(
    "program", ["writes", ["sh", "-c", "head -c 4m /dev/zero > state && echo AMBS-RESULT: 1"]]
)
def test_a_program_that_finds_the_disk_full_was_interrupted(
    executor: ProcessExecutor, disk: SmallDisk, program: str | list[str]
) -> None:
    """Its own exit status says failure, and the disk says why."""
    executor.start(*work(disk, 1, program))
    (said,) = ends(executor)
    assert isinstance(said, Interrupted)
    assert said.started
    assert "could not be written: No space left on device" in said.reason
    assert executor.count(Resources()) == 0
    assert not (disk.folder / "000/1-1/.ambs-outcome.json").exists()
    disk.free()
    wait_until(lambda: polled(executor) == 1)


def test_a_failure_on_a_disk_with_room_is_a_failure(executor: ProcessExecutor, disk: SmallDisk) -> None:
    """And nothing pauses for it."""
    executor.start(*work(disk, 1, ["sh", "-c", "echo No space left on device >&2; exit 1"]))
    (said,) = ends(executor)
    assert isinstance(said, Outcome)
    assert said.failure is FailureKind.ERROR
    assert executor.count(Resources()) == 4


def test_a_value_waits_for_room(executor: ProcessExecutor, disk: SmallDisk) -> None:
    """What has computed for hours is not thrown away because the disk is full at its end."""
    executor.start(*work(disk, 1, "value_after_go"))
    wait_until((disk.folder / "000/1-1/begun").exists)
    disk.fill()
    (disk.folder.parent / "go").touch()
    begun = time.monotonic()
    wait_until(lambda: executor.poll(0.05) == [] and time.monotonic() > begun + 0.5)
    disk.free()
    (said,) = ends(executor)
    assert isinstance(said, Outcome)
    assert said.objective == 5.0
