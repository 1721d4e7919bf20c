"""From the container that a problem and a site ask for to the words that start a program in it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ambs_hpc.errors import ContainerUnusable, nearest
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.paths import run_directory_of
from ambs_hpc.launcher.supervisor.function_main import unforked
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.problem.containers.container import (
    Bind,
    Container,
    ContainerPlan,
    container_from_json,
    image_path,
    parsed_bind,
)
from ambs_hpc.problem.containers.registry import PROGRAM_NAMES, PROGRAMS, container_words

PACKAGE = Path(__file__).parents[1]  # found under its own path inside, whatever the image has
# By which a vendor's GPUs are told, see `launcher.environment`.
VENDOR_OF_VARIABLE = {
    "CUDA_VISIBLE_DEVICES": "nvidia",
    "ROCR_VISIBLE_DEVICES": "amd",
    "HIP_VISIBLE_DEVICES": "amd",
}
NO_PROGRAM = (
    "None of {names} is on the PATH here, and the evaluations run in the image {image}. Load its "
    "module in `preamble` of ambs.yml or of the site, or before `ambs launch`; or name another program as "
    "`container.program`."
)
OUTLIVES = (
    "{program} cannot start {what}: when such a command is killed, its container lives on. Use apptainer, "
    "singularity or shifter for them."
)


class Containers:
    """Puts start requests into their containers; what many have in common is found out once.

    An evaluation of one node runs under a supervisor in the container, so that a module is imported once for
    many. Ranks, whose launch command is the node's, and commands whose image has no Python run in a container
    each, under a supervisor of the node.
    """

    def __init__(self, node_pool: NodePool, *, has_supervisors: bool = True) -> None:
        """`has_supervisors`: False where somebody else starts each evaluation."""
        self._node_pool, self._has_supervisors = node_pool, has_supervisors
        self._known: dict[tuple[str, str, str], tuple[Container, str, ContainerPlan]] = {}

    def entered(self, request: StartRequest) -> StartRequest:
        """The request in its container, or as it is where neither problem nor site names one.

        Raises:
            ContainerUnusable: the image or the program is not here, or cannot do what is asked.
        """
        if not request.container and not self._default.get("image"):
            return request
        container, program, plan = self._decided(request)
        if self._has_supervisors and container.python and not request.has_ranks:
            within = [*container_words(program, plan), container.python]
            return replace(request, container={}, within=within, arguments=_by(container, request))
        return self._alone(request, container, program, plan)

    def _alone(
        self, request: StartRequest, container: Container, program: str, plan: ContainerPlan
    ) -> StartRequest:
        """The request as a command that is a container of its own, started in the attempt's folder."""
        if request.function is not None:
            request = unforked(request)
        if request.reads_request and not container.python:
            raise ContainerUnusable(
                "The container has no Python (`python` is ''), and the objective is a Python function. Name "
                "the interpreter in the image, or write the objective as a Command."
            )
        if not PROGRAMS[program].ends_with_command:
            what = "MPI ranks" if request.has_ranks else "an evaluation by itself"
            raise ContainerUnusable(OUTLIVES.format(program=program, what=what))
        words = container_words(program, replace(plan, folder=request.folder))
        return replace(request, container={}, arguments=[*words, *(_by(container, request) or ())])

    @property
    def _default(self) -> Mapping[str, object]:
        return self._node_pool.container

    def _decided(self, request: StartRequest) -> tuple[Container, str, ContainerPlan]:
        run_directory = run_directory_of(request.folder)
        key = (json.dumps(request.container, sort_keys=True), request.problem_directory, run_directory)
        known = self._known.get(key)
        if known is None:
            container = merged(request.container, self._default)
            program = found_program(container)
            folder = _bound_for(run_directory)
            plan = plan_of(container, request.problem_directory, folder, self._vendor(container))
            known = container, program, plan
            if folder == run_directory:
                self._known[key] = known
        return known

    def _vendor(self, container: Container) -> str:
        if container.gpus:
            return container.gpus.replace("none", "")
        has_gpus = any(node.gpus for node in self._node_pool.nodes)
        return VENDOR_OF_VARIABLE.get(self._node_pool.gpu_variable, "") if has_gpus else ""


def _by(container: Container, request: StartRequest) -> list[str] | None:
    """The arguments; a function that is not forked is called by the image's interpreter, not by ours."""
    if request.arguments is None or not request.reads_request:
        return request.arguments
    return [container.python, *request.arguments[1:]]


def merged(own: Mapping[str, object], default: Mapping[str, object]) -> Container:
    """The problem's container with what the site adds; {} for none. The problem's words win.

    Binds add up. The site's flags are for the site's program, and its Python is in the site's image.

    Raises:
        ContainerUnusable: the stored value is none of this version.
    """
    try:
        wanted = container_from_json({"image": "", **own})
        site = container_from_json({"image": "", **default})
    except TypeError as error:
        raise ContainerUnusable(f"The stored container cannot be read: {error}") from error
    is_same_program = wanted.program in ("", site.program)
    return Container(
        image=wanted.image or site.image,
        binds=[*site.binds, *wanted.binds],
        program=wanted.program or site.program,
        gpus=wanted.gpus or site.gpus,
        flags=[*(site.flags if is_same_program else ()), *wanted.flags],
        python=wanted.python if wanted.image else site.python,
    )


def found_program(container: Container) -> str:
    """The name of the program that starts it: the one that is named, or the first on the PATH.

    Raises:
        ContainerUnusable: it is not there.
    """
    names = [container.program] if container.program else list(PROGRAM_NAMES)
    if unknown := [name for name in names if name not in PROGRAMS]:
        raise ContainerUnusable(f"container.program is {unknown[0]!r}. {nearest(unknown[0], PROGRAM_NAMES)}")
    for name in names:
        if shutil.which(name) is not None:
            return name
    raise ContainerUnusable(NO_PROGRAM.format(names=", ".join(names), image=container.image))


def plan_of(container: Container, problem_directory: str, run_directory: str, vendor: str) -> ContainerPlan:
    """What a program is to start, with the folders that evaluations need.

    Raises:
        ContainerUnusable: the image is a file or folder that is not there.
    """
    path = image_path(container.image, problem_directory)
    if path is not None and not _seems_there(path):
        raise ContainerUnusable(
            f"There is no image {path}. Build it there, or correct `image` of the container."
        )
    own = [*_folder(problem_directory), *_folder(run_directory), *_folder(str(PACKAGE), is_read_only=True)]
    binds = list(dict.fromkeys([*own, *map(parsed_bind, container.binds)]))
    return ContainerPlan(path or container.image, binds, vendor, container.flags)


def preview(
    own: Mapping[str, object], default: Mapping[str, object], problem_directory: str, run_directory: str
) -> tuple[str, str]:
    """(the command that enters the container, why it could not be given here); one of them is empty.

    GPUs of nodes are not known here: what brings their libraries in is added there.
    """
    try:
        container = merged(own, default)
        plan = plan_of(container, problem_directory, run_directory, container.gpus.replace("none", ""))
        words = container_words(found_program(container), plan)
    except ContainerUnusable as error:
        return "", str(error)
    hidden = 1 + 2 * words.count("-u")  # `env`, and what it removes
    return shlex.join([*words[hidden:], *filter(None, [container.python])]), ""


def _bound_for(run_directory: str) -> str:
    """The runs folder, made if need be, since what is bound has to be there.

    Where it cannot be made, the folder around it: the supervisor inside then finds out why, and tells.
    """
    try:
        Path(run_directory).mkdir(parents=True, exist_ok=True)
    except OSError:
        return run_directory if _seems_there(run_directory) else str(Path(run_directory).parent)
    return run_directory


def _seems_there(path: str) -> bool:
    """False only when the file system says so: one in trouble says nothing of what it has."""
    try:
        return Path(path).exists()
    except OSError:
        return True


def _folder(path: str, *, is_read_only: bool = False) -> Sequence[Bind]:
    """The folder under its own path; first where it really is, so that links to it lead somewhere inside."""
    paths = dict.fromkeys([os.path.realpath(path), path]) if path else {}
    return [Bind(one, one, is_read_only) for one in paths]
