"""From a start request, a site and a node to the words that start a program in a container."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.errors import ContainerUnusable
from ambs_hpc.launcher.allocation import granted_nodes
from ambs_hpc.launcher.container_command import Containers, merged, preview
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node
from ambs_hpc.launcher.supervisor import standalone
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.problem.containers.container import Container
from ambs_hpc.sites import load_site

POOL = NodePool((Node("n1", (0, 1), ("0", "1")),), "CUDA_VISIBLE_DEVICES")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A problem's folder with an image, and programs of two families on the PATH."""
    for name in ("podman", "singularity"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "problem").mkdir()
    (tmp_path / "problem" / "image.sif").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def request(folder: Path, **different: object) -> StartRequest:
    one = StartRequest(
        1,
        1,
        {},
        str(folder / "runs" / "000" / "000001-1"),
        None,
        "m:f",
        problem_directory=str(folder / "problem"),
        container={"image": "image.sif"},
    )
    return replace(one, **different)  # type: ignore[arg-type]


def own_words(words: list[str]) -> list[str]:
    """The words behind those that remove variables."""
    return words[1 + 2 * words.count("-u") :]


def test_function_is_forked_inside(folder: Path) -> None:
    """The image, the folders of problem and runs, and our package are there under their own paths."""
    entered = Containers(POOL).entered(request(folder))
    package = str(Path(standalone.PROGRAM).parents[2])
    assert own_words(list(entered.within)) == [
        *("singularity", "exec", "--nv"),
        *("--bind", f"{folder}/problem:{folder}/problem", "--bind", f"{folder}/runs:{folder}/runs"),
        *("--bind", f"{package}:{package}:ro"),
        *(f"{folder}/problem/image.sif", "python3"),
    ]
    assert (entered.function, entered.arguments, entered.container) == ("m:f", None, {})
    assert (folder / "runs").is_dir()


def test_a_runs_folder_that_cannot_be_made_is_told_by_the_supervisor_inside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder around it is bound for that; once it can be made, it is bound itself."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    containers = Containers(POOL)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", full)
        assert f"{folder}:{folder}" in containers.entered(request(folder)).within
    within = containers.entered(request(folder)).within
    assert f"{folder}/runs:{folder}/runs" in within
    assert f"{folder}:{folder}" not in within


def test_a_file_system_in_trouble_does_not_end_the_launcher(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be looked at is taken as there: whoever uses it finds out."""

    def stale(*_: object, **__: object) -> bool:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(Path, "mkdir", stale)
    monkeypatch.setattr(Path, "exists", stale)
    assert f"{folder}/runs:{folder}/runs" in Containers(POOL).entered(request(folder)).within


def test_folder_behind_a_link_is_there_under_both_names(folder: Path) -> None:
    """A home folder with links to a project's file system is what centres give."""
    (folder / "link").symlink_to(folder / "problem")
    within = Containers(POOL).entered(request(folder, problem_directory=str(folder / "link"))).within
    real, link = f"{folder}/problem:{folder}/problem", f"{folder}/link:{folder}/link"
    assert within.index(real) < within.index(link)


@pytest.mark.parametrize(
    ("variable", "asked", "flag"),
    [
        ("CUDA_VISIBLE_DEVICES", "", "--nv"),
        ("ROCR_VISIBLE_DEVICES", "", "--rocm"),
        ("ZE_AFFINITY_MASK", "", ""),
        ("CUDA_VISIBLE_DEVICES", "none", ""),
        ("CUDA_VISIBLE_DEVICES", "amd", "--rocm"),
    ],
)
def test_vendor_is_that_of_the_nodes(folder: Path, variable: str, asked: str, flag: str) -> None:
    """Unless somebody says otherwise."""
    containers = Containers(replace(POOL, gpu_variable=variable))
    one = request(folder, container={"image": "image.sif", "gpus": asked})
    found = {"--nv", "--rocm"}.intersection(containers.entered(one).within)
    assert found == ({flag} if flag else set())


def test_ranks_are_containers_of_their_own(folder: Path) -> None:
    """The hybrid model: the node's launch command starts the container, and in it the image's MPI."""
    ranks = request(folder, function=None, arguments=["./solve", "1"], has_ranks=True)
    entered = Containers(POOL).entered(ranks)
    assert entered.arguments is not None
    assert entered.arguments[-5:] == [
        *("--pwd", f"{folder}/runs/000/000001-1", f"{folder}/problem/image.sif"),
        *("./solve", "1"),
    ]
    assert not entered.within


def test_ranks_of_a_function_take_the_interpreter_of_the_image(folder: Path) -> None:
    """Ours does not exist there."""
    command = ["/venv/bin/python", standalone.PROGRAM, "function_main", "m:f", "/p"]
    ranks = request(folder, function=None, arguments=command, reads_request=True, has_ranks=True)
    arguments = Containers(POOL).entered(ranks).arguments
    assert arguments is not None
    assert arguments[-5:] == ["python3", *command[1:]]


def test_what_somebody_else_starts_is_a_container_each(folder: Path) -> None:
    """Balsam starts every evaluation by itself."""
    entered = Containers(POOL, has_supervisors=False).entered(request(folder, module_directory="/p"))
    assert entered.arguments is not None
    assert entered.arguments[-5:] == ["python3", standalone.PROGRAM, "function_main", "m:f", "/p"]
    assert (entered.function, entered.reads_request, entered.within) == (None, True, ())


@pytest.mark.parametrize(
    ("different", "words"),
    [
        ({"container": {"image": "other.sif"}}, "There is no image"),
        ({"container": {"image": "i", "program": "shifter"}}, "None of shifter is on the PATH"),
        ({"container": {"image": "i", "program": "docker"}}, "container.program is 'docker'"),
        ({"container": {"image": "image.sif", "python": ""}}, "The container has no Python"),
        ({"container": {"image": "image.sif", "sudo": True}}, "cannot be read"),
        (
            {
                "container": {"image": "i", "program": "podman"},
                "has_ranks": True,
                "function": None,
                "arguments": ["a"],
            },
            "podman cannot start MPI ranks: when such a command is killed, its container lives on",
        ),
    ],
)
def test_what_cannot_be_started_is_told(folder: Path, different: dict[str, object], words: str) -> None:
    """No evaluation is used up for it."""
    with pytest.raises(ContainerUnusable) as caught:
        Containers(POOL).entered(request(folder, **different))
    assert words in str(caught.value)


def test_site_gives_what_a_problem_leaves_open(folder: Path) -> None:
    """Program, folders and flags are the machine's; an image of the site is for those that name none."""
    site = {
        "image": "/site.sif",
        "program": "singularity",
        "binds": ["/scratch"],
        "flags": ["--x"],
        "python": "p",
    }
    assert merged({"image": "own"}, site) == Container(
        "own", ["/scratch"], "singularity", "", ["--x"], "python3"
    )
    assert merged({}, site) == Container("/site.sif", ["/scratch"], "singularity", "", ["--x"], "p")
    assert merged({"image": "own", "program": "podman"}, site).flags == []
    (folder / "site.sif").touch()
    pool = replace(POOL, container={**site, "image": str(folder / "site.sif")})
    plain = request(folder, container={})
    assert str(folder / "site.sif") in Containers(pool).entered(plain).within
    assert Containers(POOL).entered(plain) is plain


def test_site_file_names_the_program(folder: Path) -> None:
    """As a person writes it, and with the line where that is wrong."""
    (folder / "mine.yml").write_text(
        "extends: slurm\ncontainer:\n  program: singularity\n  binds: [/scratch]\n"
    )
    granted = granted_nodes(load_site("mine", folder), ["n1"], "n1")
    assert (granted.container["program"], granted.container["binds"]) == ("singularity", ["/scratch"])
    (folder / "bad.yml").write_text("extends: slurm\ncontainer:\n  program: docker\n")
    with pytest.raises(Exception, match=r"line 3: container\.program: is 'docker'\. Accepted: apptainer"):
        load_site("bad", folder)


def test_preview_says_what_will_be_run(folder: Path) -> None:
    """Before anything is spent, and without making a folder."""
    own = {"image": "image.sif", "binds": ["/data:/d:ro"]}
    entered, trouble = preview(own, {}, str(folder / "problem"), str(folder / "runs"))
    assert entered.startswith("singularity exec --bind ")
    assert entered.endswith(f"--bind /data:/d:ro {folder}/problem/image.sif python3")
    assert trouble == ""
    assert not (folder / "runs").exists()
    assert preview({"image": "no.sif"}, {}, "/p", "/r")[1].startswith("There is no image /p/no.sif")
