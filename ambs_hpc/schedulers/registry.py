"""Schedulers by the name that a site gives."""

from __future__ import annotations

from pathlib import Path

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.schedulers.balsam.scheduler import Balsam
from ambs_hpc.schedulers.cobalt import Cobalt
from ambs_hpc.schedulers.local.scheduler import Local
from ambs_hpc.schedulers.pbs.scheduler import Pbs
from ambs_hpc.schedulers.protocol import Scheduler
from ambs_hpc.schedulers.slurm import Slurm

SCHEDULERS = ("cobalt", "local", "pbs", "slurm")


def scheduler(name: str, *, user: str, folder: Path) -> Scheduler:
    """The scheduler that a site names.

    Args:
        user: whose allocations are searched; the account's own name.
        folder: where `local` keeps what it knows; the others do not use it.

    Raises:
        UsageError: no such scheduler.
    """
    if name == "balsam":  # of no site of ours: through Balsam's own
        return Balsam()
    if name == "cobalt":
        return Cobalt(user)
    if name == "pbs":
        return Pbs(user)
    if name == "slurm":
        return Slurm(user)
    if name == "local":
        return Local(folder)
    raise UsageError(f"scheduler {name!r} is not known. {nearest(name, SCHEDULERS)}")
