"""The schedulers by name: every module of this folder, or `scheduler` module of a package in it, that states
its `REGISTERED`.

A further scheduler is one such file with its argument vectors and readers, and one script template,
`job_templates/NAME.sh.j2`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.schedulers.protocol import RegisteredScheduler, Scheduler

_PACKAGE = __name__.rpartition(".")[0]


def found_schedulers(folders: Iterable[str], package: str = _PACKAGE) -> dict[str, RegisteredScheduler]:
    """The schedulers whose files are in some folders, by the name of the module or package.

    Args:
        folders: of the package.
        package: whose modules they are.
    """
    found: dict[str, RegisteredScheduler] = {}
    for one in pkgutil.iter_modules(folders):
        if f"{package}.{one.name}" == __name__:
            continue
        inner = ".scheduler" if one.ispkg else ""
        stated = getattr(importlib.import_module(f"{package}.{one.name}{inner}"), "REGISTERED", None)
        if isinstance(stated, RegisteredScheduler):
            found[one.name] = stated
    return dict(sorted(found.items()))


REGISTRY: Mapping[str, RegisteredScheduler] = found_schedulers([str(Path(__file__).parent)])
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
