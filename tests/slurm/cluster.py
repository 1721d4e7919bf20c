"""A real Slurm of several pretended nodes on this machine, for as long as the tests run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
NODES = 4
CPUS = 2
JOB_AGE_SECONDS = 5  # how long Slurm remembers what has ended

_running: list[Path] = []


@cache
def slurm_cluster() -> dict[str, str]:
    """The environment in which Slurm's commands speak to this session's cluster, started at the first use.

    Its nodes n1 to n4 have host names of their own and one network.
    """
    folder = Path(tempfile.mkdtemp(prefix="ambs-slurm-"))
    folder.chmod(0o755)
    _running.append(folder)
    options = ["--nodes", str(NODES), "--cpus", str(CPUS), "--gpus", "0", "--isolate", "uts"]
    options += ["--job-age", str(JOB_AGE_SECONDS), "--no-install"]
    done = subprocess.run([HERE / "up.sh", folder, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"Slurm did not start (Debian: slurm-wlm, munge): {done.stdout}{done.stderr}"
    return {"SLURM_CONF": str(folder / "etc" / "slurm.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def controller_pid() -> int:
    """Of the running cluster's slurmctld."""
    return int((_running[-1] / "run" / "slurmctld.pid").read_text())


def stop_cluster() -> None:
    """End what `slurm_cluster` started."""
    while _running:
        folder = _running.pop()
        subprocess.run([HERE / "down.sh", folder, "--purge"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
    slurm_cluster.cache_clear()


def is_installed() -> bool:
    """Whether Debian's packages are there."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return all(shutil.which(program, path=path) for program in ("slurmctld", "slurmd", "munged", "sbatch"))
