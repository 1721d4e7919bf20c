"""The limits of a search on a login node: few threads, low priority. Set them before numpy is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.cli.shared.terminal import echo
from ambs_hpc.threads import THREAD_VARIABLES

if TYPE_CHECKING:
    from ambs_hpc.sites import Site

THREADS = 4  # where the site does not say what a user may take
NICENESS = 10


def limit_on_login_node(folder: Path, environ: MutableMapping[str, str]) -> None:
    """Limit threads and priority where other users work: at a site with a batch system, outside allocations.

    A smaller number of threads that the user asked for is kept. Where login nodes are not for searches, that
    is told.

    Args:
        folder: the campaign folder, whose ambs.yml names the site.
        environ: the environment of this process; it is changed.

    Raises:
        SiteInvalid, NotFound: ambs.yml, or the site that it names, cannot be used.
    """
    if environ.get("AMBS_ALLOCATION"):
        return
    site = _site_with_login_nodes(folder)
    if site is None:
        return
    from ambs_hpc.sites.node_fit import login_warning

    if words := login_warning(site):
        echo(f"note: {site.name}: {words}", err=True)
    threads = min(THREADS, site.login_cores or THREADS)
    for name in THREAD_VARIABLES:
        environ[name] = str(min(threads, _wanted(environ, name)))
    os.nice(max(0, NICENESS - os.getpriority(os.PRIO_PROCESS, 0)))


def _site_with_login_nodes(folder: Path) -> Site | None:
    if not (folder / "ambs.yml").is_file():
        return None
    from ambs_hpc.schedulers import registered
    from ambs_hpc.sites import load_site, read_folder

    name = read_folder(folder).site
    if not name:
        return None
    site = load_site(name, folder)
    return site if registered(site.scheduler).is_batch_system else None


def _wanted(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "")
    return int(text) if text.isdigit() and int(text) > 0 else THREADS
