"""The GPUs that are built into this machine, as far as this process may open them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ASK_SECONDS = 20
_AMD_VENDOR, _INTEL_VENDOR = "0x1002", "0x8086"
_DISPLAY_CONTROLLER = (
    "0x0380"  # PCI class of GPUs without a screen; every laptop has an Intel one with a screen
)


def nvidia_gpus() -> tuple[str, ...]:
    """The indices of GPUs that NVIDIA's tool lists."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        listed = subprocess.run(
            [program, "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(listed.stdout.split()) if listed.returncode == 0 else ()


def amd_gpus(root: Path) -> int:
    """The number of GPUs behind AMD's compute driver that this process may open.

    Args:
        root: where /dev and /sys are found.
    """
    if not (root / "dev/kfd").exists():
        return 0
    nodes = list(root.glob("sys/class/kfd/kfd/topology/nodes/*/properties"))
    if nodes:
        return sum(_is_amd_gpu(_text(node), root) for node in nodes)
    vendors = (
        _text(root / "sys/class/drm" / one.name / "device/vendor") for one in root.glob("dev/dri/renderD*")
    )
    return sum(vendor in (_AMD_VENDOR, "") for vendor in vendors)


def intel_gpus(root: Path) -> int:
    """The number of Intel's GPUs for computing.

    Args:
        root: where /sys is found.
    """
    devices = [card / "device" for card in root.glob("sys/class/drm/card*") if card.name[4:].isdecimal()]
    return sum(
        _text(device / "vendor") == _INTEL_VENDOR and _text(device / "class").startswith(_DISPLAY_CONTROLLER)
        for device in devices
    )


def _is_amd_gpu(properties: str, root: Path) -> bool:
    """Whether a node of the topology is a GPU, not a processor, and its device is in this container."""
    values = dict(line.split(None, 1) for line in properties.splitlines() if len(line.split()) == 2)
    device = root / f"dev/dri/renderD{values.get('drm_render_minor', '')}"
    return values.get("simd_count", "0") != "0" and device.exists()


def _text(file: Path) -> str:
    """Its content, "" when there is none or this process may not read it."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""
