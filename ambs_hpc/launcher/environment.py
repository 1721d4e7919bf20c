"""Which environment variables a program of ours gets: decided here and nowhere else; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ambs_hpc.threads import THREAD_VARIABLES

# One variable a vendor names the GPUs that a process may use.
GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
SECRETS = ("AMBS_DB", "PGPASSWORD")
# Where programs and libraries are: launch commands that pass no environment must pass these.
PLACES = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "HOME", "VIRTUAL_ENV", "CONDA_PREFIX")


def inherited_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The launcher's variables that what it starts may see: no GPUs of the whole node, no password."""
    hidden = {*GPU_VARIABLES, *SECRETS}
    return {name: value for name, value in environ.items() if name not in hidden}


def supervisor_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """What a supervisor is started with.

    Args:
        threads: of numeric libraries, which read it when they are imported; 0 says nothing. Counts that a
            person has set win.
    """
    counts = dict.fromkeys(THREAD_VARIABLES, str(threads)) if threads else {}
    return {**counts, **inherited_environment(environ)}


def search_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """What a search gets that shares a node with evaluations."""
    return {**environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def attempt_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """What every attempt gets on top of its supervisor's variables; a thread count of the user's wins."""
    return {"OMP_NUM_THREADS": environ.get("OMP_NUM_THREADS", str(threads))}


def gpu_environment(variable: str | None, gpus: Sequence[str]) -> dict[str, str]:
    """Which GPUs an attempt sees, none for (); {} where the nodes have none and `variable` is None."""
    return {} if variable is None else {variable: ",".join(gpus)}


def forwarded_variables(names: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The variables that a launch command has to pass to other nodes: these, and where programs are."""
    return [*names, *(name for name in PLACES if name in environ)]
