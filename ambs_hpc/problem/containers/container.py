"""The container that a problem asks for, and what a program is told about it; pure values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath

from ambs_hpc.errors import ProblemError

VENDORS = ("nvidia", "amd")
GPU_WORDS = ("", *VENDORS, "none")
PYTHON = "python3"
BIND = re.compile(r"(/[^:,;\n\0]*)(?::(/[^:,;\n\0]*))?(?::(ro|rw))?")  # what separates binds in any program
LABEL = re.compile(r"[^-\s][^\n\0]*")  # never an option


@dataclass(frozen=True, slots=True)
class Container:
    """An image in which evaluations run.

    Args:
        image: a file or folder, looked for beside the problem file unless its path is absolute, or a name
            that the program knows, such as "docker://python:3.12".
        binds: further folders of the node, "SOURCE", "SOURCE:TARGET" or "SOURCE:TARGET:ro", absolute. The
            runs folder and the problem's own folder are always there, under their own paths.
        program: which one starts it: "apptainer", "singularity", "podman-hpc", "shifter", "podman";
            "" takes the site's, or the first of them on PATH.
        gpus: whose driver libraries are brought in: "nvidia" or "amd", "none"; "" those of the node's GPUs.
        flags: further options of the program, before the image.
        python: the interpreter in the image, 3.10 or newer, in which one supervising process for many
            evaluations starts; "" where there is none: commands then start one container each.
    """

    image: str
    binds: Sequence[str] = ()
    program: str = ""
    gpus: str = ""
    flags: Sequence[str] = ()
    python: str = PYTHON


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder of the node that a container sees, `target` being its path there; both absolute."""

    source: str
    target: str
    is_read_only: bool = False

    def __str__(self) -> str:
        return f"{self.source}:{self.target}" + (":ro" if self.is_read_only else "")


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """What a program is to start: everything is decided.

    Args:
        image: an absolute path, or a name that the program knows.
        vendor: whose driver libraries are brought in; "" for none.
        folder: where it starts, absolute; "" leaves that to the image.
    """

    image: str
    binds: Sequence[Bind] = ()
    vendor: str = ""
    flags: Sequence[str] = ()
    folder: str = ""


def container_errors(container: Mapping[str, object], programs: Sequence[str]) -> list[tuple[str, str, str]]:
    """(field, what is seen, what to do) for each wrong field; whatever types a person has given."""
    wrong: list[tuple[str, str, str]] = []

    def check(name: str, remedy: str, *, is_right: bool) -> None:
        if not is_right:
            wrong.append((name, f"is {container[name]!r}", remedy))

    image, python = container["image"], container["python"]
    check(
        "image",
        "Give a file, a folder, or a name such as 'docker://python:3.12'",
        is_right=isinstance(image, str) and (not image or LABEL.fullmatch(image) is not None),
    )
    check(
        "python",
        "Give the interpreter in the image, such as 'python3', or '' where it has none",
        is_right=isinstance(python, str) and (not python or LABEL.fullmatch(python) is not None),
    )
    check(
        "program",
        f"Accepted: {', '.join(programs)}, or '' for the site's",
        is_right=container["program"] in ("", *programs),
    )
    check("gpus", "Accepted: 'nvidia', 'amd', 'none', or ''", is_right=container["gpus"] in GPU_WORDS)
    binds, flags = _texts(container["binds"]), _texts(container["flags"])
    check(
        "binds",
        "Give a list of '/SOURCE', '/SOURCE:/TARGET' or '/SOURCE:/TARGET:ro', without ',' and ';'",
        is_right=binds is not None and all(map(BIND.fullmatch, binds)),
    )
    check(
        "flags",
        "Give a list of texts: no shell splits it",
        is_right=flags is not None and not any("\0" in one for one in flags),
    )
    return wrong


def container_to_json(container: object, programs: Sequence[str]) -> dict[str, object]:
    """The stored form of a problem's container.

    Raises:
        ProblemError: it is none, or a field holds what it cannot.
    """
    if not isinstance(container, Container):
        raise ProblemError(
            "problem", "container", f"is {container!r}", "Write Container(image=..., binds=[...])"
        )
    plain = asdict(container)
    wrong = container_errors(plain, programs)
    if not container.image:
        wrong.insert(0, ("image", "is empty", "Name the image"))
    for name, seen, remedy in wrong:
        raise ProblemError("problem", f"container.{name}", seen, remedy)
    return {**plain, "binds": list(container.binds), "flags": list(container.flags)}


def container_from_json(plain: Mapping[str, object]) -> Container:
    """The inverse of `container_to_json`; keys that this version does not know are an error.

    Raises:
        TypeError: an unknown or a missing key.
    """
    return Container(**dict(plain))  # type: ignore[arg-type]  # whoever registered it had it checked


def parsed_bind(text: str) -> Bind:
    """The bind of "SOURCE[:TARGET][:ro]", as `container_errors` accepts it."""
    found = BIND.fullmatch(text)
    assert found is not None, text
    return Bind(found[1], found[2] or found[1], found[3] == "ro")


def image_path(image: str, directory: str) -> str | None:
    """Where the image is, when it is a file or a folder; None for a name that a program has to know.

    A path has a slash at its beginning, or stands beside the problem file, or ends like an image.
    """
    if "://" in image or re.match(r"(docker|id|local):", image):
        return None
    path = PurePath(directory, image)
    is_path = image.startswith(("/", "./", "../")) or path.suffix in (".sif", ".simg", ".sqsh", ".squashfs")
    return str(path) if is_path else None


def _texts(value: object) -> list[str] | None:
    is_right = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    return list(value) if is_right else None  # type: ignore[call-overload]  # as checked
