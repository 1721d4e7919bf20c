"""The mpiexec_mpt of HPE's (before: SGI's) Message Passing Toolkit, under PBS.

It takes its hosts from the node file of PBS, so it gets one of its own. It ends all copies when one fails,
and has no option against that; ranks are not bound, since it can bind each to one processor only.

Source: HPE MPT, the manual pages mpiexec_mpt(1) and mpi(1); user guides of Cheyenne and Cirrus.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from ambs_hpc.sites.launch_families.ranks import Ranks
from ambs_hpc.sites.launch_families.run_child import FILE, words_to_run

PROGRAM = "mpiexec_mpt"


def command(program: str, ranks: Ranks, flags: Sequence[str]) -> list[str]:
    """The words that start these ranks; every host stands in the node file once for each of its ranks."""
    settings = [f"PBS_NODEFILE={FILE}", "MPI_DSM_OFF=1", "MPI_UNBUFFERED_STDIO=true"]
    count = ["-n", str(ranks.total), "-ppn", str(ranks.per_node)]
    lines = [node for node in ranks.nodes for _ in range(ranks.per_node)]
    return words_to_run(["env", *settings, program, *count, *flags], (signal.SIGTERM,), lines)
