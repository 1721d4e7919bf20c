"""The programs that start containers, by the name that a problem or a site gives.

A further one is one module with a pure function from a plan to words, and one entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ambs_hpc.problem.containers import apptainer, podman, shifter
from ambs_hpc.problem.containers.container import ContainerPlan

# Of the node, and wrong in an image: another interpreter's modules, libraries for another C library.
NODE_ONLY = ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "VIRTUAL_ENV")
# Options in the form of variables that would keep every variable out.
CLEANING = tuple(
    f"{program}_{option}"
    for program in ("APPTAINER", "SINGULARITY")
    for option in ("CLEANENV", "CONTAINALL", "COMPAT")
)


@dataclass(frozen=True, slots=True)
class ContainerProgram:
    """Programs that understand the same options.

    Args:
        arguments: the words that start a program in an image, from its own name on.
        hidden: variables that it must not see, because they would decide instead of our options.
        ends_with_command: what runs inside ends when the command is killed, however that happens.
    """

    arguments: Callable[[str, ContainerPlan], list[str]]
    hidden: tuple[str, ...] = ()
    ends_with_command: bool = True


PROGRAMS: Mapping[str, ContainerProgram] = {  # the first that is found is taken where none is named
    "apptainer": ContainerProgram(apptainer.arguments, CLEANING),
    "singularity": ContainerProgram(apptainer.arguments, CLEANING),
    "podman-hpc": ContainerProgram(podman.arguments, ends_with_command=False),
    "shifter": ContainerProgram(shifter.arguments, shifter.IMAGE_VARIABLES),
    "podman": ContainerProgram(podman.arguments, ends_with_command=False),
}
PROGRAM_NAMES: tuple[str, ...] = tuple(PROGRAMS)


def container_words(program: str, plan: ContainerPlan) -> list[str]:
    """The words to put before a program so that it runs in the image.

    The variables that belong to the node alone are removed before the container is entered: inside, the
    image may have its own under the same names.
    """
    kind = PROGRAMS[program]
    removed = [word for name in (*NODE_ONLY, *kind.hidden) for word in ("-u", name)]
    return ["env", *removed, *kind.arguments(program, plan)]
