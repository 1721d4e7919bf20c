"""Which environment variables a program of ours gets: decided here and nowhere else; pure.

Two neighbours hold what has to lie further down: `schedulers.submit_environment` what a submission gets, and
`supervisor.outer_launch` what a supervisor takes away, on its node, from what its evaluations get.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ambs_hpc.launcher.supervisor.outer_launch import without_outer_launch
from ambs_hpc.launcher.supervisor.probes.node_lock import VARIABLE as NODE_LOCK
from ambs_hpc.launcher.supervisor.process_tree import LAUNCHER_VARIABLE, TOKEN_VARIABLE
from ambs_hpc.threads import THREAD_VARIABLES

# One variable a vendor names the GPUs that a process may use.
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
SECRETS = ("AMBS_DB", "PGPASSWORD")
# Options of launch commands in the form of variables. Each would change where supervisors and ranks run, how
# long they live, or what stands between their messages; ours are on the command line. Options that describe
# the allocation itself (memory, GPUs, threads of a core) stay: the script's directives made them.
LAUNCH_OPTIONS = frozenset(
    {
        *("SLURM_BCAST", "SLURM_DIST_PLANESIZE", "SLURM_EXACT", "SLURM_EXCLUSIVE", "SLURM_HINT"),
        *("SLURM_IMMEDIATE", "SLURM_LABELIO", "SLURM_NO_KILL", "SLURM_OPEN_MODE", "SLURM_OVERCOMMIT"),
        *("SLURM_OVERLAP", "SLURM_REMOTE_CWD", "SLURM_SPREAD_JOB", "SLURM_STDERRMODE", "SLURM_STDINMODE"),
        *("SLURM_STDOUTMODE", "SLURM_THREADS", "SLURM_TIMELIMIT", "SLURM_UNBUFFEREDIO"),
        *("SLURM_USE_MIN_NODES", "SLURM_WAIT", "SLURM_WHOLE", "SLURM_WORKING_DIR"),
        *("HYDRA_BINDING", "HYDRA_ENV", "HYDRA_HOST_FILE", "HYDRA_MAPPING", "HYDRA_MEMBIND"),
        *("MPIEXEC_TIMEOUT", "HYDRA_PREPEND_PATTERN"),
    }
)


def launch_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a launch command, and on every node what it starts, gets of the launcher's variables.

    No GPUs of the whole node, no password, no options in the form of variables, and nothing of a launch
    command around the launcher itself.
    """
    hidden = {*GPU_VARIABLES, *SECRETS, *LAUNCH_OPTIONS}
    return {name: value for name, value in without_outer_launch(environ).items() if name not in hidden}


def supervisor_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """What a supervisor is started with, here or through a launch command: the same on all nodes.

    Args:
        threads: of numeric libraries, which read it when they are imported; 0 says nothing. Counts that a
            person has set win.
    """
    counts = dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {}
    return {**counts, **launch_environment(environ)}


def variables_of_supervisors(environ: Mapping[str, str]) -> list[str]:
    """The variables that a supervisor may be started with, by name: some launch commands pass no others."""
    return sorted(
        {*launch_environment(environ), *THREAD_VARIABLES, TOKEN_VARIABLE, LAUNCHER_VARIABLE, NODE_LOCK}
    )


def search_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """What a search gets that shares a node with evaluations."""
    return {**environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def attempt_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """What every attempt gets on top of its supervisor's variables; a thread count of the user's wins."""
    return {"OMP_NUM_THREADS": environ.get("OMP_NUM_THREADS", str(threads))}


def gpu_environment(variable: str | None, gpus: Sequence[str]) -> dict[str, str]:
    """Which GPUs an attempt sees, none for (); {} where the nodes have none and `variable` is None."""
    return {} if variable is None else {variable: ",".join(gpus)}


def variables_of_ranks(own: Collection[str], environ: Mapping[str, str]) -> list[str]:
    """The variables that ranks see, by name: some launch commands pass no others.

    Args:
        own: of their attempt.
        environ: the launcher's, with what the script has set up.
    """
    return sorted({*own, *launch_environment(environ)})
