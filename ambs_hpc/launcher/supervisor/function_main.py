"""One evaluation of a function in a fresh interpreter: where it cannot be forked, and as an MPI rank."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ambs_hpc.launcher.supervisor import outcome, standalone
from ambs_hpc.launcher.supervisor.fork_server import load_function
from ambs_hpc.launcher.supervisor.messages import StartRequest, from_json
from ambs_hpc.launcher.supervisor.random_seed import load_generators
from ambs_hpc.launcher.supervisor.spawn import REQUEST

# Of Slurm, PMI (MPICH), PALS, Open MPI, ALPS, jsrun, Flux, HPE's MPT, and our own over ssh.
RANK_VARIABLES = (
    *("SLURM_PROCID", "PMI_RANK", "PALS_RANKID", "OMPI_COMM_WORLD_RANK", "ALPS_APP_PE"),
    *("JSM_NAMESPACE_RANK", "FLUX_TASK_RANK", "MPT_MPI_RANK", "AMBS_RANK"),
)


def command(function: str, directory: str) -> list[str]:
    """The command that calls "module:function", of a module in `directory`, in an interpreter of its own."""
    # `python -m` would import from the attempt's folder first, where others may have put files; and the
    # interpreter of a container need not know this package.
    return [sys.executable, standalone.PROGRAM, "function_main", function, directory]


def unforked(request: StartRequest) -> StartRequest:
    """The request for a function that was to be forked, with a command that calls it instead."""
    assert request.function is not None
    arguments = command(request.function, request.module_directory)
    return replace(request, arguments=arguments, function=None, reads_request=True)


def main(arguments: list[str]) -> int:
    """Run as `command` says, in the attempt's folder."""
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
