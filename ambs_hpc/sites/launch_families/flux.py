"""Flux: `flux exec` for supervisors and `flux run` for ranks, in an instance that spans the allocation.

The script has to start the instance, with the launcher as its initial program:
`srun --nodes=8 --ntasks=8 --mpi=none flux start ambs launch ...`.

Source: flux-core 0.88, the manual pages of flux-exec, flux-run, flux-shell and flux-hostlist.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from ambs_hpc.sites.launch_families.host_lists import short_list
from ambs_hpc.sites.launch_families.ranks import Ranks
from ambs_hpc.sites.launch_families.run_child import words_to_run

PROGRAM = "flux"
# Brokers are numbered in the order of the instance's list of hosts.
_EXEC = """
found=$("$0" hostlist --find="$1" instance) || exit
shift
exec "$0" exec --rank="$(echo $found | tr ' ' ,)" "$@"
"""
# `flux run` leaves its ranks alone when it is terminated, and cancels them at the second of two interrupts.
_CANCEL = (signal.SIGINT, signal.SIGINT)


def command(program: str, ranks: Ranks, flags: Sequence[str]) -> list[str]:
    """The words that start and bind these ranks; `flags` are options of `flux run`.

    Supervisors bypass Flux's own scheduling: one that was counted would leave no cores for ranks beside it.
    """
    if ranks.is_service:
        return ["sh", "-c", _EXEC, program, short_list(ranks.nodes)]
    return words_to_run([program, *_run_options(ranks), *flags], _CANCEL)


def _run_options(ranks: Ranks) -> list[str]:
    """Our packing has chosen the cores and GPUs, so Flux is told to bind to these and to hide none."""
    maps = ";".join(",".join(map(str, cores)) for cores in ranks.cores)
    return [
        "run",
        f"--nodes={len(ranks.nodes)}",
        f"--ntasks={ranks.total}",
        f"--cores-per-task={ranks.processors_per_rank}",
        f"--requires=hosts:{short_list(ranks.nodes)}",
        f"--setopt=cpu-affinity={f'map:{maps}' if maps else 'off'}",
        "--setopt=gpu-affinity=off",
        "--setopt=exit-on-error" if ranks.stand_together else "--setopt=exit-timeout=none",
    ]
