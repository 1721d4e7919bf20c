"""Looks at its node: whether folders can be written, what room they have, which GPUs there are, its clock.

It takes milliseconds, and the objective is not imported for it: the fork server does that anyway, and tells
how long it took.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from ambs_hpc.launcher.supervisor.messages import NodeProbed, ProbeOrder
from ambs_hpc.launcher.supervisor.outcome import obstacle_to_writing

ROOM_BYTES = 1 << 20  # that the scratch folder must take
FALLBACK = "/tmp"  # where programs go when $TMPDIR is missing, or names nothing
_AMD = "sys/class/kfd/kfd/topology/nodes"
_INTEL_VENDOR, _COMPUTE_CLASS = "0x8086", "0x0380"


def probe(order: ProbeOrder, environ: Mapping[str, str] = os.environ, root: str = "/") -> NodeProbed:
    """What was found on this node.

    Args:
        root: where /dev, /proc and /sys are found.
    """
    begun = time.monotonic()
    scratch = scratch_folder(environ)
    facts: dict[str, object] = {"scratch": scratch, **_room("scratch", scratch)}
    facts |= {"runs": order.run_directory, **_room("runs", order.run_directory)}
    troubles: list[str] = []
    if why := obstacle_to_writing(scratch, ROOM_BYTES):
        facts["scratch_error"] = why
        troubles.append(f"scratch {scratch} cannot be written: {why}{_free_words(facts, 'scratch')}")
    if why := obstacle_to_writing(order.run_directory):
        facts["runs_error"] = why
        troubles.append(
            f"runs folder {order.run_directory} cannot be written: {why}{_free_words(facts, 'runs')}"
        )
    if order.gpus:
        found = facts["gpus"] = gpus(root)
        if found < order.gpus:
            troubles.append(f"{found} GPUs are there instead of {order.gpus}")
    facts["seconds"] = round(time.monotonic() - begun, 6)
    return NodeProbed(order.node, order.is_binding, time.time(), "; ".join(troubles), facts)


def scratch_folder(environ: Mapping[str, str]) -> str:
    """Where evaluations write temporary files: $TMPDIR, where that is a folder of this node."""
    given = environ.get("TMPDIR", "")
    return given if os.path.isdir(given) else FALLBACK  # noqa: PTH112  no Path where a supervisor starts


def gpus(root: str = "/") -> int:
    """The GPUs of this node, by what their drivers show; programs of the vendors would take seconds.

    Of NVIDIA's both the device files, which a container has less of, and the driver's own list, from which a
    device vanishes that has fallen off its bus.
    """
    devices = sum(name[6:].isdecimal() for name in _names(f"{root}/dev") if name.startswith("nvidia"))
    if devices:
        listed = len(_names(f"{root}/proc/driver/nvidia/gpus"))
        return min(devices, listed) if listed else devices
    if amd := sum(_is_amd_gpu(f"{root}/{_AMD}/{node}/properties") for node in _names(f"{root}/{_AMD}")):
        return amd
    cards = [name for name in _names(f"{root}/sys/class/drm") if name[:4] == "card" and name[4:].isdecimal()]
    return sum(_is_intel_gpu(f"{root}/sys/class/drm/{card}/device") for card in cards)


def _room(name: str, folder: str) -> dict[str, object]:
    """Free space in GiB and free inodes, as a person without privileges has them; {} where nobody says."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return {}
    room: dict[str, object] = {f"{name}_free_gib": round(found.f_bavail * found.f_frsize / 2**30, 3)}
    return {**room, f"{name}_free_inodes": found.f_favail} if found.f_files else room


def _free_words(facts: Mapping[str, object], name: str) -> str:
    if f"{name}_free_gib" not in facts:
        return ""
    inodes = facts.get(f"{name}_free_inodes")
    return f" ({facts[f'{name}_free_gib']:.3g} GiB{'' if inodes is None else f', {inodes} inodes'} free)"


def _is_amd_gpu(properties: str) -> bool:
    return any(
        line.startswith("simd_count ") and line.split()[1] != "0" for line in _text(properties).splitlines()
    )


def _is_intel_gpu(device: str) -> bool:
    return _text(f"{device}/vendor").strip() == _INTEL_VENDOR and _text(f"{device}/class").startswith(
        _COMPUTE_CLASS
    )


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  as above
    except OSError:
        return []


def _text(file: str) -> str:
    try:
        with open(file) as content:  # noqa: PTH123  as above
            return content.read()
    except OSError:
        return ""
