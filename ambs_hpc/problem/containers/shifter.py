"""Shifter: an image that the site's gateway has pulled, among the file systems that the site mounts.

It passes the variables of the node on, shares the node's processes and becomes the program that it starts. It
mounts nothing below /etc and /var of an image.
Source: the manual of the `shifter` command, and its options and volume checks in version 18.03.
"""

from __future__ import annotations

from ambs_hpc.problem.containers.container import ContainerPlan

TYPES = ("docker:", "id:", "local:")
# Which image these name wins over the one that the command names.
IMAGE_VARIABLES = (
    *("SHIFTER", "SHIFTER_IMAGE", "SHIFTER_IMAGETYPE"),
    *("SLURM_SPANK_SHIFTER_IMAGE", "SLURM_SPANK_SHIFTER_IMAGETYPE"),
)


def arguments(program: str, plan: ContainerPlan) -> list[str]:
    """The words that start a program in the image; GPUs are a module that some sites have, see its flags."""
    image = plan.image.removeprefix("docker://")
    typed = image if image.startswith(TYPES) else f"docker:{image}"
    return [
        program,
        f"--image={typed}",
        *(f"--volume={bind}" for bind in plan.binds),
        *([f"--workdir={plan.folder}"] if plan.folder else []),
        *plan.flags,
        "--",
    ]
