"""Outputs of a real OpenPBS (`recorded/pbs_real`, of 2026, and `recorded/pbs`, of 23.06), by name.

Jobs that were recorded as JSON are printed as text, as qstat does; `test_pbs_recordings` compares both forms
of four jobs that were recorded in both.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ambs_hpc.schedulers import Completed

_RECORDED = Path(__file__).parent / "recorded"
_SESSION = re.compile(
    r"=== (?P<name>\w+)\n\$ (?P<command>.*)\n--- stdout\n(?P<stdout>(?:.*\n)*?)--- stderr\n"
    r"(?P<stderr>(?:.*\n)*?)rc=(?P<code>\d+)\n(?====|\Z)"
)
_WIDTH = 79


def sessions() -> dict[str, re.Match[str]]:
    """The recorded sessions of the newest OpenPBS by name: command, stdout, stderr, code."""
    texts = [file.read_text() for file in sorted((_RECORDED / "pbs_real").glob("*.txt"))]
    found = {one["name"]: one for text in texts for one in _SESSION.finditer(text)}
    assert len(found) == sum(text.count("\n$ ") for text in texts), "a session was not recognised"
    return found


def recorded(name: str) -> Completed:
    """What a command gave, JSON in its text form."""
    one = sessions()[name]
    return Completed(int(one["code"]), in_text(one["stdout"]), one["stderr"])


def in_text(stdout: str) -> str:
    """JSON of qstat in its text form; anything else as it is."""
    if not stdout.startswith("{"):
        return stdout
    jobs: dict[str, dict[str, Any]] = json.loads(stdout).get("Jobs", {})
    return "".join(f"Job Id: {key}\n{_attributes(job)}\n" for key, job in jobs.items())


def _attributes(job: dict[str, Any]) -> str:
    lines: list[str] = []
    for key, value in job.items():
        if key == "Variable_List":
            lines.append(
                "    Variable_List = " + ",\n\t".join(f"{name}={each}" for name, each in value.items())
            )
        elif isinstance(value, dict):
            lines += [f"    {key}.{name} = {each}" for name, each in value.items()]
        else:
            line = f"    {key} = {value}"
            lines.append("\n\t".join(line[at : at + _WIDTH] for at in range(0, len(line), _WIDTH)))
    return "\n".join(lines) + "\n"
