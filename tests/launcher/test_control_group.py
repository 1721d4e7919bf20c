"""The limits of control groups, wherever between a process and the root they stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ambs_hpc.launcher.hardware.control_group import memory_limit_bytes, processor_limit

GIB = 2**30
STEP = "system.slice/slurmstepd.scope/job_77/step_batch/user/task_0"
UNLIMITED_V1 = str(2**63 - 4096)


def groups(folder: Path, own: str, files: Mapping[str, str]) -> tuple[Path, Path]:
    """The list of a process's own groups, and the hierarchies with these files."""
    mount = folder / "cgroup"
    for name, content in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(content + "\n")
    (folder / "own").write_text(own)
    return folder / "own", mount


@pytest.mark.parametrize(
    ("own", "files", "memory_bytes", "processors"),
    [
        pytest.param(
            f"0::/{STEP}\n",
            {
                f"{STEP}/memory.max": "max",
                "system.slice/slurmstepd.scope/job_77/memory.max": str(4 * GIB),
                "system.slice/slurmstepd.scope/memory.max": "max",
                "system.slice/slurmstepd.scope/job_77/cpu.max": "150000 100000",
                f"{STEP}/cpu.max": "max 100000",
            },
            4 * GIB,
            1.5,
            id="v2, on the allocation's group",
        ),
        pytest.param(
            "9:memory:/slurm/uid_1/job_5\n4:cpu,cpuacct:/slurm/uid_1\n1:name=systemd:/x\n",
            {
                "memory/slurm/uid_1/job_5/memory.limit_in_bytes": str(2 * GIB),
                "memory/slurm/memory.limit_in_bytes": UNLIMITED_V1,
                "cpu,cpuacct/slurm/uid_1/cpu.cfs_quota_us": "400000",
                "cpu,cpuacct/slurm/uid_1/cpu.cfs_period_us": "100000",
                "cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            2 * GIB,
            4.0,
            id="v1",
        ),
        pytest.param(
            "5:memory:/a\n0::/b\n",
            {"memory/a/memory.limit_in_bytes": str(GIB), "unified/b/cpu.max": "50000 100000"},
            GIB,
            0.5,
            id="both versions",
        ),
        pytest.param(
            "0::/docker/0123456789ab\n",
            {"memory.max": str(3 * GIB), "cpu.max": "200000 100000"},
            3 * GIB,
            2.0,
            id="container that sees its own group as the root",
        ),
        pytest.param(
            "0::/../../x\n", {"x/memory.max": str(GIB)}, GIB, None, id="group outside of a namespace"
        ),
        pytest.param("0::/\n", {"memory.max": "max", "cpu.max": "max 100000"}, None, None, id="no limit"),
    ],
)
def test_the_smallest_limit_on_the_way_to_the_root_counts(
    own: str, files: Mapping[str, str], memory_bytes: int | None, processors: float | None, tmp_path: Path
) -> None:
    """Evaluations packed by more memory than that take the whole allocation with them."""
    where = groups(tmp_path, own, files)
    assert (memory_limit_bytes(*where), processor_limit(*where)) == (memory_bytes, processors)


def test_a_machine_without_control_groups_has_no_limits(tmp_path: Path) -> None:
    """An old kernel, or /proc hidden."""
    assert memory_limit_bytes(tmp_path / "own", tmp_path) is None
    assert processor_limit(tmp_path / "own", tmp_path) is None
