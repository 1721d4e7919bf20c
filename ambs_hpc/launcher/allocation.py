"""The allocation around this launcher: which one it is, and when the scheduler will end it."""

from __future__ import annotations

import getpass
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.errors import AmbsError
from ambs_hpc.queue import get_allocation, reading
from ambs_hpc.schedulers import CouldNotAsk, end_of_walltime, scheduler
from ambs_hpc.sites.allocations import FOLDER

if TYPE_CHECKING:
    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

VARIABLE = "AMBS_ALLOCATION"  # set by the script: our id
MARGIN_SECONDS = 30.0  # the script is to end before the scheduler ends it


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a launcher runs.

    Args:
        allocation_id: ours.
        seconds_left: until the scheduler ends the allocation, less a margin.
    """

    allocation_id: int
    seconds_left: float


def surroundings(engine: Engine, environ: Mapping[str, str], now: float) -> Surroundings | None:
    """The allocation that a script of ours started us in; None when started by hand.

    The end is the scheduler's own word; when it cannot be asked, what was requested counts from now.

    Args:
        now: seconds since 1970 UTC.

    Raises:
        AmbsError: the script names an allocation that this database does not have.
    """
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    if not text.isdigit():
        raise AmbsError(f"{VARIABLE}={text!r} is not the number of an allocation. Was the script edited?")
    with reading(engine) as connection:
        one = get_allocation(connection, int(text))
    folder = Path(str(one.request["folder"]))
    its_scheduler = scheduler(one.scheduler, user=getpass.getuser(), folder=folder / FOLDER)
    here = its_scheduler.here(environ, lambda file: Path(file).read_text())
    ends_at = now + 60 * float(str(one.request["minutes"]))
    if here is not None:
        asked = end_of_walltime(its_scheduler, here, environ=environ)
        if isinstance(asked, CouldNotAsk):
            logger.warning("end of walltime not heard, taking what was asked for: %s", asked)
        else:
            ends_at = asked
    return Surroundings(one.id, ends_at - now - MARGIN_SECONDS)
