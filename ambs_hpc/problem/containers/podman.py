"""Podman, and podman-hpc, which hands what follows `run` on to it.

With `--env-host` the variables of the node are passed on, and the image's own win. The network is the node's,
and so is /dev/shm, of which a container's own would have 64 MiB. Its processes are children of a monitor, not
of the command: who kills that with KILL leaves them running.
Source: podman-run(1) of version 4; the `run` command and the site modules of podman-hpc 1.1.
"""

from __future__ import annotations

from ambs_hpc.problem.containers.container import ContainerPlan

HPC = "podman-hpc"
# podman-hpc has a module of its own for GPUs; Podman finds NVIDIA's by the Container Device Interface.
NVIDIA = {HPC: ["--gpu"], "podman": ["--device=nvidia.com/gpu=all"]}
AMD = ["--device=/dev/kfd", "--device=/dev/dri", "--group-add=keep-groups"]


def arguments(program: str, plan: ContainerPlan) -> list[str]:
    """The words that start a program in the image."""
    gpus = {"nvidia": NVIDIA[program], "amd": AMD, "": []}[plan.vendor]
    return [
        *(program, "run", "--rm", "--interactive", "--env-host", "--network=host", "--ipc=host"),
        "--log-driver=none",  # what a supervisor says would be written to a disk of the node
        *gpus,
        *(f"--volume={bind}" for bind in plan.binds),
        *([f"--workdir={plan.folder}"] if plan.folder else []),
        "--entrypoint=",
        *plan.flags,
        plan.image,
    ]
