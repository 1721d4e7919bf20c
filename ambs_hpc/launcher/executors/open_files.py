"""The number of files that this process may open, where a launcher has a supervisor on each of many nodes."""

from __future__ import annotations

import logging
import resource
import shutil

logger = logging.getLogger(__name__)

FOR_A_SUPERVISOR = 3  # pipes of its launch command: what it hears, says, and says to people
FOR_OTHERS = 128  # database, logs, probes, and the pipes that exist while a process is started


def allow_supervisors(number: int) -> tuple[str, ...]:
    """Raise this process's limit of open files if so many supervisors need it.

    Some programs close every file that they could have open, which takes long when that is a million:
    evaluations get the limit that we were started with.

    Returns:
        The command that starts another one with the limit as it was; () where nothing was raised.
    """
    needed = FOR_A_SUPERVISOR * number + FOR_OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ()
    if hard != resource.RLIM_INFINITY and hard < needed:
        logger.warning("%d supervisors need %d open files, this machine allows %d", number, needed, hard)
    setter = shutil.which("prlimit")
    # The hard limit may be without end or a billion, and no more than this is ever used.
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return () if setter is None else (setter, f"--nofile={soft}:")
