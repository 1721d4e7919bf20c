"""The command that starts a long-lived program on one granted node, for each launch command; pure."""

from __future__ import annotations

from collections.abc import Sequence

from ambs_hpc.errors import UsageError
from ambs_hpc.sites.profile import Site, core_numbers


def command_on_node(site: Site, node: str, processors: int) -> list[str]:
    """What to put before a program so that it runs on `node` with all of the node's processors.

    Args:
        node: as the scheduler names it; a number on a Cray under Cobalt.
        processors: hardware threads that the program may use.

    Raises:
        UsageError: the site has no launch command.
    """
    launch = site.launch
    if launch.command == "srun":
        own = ["--nodes=1", "--ntasks=1", f"--nodelist={node}", f"--cpus-per-task={processors}"]
        return ["srun", *own, "--overlap", "--cpu-bind=none", *_overlapping(launch.flags)]
    if launch.command == "mpiexec":
        return ["mpiexec", "-n", "1", "--ppn", "1", "--hosts", node, "--cpu-bind", "none", *launch.flags]
    if launch.command == "mpirun":
        return ["mpirun", "-n", "1", "-ppn", "1", "-hosts", node, *launch.flags]
    if launch.command == "aprun":
        return ["aprun", "-n", "1", "-N", "1", "-L", node, "-d", str(processors), *launch.flags]
    raise UsageError(f"{site.name} has no launch command, so only the script's own node can be used.")


def node_name(site: Site, node: str) -> str:
    """The host's name of a node that the scheduler names by a number."""
    return site.node_name % int(node) if site.node_name and node.isdigit() else node


def processors_per_node(site: Site) -> int:
    """Hardware threads of a node."""
    return site.node.cores * site.node.threads_per_core


def near_gpus(site: Site) -> dict[str, tuple[int, ...]]:
    """Cores next to each GPU, by the GPU's name."""
    names = site.node.names_of_gpus
    return {name: tuple(core_numbers(cores)) for name, cores in zip(names, site.node.gpu_cores, strict=False)}


def _overlapping(flags: Sequence[str]) -> list[str]:
    """A supervisor shares its node with steps of the evaluations, so it takes nothing for itself."""
    return [flag for flag in flags if flag != "--exact"]
