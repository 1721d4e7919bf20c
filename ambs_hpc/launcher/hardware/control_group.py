"""What the control groups around this process, cgroup v1 and v2, leave to it of memory and processor time.

A limit may stand on any group between this process and the root: Slurm's is on the allocation's group, three
levels above a task, and a container's on what looks like the root from inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

OWN_GROUPS, MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def memory_limit_bytes(own_groups: Path = OWN_GROUPS, mount: Path = MOUNT) -> int | None:
    """The smallest memory limit of the groups that this process is in; None when there is none.

    Args:
        own_groups: which groups those are, as in cgroups(7).
        mount: where the hierarchies are mounted.
    """
    limits = [
        int(text)
        for folder, is_v2 in _groups(own_groups, mount, "memory")
        if (text := _text(folder / ("memory.max" if is_v2 else "memory.limit_in_bytes"))).isdecimal()
    ]
    return min(limits, default=None)


def processor_limit(own_groups: Path = OWN_GROUPS, mount: Path = MOUNT) -> float | None:
    """Seconds of processor time per second that this process and its group may use; None without a limit."""
    limits = []
    for folder, is_v2 in _groups(own_groups, mount, "cpu"):
        if is_v2:
            words = _text(folder / "cpu.max").split()
        else:
            words = [_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")]
        if (
            len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1])
        ):  # "max", or -1: none
            limits.append(int(words[0]) / int(words[1]))
    return min(limits, default=None)


def _groups(own_groups: Path, mount: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """The folders of the groups from this process's own up to the root, and whether each is of version 2."""
    for line in _text(own_groups).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            hierarchies = [mount, mount / "unified"]  # the latter where both versions are mounted
        elif controller in controllers.split(","):
            hierarchies = list(dict.fromkeys((mount / controllers, mount / controller)))
        else:
            continue
        # Seen from a namespace below, the path of a group above begins with "..", which is not mounted here.
        names = [name for name in path.split("/") if name not in ("", "..")]
        for hierarchy in hierarchies:
            for depth in range(len(names), -1, -1):
                yield hierarchy.joinpath(*names[:depth]), controllers == ""


def _text(file: Path) -> str:
    """Its content; "" where the group or the limit does not exist, which is the same as no limit."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""
