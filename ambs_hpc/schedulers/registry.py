"""The schedulers by name, and the few facts about each on which other units depend.

A further scheduler is one module with its argument vectors and readers, one entry here, and one script
template, `job_templates/NAME.sh.j2`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.schedulers.balsam.scheduler import Balsam
from ambs_hpc.schedulers.cobalt import Cobalt
from ambs_hpc.schedulers.local.scheduler import Local
from ambs_hpc.schedulers.pbs.scheduler import Pbs
from ambs_hpc.schedulers.protocol import Scheduler
from ambs_hpc.schedulers.slurm import Slurm


@dataclass(frozen=True, slots=True)
class RegisteredScheduler:
    """The creation of a scheduler, and what the rest of the program has to know about it.

    Args:
        create: the scheduler for a user and for the folder of the campaign's allocations.
        is_batch_system: it grants nodes of a machine that others use too.
        has_attributes: it takes directives as attributes, "key=value", which one option joins.
        records_in_folder: its records are in the folder, so each folder is asked about separately.
        in_site_files: a site file may name it.
        script_suffix: suffix of the files that are submitted to it.
    """

    create: Callable[[str, Path], Scheduler]
    is_batch_system: bool = True
    has_attributes: bool = False
    records_in_folder: bool = False
    in_site_files: bool = True
    script_suffix: str = "sh"


REGISTRY: Mapping[str, RegisteredScheduler] = {
    "cobalt": RegisteredScheduler(lambda user, _: Cobalt(user), has_attributes=True),
    "pbs": RegisteredScheduler(lambda user, _: Pbs(user)),
    "slurm": RegisteredScheduler(lambda user, _: Slurm(user)),
    "local": RegisteredScheduler(
        lambda _, folder: Local(folder), is_batch_system=False, records_in_folder=True
    ),
    "balsam": RegisteredScheduler(lambda *_: Balsam(), in_site_files=False, script_suffix="json"),
}
SCHEDULERS: tuple[str, ...] = tuple(name for name, one in REGISTRY.items() if one.in_site_files)


def registered(name: str) -> RegisteredScheduler:
    """The entry of a scheduler.

    Raises:
        UsageError: there is no scheduler of that name.
    """
    if name not in REGISTRY:
        raise UsageError(f"scheduler {name!r} is not known. {nearest(name, SCHEDULERS)}")
    return REGISTRY[name]


def scheduler(name: str, *, user: str, folder: Path) -> Scheduler:
    """The scheduler that a site names.

    Args:
        user: name of the account whose allocations are searched.
        folder: where `local` keeps its records; the others do not use it.

    Raises:
        UsageError: there is no scheduler of that name.
    """
    return registered(name).create(user, folder)
