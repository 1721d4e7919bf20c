"""What this machine has, by what it was given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from ambs_hpc.launcher.machine import (
    gpu_ids,
    gpu_variable,
    granted_cores,
    granted_processors,
    this_machine,
    usable_cores,
    visible_gpus,
)

KFD = "sys/class/kfd/kfd/topology/nodes"
PROCESSOR = "cpu_cores_count 64\nsimd_count 0\ndrm_render_minor 0\n"


@pytest.mark.parametrize(
    ("value", "gpus"),
    [
        ("-1", ()),
        ("NoDevFiles", ()),
        ("void", ()),
        ("None", ()),
        ("", ()),
        ("0,-1,1", ("0",)),
        ("0, 1", ("0", "1")),
        ("GPU-aa,MIG-bb", ("GPU-aa", "MIG-bb")),
    ],
)
def test_hidden_gpus_are_no_gpus(value: str, gpus: tuple[str, ...]) -> None:
    """An evaluation that needs one must not be started without."""
    assert visible_gpus(value) == gpus


def tree(root: Path, files: Mapping[str, str]) -> Path:
    """A folder with these files, in place of the root."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


def amd_gpu(minor: int) -> str:
    return f"cpu_cores_count 0\nsimd_count 440\ndrm_render_minor {minor}\n"


DRIVER = {"dev/kfd": ""}
RENDER_NODES = {f"dev/dri/renderD{minor}": "" for minor in (128, 129)}
TOPOLOGY = {
    f"{KFD}/0/properties": PROCESSOR,
    **{f"{KFD}/{node}/properties": amd_gpu(127 + node) for node in (1, 2, 3)},
}
PONTE_VECCHIO = {"vendor": "0x8086", "class": "0x038000"}
LAPTOP = {"vendor": "0x8086", "class": "0x030000"}


def cards(*kinds: Mapping[str, str]) -> dict[str, str]:
    """Files of the kernel about graphics cards, and about a connector of the first one."""
    listed = {
        f"sys/class/drm/card{index}/device/{name}": value
        for index, kind in enumerate(kinds)
        for name, value in kind.items()
    }
    return {**listed, "sys/class/drm/card0-DP-1/device/vendor": "0x8086"}


@pytest.mark.parametrize(
    ("files", "variable", "gpus"),
    [
        ({**DRIVER, **RENDER_NODES}, "ROCR_VISIBLE_DEVICES", ("0", "1")),
        # A container with two of the three GPUs that the topology of its machine shows.
        ({**DRIVER, **RENDER_NODES, **TOPOLOGY}, "ROCR_VISIBLE_DEVICES", ("0", "1")),
        (cards(PONTE_VECCHIO, PONTE_VECCHIO), "ZE_AFFINITY_MASK", ("0", "1")),
    ],
    ids=["AMD without topology", "AMD", "Intel"],
)
def test_gpus_are_found_by_what_the_kernel_shows(
    files: Mapping[str, str], variable: str, gpus: tuple[str, ...], tmp_path: Path
) -> None:
    """A workstation has no scheduler that names them."""
    root = tree(tmp_path, files)
    assert (gpu_variable({}, root), gpu_ids({}, root)) == (variable, gpus)


def test_a_laptops_screen_is_no_gpu_for_evaluations(tmp_path: Path) -> None:
    """Nor is a processor in the topology of AMD's driver."""
    root = tree(tmp_path, {**cards(LAPTOP), **DRIVER, f"{KFD}/0/properties": PROCESSOR})
    assert gpu_variable({}, root) == "CUDA_VISIBLE_DEVICES"


def test_what_a_person_or_scheduler_named_wins_over_what_is_found(tmp_path: Path) -> None:
    """Also when it is none at all."""
    root = tree(tmp_path, {**DRIVER, **RENDER_NODES})
    assert gpu_ids({"ROCR_VISIBLE_DEVICES": "1"}, root) == ("1",)
    assert gpu_ids({"ROCR_VISIBLE_DEVICES": "none"}, root) == ()


@pytest.mark.parametrize(
    ("limit", "here", "cores"),
    [
        (None, 6, [0, 2, 4, 6]),
        (9.0, 6, [0, 2, 4, 6]),
        (2.5, 6, [0, 6]),
        (1.0, 4, [4]),
        (0.2, 5, [0]),
    ],
)
def test_processor_time_limits_the_cores(limit: float | None, here: int, cores: list[int]) -> None:
    """More evaluations than that would only slow each other down; one can always run."""
    assert usable_cores([0, 2, 4, 6], limit, here) == cores


def test_gpus_are_counted_or_named() -> None:
    """A name goes to the evaluation as it is."""
    assert this_machine(None, 2).gpus == ("0", "1")
    assert this_machine(None, ["GPU-aa", "3"]).gpus == ("GPU-aa", "3")
    assert set(this_machine(None, 0).cores) <= os.sched_getaffinity(0)


@pytest.mark.parametrize(
    ("processors", "cores"),
    [(128, 64), (112, 56), (56, 56), (64, 64), (16, 16), (1, 1)],
)
def test_no_more_cores_are_used_than_were_granted(processors: int, cores: int) -> None:
    """A node of 64 cores with two threads each, of which eight cores, or the second threads, are not ours."""
    assert granted_cores(range(64), 64, 2, processors, ()) == tuple(range(cores))


@pytest.mark.parametrize(("processors", "cores"), [(128, 56), (112, 56), (64, 56), (56, 56), (16, 16)])
def test_cores_that_the_site_keeps_do_not_make_threads_of_granted_cores(processors: int, cores: int) -> None:
    """Of 64 cores the site file keeps each eighth: a grant of 64 is that of all cores, one thread of each."""
    usable = [core for core in range(64) if core % 8]
    assert granted_cores(usable, 64, 2, processors, ()) == tuple(usable[:cores])


def test_cores_that_the_system_keeps_are_those_that_are_missing_here() -> None:
    """A site file that does not name them would else bind evaluations to processors they may not use."""
    allowed = [core for core in range(128) if core % 8]
    assert granted_cores(range(64), 64, 2, 112, allowed) == tuple(core for core in range(64) if core % 8)
    assert granted_cores(range(64), 64, 2, 112, [0, 1]) == tuple(
        range(56)
    )  # a script that is bound to two of them


def test_other_nodes_are_counted_by_what_was_granted_there() -> None:
    """Nodes of one allocation may differ; what limits us beyond the grant does so everywhere."""
    assert granted_processors([0, 1, 2, 3], 4, 4) == (0, 1, 2, 3)
    assert granted_processors([0, 1, 2, 3], 4, 2) == (0, 1)
    assert granted_processors([4, 5, 6, 7], 4, 6) == (4, 5, 6, 7, 0, 1)
    assert granted_processors([0, 1], 8, 8) == (0, 1)
    assert granted_processors([0, 1], 8, 16) == (0, 1, 2, 3)
