"""One evaluation of a function in a fresh interpreter: where it cannot be forked, and as an MPI rank."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ambs_hpc.launcher.supervisor import outcome
from ambs_hpc.launcher.supervisor.fork_server import load_function
from ambs_hpc.launcher.supervisor.messages import StartRequest, from_json
from ambs_hpc.launcher.supervisor.random_seed import load_generators
from ambs_hpc.launcher.supervisor.spawn import REQUEST

# Of Slurm, PMI (MPICH), PALS, Open MPI and ALPS.
RANK_VARIABLES = ("SLURM_PROCID", "PMI_RANK", "PALS_RANKID", "OMPI_COMM_WORLD_RANK", "ALPS_APP_PE")


def main(arguments: list[str]) -> int:
    """Run as `python -m (this module) MODULE:FUNCTION DIRECTORY` in the attempt's folder."""
    request = replace(from_json(StartRequest, Path(REQUEST).read_text()), folder=str(Path.cwd()))
    started_at = time.time()
    function = load_function(arguments[0], arguments[1])
    load_generators()
    if request.has_ranks and not is_first_rank(os.environ):
        function(dict(request.configuration))  # what the first one returns is the result
        return 0
    return outcome.run_function(request, function, started_at)


def is_first_rank(environ: Mapping[str, str]) -> bool:
    """Whether this is the first rank, or no rank of a launch command at all."""
    return all(environ.get(name, "0") == "0" for name in RANK_VARIABLES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
