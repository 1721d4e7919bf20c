"""A search gives way on a login node: few threads, low priority. Call it before numpy is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
THREADS = 4  # where the site does not say what a user may take
NICENESS = 10


def limit_on_login_node(folder: Path, environ: MutableMapping[str, str]) -> None:
    """Where the folder's site has a scheduler and no allocation is around us, others work here too.

    Threads that the user asked for are kept when they are fewer.

    Args:
        folder: of the campaign, whose ambs.yml names the site.
        environ: of this process; it is changed.

    Raises:
        SiteInvalid, NotFound: ambs.yml, or the site that it names.
    """
    if environ.get("AMBS_ALLOCATION"):
        return
    threads = _login_threads(folder)
    if threads is None:
        return
    for name in THREAD_VARIABLES:
        environ[name] = str(min(threads, _wanted(environ, name)))
    os.nice(max(0, NICENESS - os.getpriority(os.PRIO_PROCESS, 0)))


def _login_threads(folder: Path) -> int | None:
    if not (folder / "ambs.yml").is_file():
        return None
    from ambs_hpc.sites import load_site, read_folder

    name = read_folder(folder).site
    if not name:
        return None
    site = load_site(name, folder)
    if site.scheduler == "local":
        return None
    return min(THREADS, site.login_cores or THREADS)


def _wanted(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "")
    return int(text) if text.isdigit() and int(text) > 0 else THREADS
