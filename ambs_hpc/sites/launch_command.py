"""The command that starts programs on granted nodes, for each family of launch commands; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ambs_hpc.errors import UsageError
from ambs_hpc.sites.profile import Site, core_numbers

PROGRAMS = {"srun": "srun", "pals": "mpiexec", "hydra": "mpiexec", "openmpi": "mpirun", "aprun": "aprun"}


@dataclass(frozen=True, slots=True)
class Ranks:
    """Copies of a program, the same number on every node.

    Args:
        nodes: as the scheduler names them; numbers on a Cray under Cobalt.
        per_node: copies on each.
        cores: processors of each copy on a node, by local rank; empty leaves all to all.
        depth: processors that a copy may use, where `cores` is empty.
        stand_together: whether the death of one copy ends the others, as MPI programs need it.
        variables: names of those that the copies must see. All of them do, but for Open MPI.
    """

    nodes: Sequence[str]
    per_node: int = 1
    cores: Sequence[Sequence[int]] = ()
    depth: int = 1
    stand_together: bool = True
    variables: Collection[str] = ()

    @property
    def total(self) -> int:
        """Copies on all nodes."""
        return len(self.nodes) * self.per_node


def command_of_ranks(site: Site, ranks: Ranks) -> list[str]:
    """What to put before a program so that these copies of it run.

    Raises:
        UsageError: the site has no launch command.
    """
    family = site.launch.family
    if family == "none":
        raise UsageError(
            f"{site.name} has no launch command, so only the script's own node can be used, without MPI."
        )
    build = {"srun": _srun, "pals": _pals, "hydra": _hydra, "openmpi": _openmpi, "aprun": _aprun}[family]
    return [site.launch.program or PROGRAMS[family], *build(ranks), *site.launch.flags]


def command_on_node(site: Site, node: str, processors: int, variables: Collection[str] = ()) -> list[str]:
    """What to put before one long-lived program so that it runs on `node` with all of the node's processors.

    Args:
        node: as the scheduler names it.
        processors: hardware threads that the program may use.
        variables: names of those that it must see.

    Raises:
        UsageError: the site has no launch command.
    """
    return command_of_ranks(site, Ranks([node], depth=processors, variables=variables))


def command_on_nodes(
    site: Site, nodes: Sequence[str], processors: int, variables: Collection[str] = ()
) -> list[str]:
    """What to put before one long-lived program so that it runs once on each of `nodes`.

    The death of one, or of its node, leaves the others alone as far as the launch command can.

    Args:
        nodes: as the scheduler names them.
        processors: hardware threads that each may use.
        variables: names of those that it must see.

    Raises:
        UsageError: the site has no launch command.
    """
    ranks = Ranks(nodes, depth=processors, stand_together=False, variables=variables)
    return command_of_ranks(site, ranks)


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


def _srun(ranks: Ranks) -> list[str]:
    """Steps overlap: which cores are whose is our packing's business, and supervisors share every node."""
    masks = ",".join(hex(sum(1 << core for core in cores)) for cores in ranks.cores)
    return [
        f"--nodes={len(ranks.nodes)}",
        f"--ntasks={ranks.total}",
        f"--ntasks-per-node={ranks.per_node}",
        f"--nodelist={','.join(ranks.nodes)}",
        f"--cpus-per-task={_depth(ranks)}",
        "--overlap",
        f"--cpu-bind=mask_cpu:{masks}" if masks else "--cpu-bind=none",
        *(["--kill-on-bad-exit=1"] if ranks.stand_together else ["--kill-on-bad-exit=0", "--no-kill"]),
    ]


def _pals(ranks: Ranks) -> list[str]:
    lists = ":".join(",".join(map(str, cores)) for cores in ranks.cores)
    return [
        *("-n", str(ranks.total), "--ppn", str(ranks.per_node), "--hosts", ",".join(ranks.nodes)),
        *("--depth", str(_depth(ranks)), "--cpu-bind", f"list:{lists}" if lists else "none"),
        *([] if ranks.stand_together else ["--no-abort-on-failure"]),
    ]


def _hydra(ranks: Ranks) -> list[str]:
    lists = ",".join("+".join(map(str, cores)) for cores in ranks.cores)
    return [
        *("-n", str(ranks.total), "-ppn", str(ranks.per_node), "-hosts", ",".join(ranks.nodes)),
        *("-bind-to", f"user:{lists}" if lists else "none"),
        *([] if ranks.stand_together else ["-disable-auto-cleanup"]),
    ]


def _openmpi(ranks: Ranks) -> list[str]:
    """It passes no variables of its own accord, and cannot bind by lists of cores."""
    hosts = ",".join(f"{node}:{ranks.per_node}" for node in ranks.nodes)
    passed = [word for name in sorted(ranks.variables) for word in ("-x", name)]
    return [
        *("-n", str(ranks.total), "--host", hosts, "--map-by", f"ppr:{ranks.per_node}:node"),
        *("--bind-to", "none", *passed),
    ]


def _aprun(ranks: Ranks) -> list[str]:
    lists = ":".join(",".join(map(str, cores)) for cores in ranks.cores)
    return [
        *("-n", str(ranks.total), "-N", str(ranks.per_node), "-L", ",".join(ranks.nodes)),
        *("-d", str(_depth(ranks)), "-cc", lists or "none"),
    ]


def _depth(ranks: Ranks) -> int:
    return max((len(cores) for cores in ranks.cores), default=ranks.depth)
