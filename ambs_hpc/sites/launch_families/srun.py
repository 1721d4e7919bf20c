"""Slurm's srun."""

from __future__ import annotations

from ambs_hpc.sites.launch_families.ranks import Ranks


def arguments(ranks: Ranks) -> list[str]:
    """The options that start and bind these ranks.

    Steps overlap: our packing decides which cores belong to which rank, and supervisors share every node.
    Variables are exported explicitly: in an allocation that was submitted with an export of NONE, srun by
    default exports none of the script's.
    """
    masks = ",".join(hex(sum(1 << core for core in cores)) for cores in ranks.cores)
    return [
        f"--nodes={len(ranks.nodes)}",
        f"--ntasks={ranks.total}",
        f"--ntasks-per-node={ranks.per_node}",
        f"--nodelist={','.join(ranks.nodes)}",
        f"--cpus-per-task={ranks.processors_per_rank}",
        "--export=ALL",
        "--overlap",
        f"--cpu-bind=mask_cpu:{masks}" if masks else "--cpu-bind=none",
        *(["--kill-on-bad-exit=1"] if ranks.stand_together else ["--kill-on-bad-exit=0", "--no-kill"]),
    ]
