"""A look at a node finds what would make evaluations fail there."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor.messages import ProbeOrder
from ambs_hpc.launcher.supervisor.probes.node_probe import gpus, probe, scratch_folder


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB without room."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    subprocess.run(["dd", "if=/dev/zero", f"of={folder}/fill"], capture_output=True, check=False)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def order(folder: Path, number: int = 0, *, is_binding: bool = True) -> ProbeOrder:
    return ProbeOrder("n1", str(folder), number, is_binding)


def test_a_node_that_is_well(tmp_path: Path) -> None:
    """In milliseconds, with what a person wants to know, and nothing is left in its folders."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = probe(order(tmp_path), {"TMPDIR": str(scratch)})
    assert (found.node, found.is_binding, found.trouble) == ("n1", True, "")
    assert found.facts["scratch"] == str(scratch)
    assert found.facts["runs"] == str(tmp_path)
    assert found.facts["scratch_free_gib"] > 0
    assert found.facts["scratch_free_inodes"] > 0
    assert found.facts["seconds"] < 1.0
    assert abs(found.at - time.time()) < 5.0
    assert list(tmp_path.iterdir()) == [scratch]
    assert list(scratch.iterdir()) == []


def test_a_full_scratch_is_found(full_disk: Path, tmp_path: Path) -> None:
    """By writing, in the words of the system; the runs folder lies elsewhere and is well."""
    found = probe(order(tmp_path), {"TMPDIR": str(full_disk)})
    assert found.trouble.startswith(f"scratch {full_disk} cannot be written: No space left on device (0 GiB,")
    assert found.facts["scratch_error"] == "No space left on device"
    assert "runs_error" not in found.facts


def test_a_full_runs_folder_is_found(full_disk: Path, tmp_path: Path) -> None:
    """And told apart, since all nodes see it."""
    full = probe(order(full_disk), {"TMPDIR": str(tmp_path)})
    assert full.trouble.startswith(f"runs folder {full_disk} cannot be written: No space left on device")
    assert full.facts["runs_error"] == "No space left on device"
    assert "scratch_error" not in full.facts


def test_a_folder_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    """The first evaluation makes the runs folder, and $TMPDIR may be that of the login node."""
    found = probe(order(tmp_path / "later"), {"TMPDIR": str(tmp_path / "gone")})
    assert found.trouble == ""
    assert scratch_folder({"TMPDIR": str(tmp_path / "gone")}) == scratch_folder({}) == "/tmp"


def device(root: Path, name: str, content: str = "") -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def test_gpus_are_counted_by_what_drivers_show(tmp_path: Path) -> None:
    """No program of a vendor is started; of NVIDIA's, a device that fell off its bus still has its file."""
    assert gpus(str(tmp_path)) == 0
    intel, amd, nvidia = tmp_path / "intel", tmp_path / "amd", tmp_path / "nvidia"
    for number in range(3):
        device(nvidia, f"dev/nvidia{number}")
        device(amd, f"sys/class/kfd/kfd/topology/nodes/{number}/properties", f"simd_count {number}\n")
        device(intel, f"sys/class/drm/card{number}/device/vendor", "0x8086\n")
        device(intel, f"sys/class/drm/card{number}/device/class", "0x038000\n")
    for other in ("nvidiactl", "nvidia-uvm", "nvidia-caps"):
        device(nvidia, f"dev/{other}")
    device(intel, "sys/class/drm/card0/device/class", "0x030000\n")  # with a screen
    device(intel, "sys/class/drm/card0-HDMI/status", "x")
    assert [gpus(str(one)) for one in (intel, amd, nvidia)] == [2, 2, 3]
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        device(nvidia, f"proc/driver/nvidia/gpus/{bus}/information")
    assert gpus(str(nvidia)) == 2
    found = probe(order(tmp_path, 3), {"TMPDIR": str(tmp_path)}, str(nvidia))
    assert found.trouble == "2 GPUs are there instead of 3"
    assert found.facts["gpus"] == 2
    assert probe(order(tmp_path, 2), {"TMPDIR": str(tmp_path)}, str(nvidia)).trouble == ""


def test_a_node_that_is_not_asked_for_gpus_is_not_looked_at(tmp_path: Path) -> None:
    """Where names of GPUs do not say how many devices there are."""
    assert "gpus" not in probe(order(tmp_path), dict(os.environ)).facts
