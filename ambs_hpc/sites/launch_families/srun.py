"""Slurm's srun."""

from __future__ import annotations

from collections.abc import Sequence

from ambs_hpc.sites.launch_families.host_lists import naming_hosts, short_list
from ambs_hpc.sites.launch_families.ranks import Ranks
from ambs_hpc.sites.launch_families.run_child import FILE

PROGRAM = "srun"


def command(program: str, ranks: Ranks, flags: Sequence[str]) -> list[str]:
    """The words that start and bind these ranks.

    Steps overlap: our packing decides which cores belong to which rank, and supervisors share every node.
    Variables are exported explicitly: in an allocation that was submitted with an export of NONE, srun by
    default exports none of the script's.
    """
    masks = ",".join(hex(sum(1 << core for core in cores)) for cores in ranks.cores)
    count = [f"--nodes={len(ranks.nodes)}", f"--ntasks={ranks.total}", f"--ntasks-per-node={ranks.per_node}"]
    after = [
        f"--cpus-per-task={ranks.processors_per_rank}",
        "--export=ALL",
        "--overlap",
        f"--cpu-bind=mask_cpu:{masks}" if masks else "--cpu-bind=none",
        *(["--kill-on-bad-exit=1"] if ranks.stand_together else ["--kill-on-bad-exit=0", "--no-kill"]),
        *flags,
    ]
    hosts = [f"--nodelist={short_list(ranks.nodes)}"]
    # A list with a slash in it is the path of a file.
    return naming_hosts([program, *count], hosts, after, [f"--nodelist={FILE}"], ranks.nodes)
