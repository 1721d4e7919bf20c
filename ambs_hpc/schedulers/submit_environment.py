"""Which variables a submission gets: what the request says is not to be overruled by a shell; pure.

It lies here because `commands`, which runs submissions, knows nothing above the schedulers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

# sbatch takes a variable before the script's own directive, and copies its environment into the allocation:
# what an allocation around us was given would stand beside, and in srun before, what the new one is given.
_SLURM = ("SBATCH_", "SALLOC_", "SRUN_", "SLURM_", "SLURMD_")
# They find the scheduler and prove who asks, or say how much of the shell goes along, which no request says.
_SLURM_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_JWT", "SLURM_SACK_", "SBATCH_EXPORT")
# qsub's own inputs, and the allocation around us. What else begins with PBS_ or COBALT_ finds the server.
_PBS = (
    *("PBS_ACCOUNT", "PBS_ARRAY", "PBS_DPREFIX", "PBS_ENVIRONMENT", "PBS_GPUFILE", "PBS_JOB", "PBS_MOMPORT"),
    *("PBS_NODEFILE", "PBS_NODENUM", "PBS_NP", "PBS_NUM_", "PBS_O_", "PBS_QUEUE", "PBS_TASKNUM"),
    *("PBS_VNODENUM", "PBS_WALLTIME", "QSUB_"),
)
_COBALT = (
    *("COBALT_ENDTIME", "COBALT_JOB", "COBALT_NODEFILE", "COBALT_PART", "COBALT_PROJECT", "COBALT_QUEUE"),
    *("COBALT_RESID", "COBALT_STARTTIME"),
)
_OF_PROGRAM: Mapping[str, Callable[[str], bool]] = {
    "sbatch": lambda name: name.startswith(_SLURM) and not name.startswith(_SLURM_KEPT),
    "qsub": lambda name: name.startswith(_PBS + _COBALT),
}


def overruling(program: str, environ: Mapping[str, str]) -> list[str]:
    """The variables by which a shell would overrule a request, in alphabetical order.

    Args:
        program: that submits; only `sbatch` and `qsub` take options from variables.
    """
    is_overruling = _OF_PROGRAM.get(program, lambda _: False)
    return sorted(filter(is_overruling, environ))


def submit_environment(program: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What a submission gets: the caller's variables, without those that would overrule the request."""
    hidden = set(overruling(program, environ))
    return {name: value for name, value in environ.items() if name not in hidden}
