"""Checks of texts in scripts: those that a scheduler would cut, replace or misread are rejected.

Measured: one stray word behind a #COBALT directive loses every later directive and the command line's queue,
without an error. Slurm replaces % in output paths, Cobalt $, and PBS reads what is before a colon as a host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ambs_hpc.schedulers import registered

NAME = re.compile(r"[\w.,+@-]+\Z")  # of a project, queue or file system; Slurm accepts lists of partitions
PATH = re.compile(r"[\w./,+@=~-]+\Z")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# A leading variable is expanded where the script runs; everything else is quoted.
LEADING_VARIABLE = re.compile(r"\$[\w{][\w./,+@=:~${}-]*\Z")
PATH_BEHIND = re.compile(r":(\$\{?[A-Za-z_]\w*\}?)")  # as in /opt/bin:$PATH
ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(=[^=\s:#]+)?\Z")  # key=value, or key
CLUSTERS = re.compile(r"(-M|--clusters?)([\s=\w]|\Z)")  # of Slurm
ARRAY = re.compile(r"(-J|-a|--array)([\s=\d]|\Z)")
ARRAY_OF_LSF = re.compile(r"-J([\s=\d]|\Z)")  # its -a names a program that looks at the submission
SECRET_VARIABLE = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY)\Z", re.IGNORECASE)
SECRET_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def wrong_name(what: str, text: str) -> str | None:
    """Why `text` cannot be the name of a project, queue or file system; empty text may be."""
    if not text or NAME.match(text):
        return None
    return f"{what} {text!r}: give a name without blanks or special characters."


def wrong_path(what: str, text: str) -> str | None:
    """Why a scheduler would change the path `text`."""
    if PATH.match(text):
        return None
    if re.search(r"\s", text):
        return f"{what} {text}: schedulers lose paths with blanks. Move the campaign to one without."
    odd = "".join(sorted({letter for letter in text if not PATH.match(letter)}))
    return (
        f"{what} {text}: schedulers replace or cut paths with {odd}. Move the campaign to one of letters, "
        "digits and . _ - + = , @ ~"
    )


def wrong_directive(scheduler: str, text: str) -> str | None:
    """Why `text` cannot be a directive of its own line, or an attribute where the scheduler has them."""
    if registered(scheduler).has_attributes:
        return None if ATTRIBUTE.match(text) else f"{text!r}: write an attribute as key=value or key"
    if not text.startswith("-") or "\n" in text:
        return f"{text!r}: write one option of the submit command, as --constraint=gpu"
    if re.search(r"\s#", text):
        return f"{text!r}: no remark may follow a directive"
    if (ARRAY_OF_LSF if scheduler == "lsf" else ARRAY).match(text):
        return f"{text!r}: an allocation is never an array; `ambs submit --chain K` asks for several"
    if scheduler == "slurm" and CLUSTERS.match(text):
        return (
            f"{text!r}: squeue and scancel would ask another cluster, and not find it. Set SLURM_CLUSTERS "
            "wherever you call `ambs`, which all of Slurm's commands obey"
        )
    return None


def wrong_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(variable, why a script cannot export it) for each such variable."""
    for name, value in environment.items():
        if not VARIABLE.match(name):
            yield name, f"{name!r}: a variable has letters, digits and underscores"
        elif SECRET_VARIABLE.search(name) or SECRET_URL.search(value):
            yield name, f"{name}: no secret may stand in a script. Keep it in a file that only you can read"
        elif not LEADING_VARIABLE.match(value) and (found := PATH_BEHIND.search(value)):
            yield (
                name,
                f"{value!r}: only a variable at the beginning is expanded, {found[1]} would stay as it is. "
                f'Write a line of `preamble`: export {name}="{value}"',
            )


def holds_secret(lines: Sequence[str]) -> str | None:
    """The first line that has a password in a URL, without that password; None when there is none."""
    for line in lines:
        if SECRET_URL.search(line):
            return SECRET_URL.sub("://...@", line)
    return None
