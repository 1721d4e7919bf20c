"""Which site this machine is, by the signs that profiles name: host names, environment, Slurm's cluster."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ambs_hpc.sites.profile import Site

NAME_SERVICE_SECONDS = 1.0  # a login node whose name service does not answer would make people wait
# Where clients of Slurm find its configuration, with and without a file of their own.
SLURM_FILES = ("/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf")
CLUSTER = re.compile(r"^\s*ClusterName\s*=\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Signs:
    """What a machine shows of itself.

    Args:
        hosts: names of this host, short and full.
        environment: environment variables.
        cluster: name of Slurm's cluster; empty without one.
    """

    hosts: tuple[str, ...]
    environment: Mapping[str, str]
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A site that this machine may be.

    Args:
        name: of the site.
        why: the sign that it was recognised by, as words for people.
        main: whether it is the one to take of several profiles of one machine.
    """

    name: str
    why: str
    main: bool


def recognised(sites: Iterable[Site], signs: Signs) -> list[Recognised]:
    """The sites that the signs fit, in their order."""
    found = ((site, next(_reasons(site, signs), None)) for site in sites)
    return [Recognised(site.name, why, site.recognised_by.main) for site, why in found if why is not None]


def chosen(candidates: Iterable[Recognised]) -> Recognised | None:
    """The one that is taken without asking; None where there is none, or several machines are possible."""
    main = [one for one in candidates if one.main]
    return main[0] if len(main) == 1 else None


def signs_of_this_machine(environ: Mapping[str, str] = os.environ) -> Signs:
    """Read from the system; what cannot be read is left out."""
    short = os.uname().nodename
    names = (short,) if "." in short else (short, _full_name())
    cluster = environ.get("SLURM_CLUSTER_NAME") or _cluster(environ.get("SLURM_CONF"))
    return Signs(tuple(dict.fromkeys(filter(None, names))), environ, cluster)


def _reasons(site: Site, signs: Signs) -> Iterator[str]:
    by = site.recognised_by
    for variable, pattern in by.environment.items():
        value = signs.environment.get(variable, "")
        if value and fnmatchcase(value, pattern):
            yield f"{variable} is {value}"
    if signs.cluster and signs.cluster in by.clusters:
        yield f"Slurm's cluster is {signs.cluster}"
    for host in signs.hosts:
        if any(fnmatchcase(host, pattern) for pattern in by.hosts):
            yield f"this host is {host}"


def _full_name() -> str:
    names: list[str] = []
    asking = threading.Thread(target=lambda: names.append(socket.getfqdn()), daemon=True)
    asking.start()
    asking.join(NAME_SERVICE_SECONDS)
    return names[0] if names else ""


def _cluster(own: str | None) -> str:
    for file in (own, *SLURM_FILES):
        try:
            text = Path(file).read_text(errors="replace") if file else ""
        except OSError:
            continue
        if found := CLUSTER.search(text):
            return found[1]
    return ""
