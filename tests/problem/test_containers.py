"""Containers of problems: what is accepted, and the words that each program is told."""

from __future__ import annotations

import pytest

from ambs_hpc import Container, Problem
from ambs_hpc.errors import ProblemError
from ambs_hpc.problem.allow_list import allow, is_allowed
from ambs_hpc.problem.containers.container import Bind, ContainerPlan, image_path, parsed_bind
from ambs_hpc.problem.containers.registry import PROGRAMS, container_words

PLAN = ContainerPlan("/p/image.sif", [Bind("/p", "/p"), Bind("/lib/us", "/lib/us", True)], "", ["--fakeroot"])
BINDS = ["--bind", "/p:/p", "--bind", "/lib/us:/lib/us:ro"]
VOLUMES = ["--volume=/p:/p", "--volume=/lib/us:/lib/us:ro"]
RUN = ["run", "--rm", "--interactive", "--env-host", "--network=host", "--ipc=host", "--log-driver=none"]


def problem(**fields: object) -> Problem:
    return Problem(name="c", space={"x": (0.0, 1.0)}, objective="m:f", **fields)  # type: ignore[arg-type]  # wrong ones too


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("apptainer", ["apptainer", "exec", *BINDS, "--fakeroot", "/p/image.sif"]),
        ("singularity", ["singularity", "exec", *BINDS, "--fakeroot", "/p/image.sif"]),
        ("podman-hpc", ["podman-hpc", *RUN, *VOLUMES, "--entrypoint=", "--fakeroot", "/p/image.sif"]),
        ("podman", ["podman", *RUN, *VOLUMES, "--entrypoint=", "--fakeroot", "/p/image.sif"]),
        ("shifter", ["shifter", "--image=docker:/p/image.sif", *VOLUMES, "--fakeroot", "--"]),
    ],
)
def test_programs_are_told_their_own_words(program: str, expected: list[str]) -> None:
    """One file a program; a further one joins by one entry."""
    assert PROGRAMS[program].arguments(program, PLAN) == expected


@pytest.mark.parametrize(
    ("program", "vendor", "expected"),
    [
        ("apptainer", "nvidia", {"--nv"}),
        ("singularity", "amd", {"--rocm"}),
        ("podman-hpc", "nvidia", {"--gpu"}),
        ("podman", "nvidia", {"--device=nvidia.com/gpu=all"}),
        ("podman", "amd", {"--device=/dev/kfd", "--device=/dev/dri", "--group-add=keep-groups"}),
        ("shifter", "nvidia", set()),
    ],
)
def test_libraries_of_gpus_are_brought_in(program: str, vendor: str, expected: set[str]) -> None:
    """Without them the image finds no GPU."""
    arguments = PROGRAMS[program].arguments
    with_gpus = set(arguments(program, ContainerPlan("image", vendor=vendor)))
    assert with_gpus - set(arguments(program, ContainerPlan("image"))) == expected


@pytest.mark.parametrize(
    ("program", "word"),
    [("apptainer", "--pwd"), ("podman", "--workdir=/p/1"), ("shifter", "--workdir=/p/1")],
)
def test_container_starts_in_the_folder(program: str, word: str) -> None:
    """An image may have a working folder of its own."""
    assert word in PROGRAMS[program].arguments(program, ContainerPlan("image", folder="/p/1"))


def test_what_is_of_the_node_stays_outside() -> None:
    """A library path or Python path of the node breaks the image's programs."""
    words = container_words("shifter", ContainerPlan("image"))
    before = words[: words.index("shifter")]
    assert before[0] == "env"
    removed = {name for option, name in zip(before[1::2], before[2::2], strict=True) if option == "-u"}
    assert {"LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "SHIFTER_IMAGE"} <= removed
    assert "APPTAINER_CLEANENV" in container_words("apptainer", ContainerPlan("image"))


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (Container(""), "container.image: is empty"),
        (Container("--privileged"), "container.image: is '--privileged'"),
        (Container("i", binds=["scratch"]), "container.binds: is ['scratch']. Give a list of '/SOURCE'"),
        (Container("i", binds=["/a:/b,/c:/d"]), "container.binds"),
        (Container("i", binds="/a"), "container.binds: is '/a'"),
        (Container("i", program="docker"), "Accepted: apptainer, singularity, podman-hpc, shifter, podman"),
        (Container("i", gpus="cuda"), "Accepted: 'nvidia', 'amd', 'none'"),
        (Container("i", flags="--fakeroot"), "container.flags: is '--fakeroot'"),
        (Container("i", python="-c"), "container.python: is '-c'"),
        ("image.sif", "container: is 'image.sif'. Write Container(image="),
    ],
)
def test_wrong_containers_are_told(container: object, words: str) -> None:
    """Field, value, and what is accepted."""
    with pytest.raises(ProblemError) as caught:
        problem(container=container)
    assert words in str(caught.value)


def test_the_allow_list_covers_the_container(
    tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write a row would otherwise choose an image, or what of this machine it sees."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path))
    own = problem(container=Container("i.sif", binds=["/data"])).objective_json
    allow(own, "/p")
    assert is_allowed(own, "/p")
    for changed in ({"image": "other.sif"}, {"binds": ["/"]}, {"flags": ["--fakeroot"]}):
        assert not is_allowed({**own, "container": {**own["container"], **changed}}, "/p")  # type: ignore[dict-item]
    assert not is_allowed(problem().objective_json, "/p")


@pytest.mark.parametrize(
    ("image", "path"),
    [
        ("torch.sif", "/p/torch.sif"),
        ("./rootfs", "/p/rootfs"),
        ("/images/a", "/images/a"),
        ("docker://python:3.12", None),
        ("docker:ubuntu:24.04", None),
        ("registry.example/me/torch:1", None),
    ],
)
def test_files_are_told_from_names(image: str, path: str | None) -> None:
    """A file is looked for beside the problem file before anything is spent; a name the program must know."""
    assert image_path(image, "/p") == path


def test_binds_are_read_as_written() -> None:
    """Source alone, with a target, read-only."""
    assert [str(parsed_bind(one)) for one in ("/a", "/a:/b", "/a:/b:ro", "/a:ro")] == [
        *("/a:/a", "/a:/b", "/a:/b:ro", "/a:/a:ro")
    ]
