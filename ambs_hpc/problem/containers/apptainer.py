"""Apptainer, and Singularity from which it comes: same options.

Both pass the variables of the node on and let the image's own PATH and library path win; both share the
node's processes, standard streams and /dev, and start where they were started.
Source: the `exec` page of Apptainer's command reference, version 1.4.
"""

from __future__ import annotations

from ambs_hpc.problem.containers.container import ContainerPlan

VENDOR_FLAGS = {"nvidia": "--nv", "amd": "--rocm"}


def arguments(program: str, plan: ContainerPlan) -> list[str]:
    """The words that start a program in the image."""
    return [
        *(program, "exec"),
        *([VENDOR_FLAGS[plan.vendor]] if plan.vendor else []),
        *(word for bind in plan.binds for word in ("--bind", str(bind))),
        *(["--pwd", plan.folder] if plan.folder else []),
        *plan.flags,
        plan.image,
    ]
