"""Variables by which a launch command tells a process that it is one of its tasks, and their removal.

A supervisor may be such a task, an evaluation is none: an MPI library that finds them there takes it for a
rank and waits for, or dies of, a process manager that does not know it. Ranks get theirs from the launch
command that starts them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

# Beginnings of names. Of a name with several of these and of SETTINGS, the longest decides.
TASK = (
    *("PMI_", "PMI2_", "PMIX_", "PALS_", "HYDI_", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_"),
    *("OMPI_", "OMPI_MCA_PREFIXES", "OMPI_MCA_cpu_type", "OMPI_MCA_ess", "OMPI_MCA_initial_wdir"),
    *("OMPI_MCA_num_procs", "OMPI_MCA_orte_", "OMPI_MCA_pmix", "PRTE_", "ALPS_APP_"),
    *("JSM_NAMESPACE_", "FLUX_TASK_", "FLUX_JOB_SIZE", "FLUX_JOB_NNODES", "FLUX_KVS_NAMESPACE"),
    *("MPT_MPI_", "AMBS_RANK"),
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_GTIDS", "SLURM_TASK_PID", "SLURM_STEP"),
    # Counts and options of one step, which would decide about the steps that an evaluation starts.
    *("SLURM_NTASKS", "SLURM_NPROCS", "SLURM_TASKS_PER_NODE", "SLURM_NNODES", "SLURM_CPUS_PER_TASK"),
    *("SLURM_TRES_PER_TASK", "SLURM_CPU_BIND", "SLURM_MEM_BIND", "SLURM_GPU_BIND", "SLURM_DISTRIBUTION"),
    *("SLURM_KILL_BAD_EXIT", "SLURM_MPI_TYPE", "SLURM_PMI", "SLURM_UMASK", "SLURM_EXPORT_ENV"),
    *("SLURM_SRUN_COMM_", "SLURM_LAUNCH_NODE_IPADDR", "SLURM_JOB_CPUS_PER_NODE_PACK_GROUP", "SRUN_"),
)
# What people and site files set to tune or to permit; launch commands pass it on unchanged.
SETTINGS = (
    *("PMI_NO_FORK", "PMI_NO_PREINITIALIZE", "PMI_MMAP_SYNC_WAIT_TIME", "PMI_MAX_KVS_ENTRIES", "PMI_DEBUG"),
    *("PMIX_MCA_", "PMIX_INSTALL_PREFIX", "PRTE_MCA_", "PRTE_PREFIX", "PRTE_ALLOW_RUN_AS_ROOT"),
    *("OMPI_MCA_", "OMPI_MCA_orte_rsh_agent", "OMPI_ALLOW_RUN_AS_ROOT"),
)


def is_of_launch(name: str) -> bool:
    """Whether the variable describes a task of a launch command."""
    return _matched(name, TASK) > _matched(name, SETTINGS)


def without_outer_launch(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process that is no task of a launch command."""
    return {name: value for name, value in environ.items() if not is_of_launch(name)}


def leave_outer_launch() -> None:
    """Remove the variables from this process, for C libraries too, and so from all that it starts."""
    for name in [name for name in os.environ if is_of_launch(name)]:
        del os.environ[name]


def _matched(name: str, beginnings: tuple[str, ...]) -> int:
    """Length of the longest of the beginnings that the name has; 0 for none."""
    return max((len(one) for one in beginnings if name.startswith(one)), default=0)
