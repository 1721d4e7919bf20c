"""The output of PBS's `qstat -f` converted into attributes and statuses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ambs_hpc.schedulers.times import duration_seconds, utc_seconds
from ambs_hpc.schedulers.values import AllocationState, AllocationStatus

Entry = Mapping[str, str]  # "job_state": "R", "Resource_List.nodect": "2"

_STATES = {
    "Q": AllocationState.QUEUED,
    "W": AllocationState.QUEUED,  # waits for its date
    "T": AllocationState.QUEUED,  # on its way between queues
    "H": AllocationState.HELD,
    "S": AllocationState.HELD,
    "U": AllocationState.HELD,
    "R": AllocationState.RUNNING,
    "B": AllocationState.RUNNING,  # an array that has begun
    "E": AllocationState.ENDING,
    "F": AllocationState.ENDED,
    "X": AllocationState.ENDED,
}  # "M", moved to another server, is alive there: UNKNOWN
_PRERUN = "41"  # substate of an R whose nodes are being prepared
_STARTED = {AllocationState.RUNNING, AllocationState.STARTING, AllocationState.ENDING}
_DELETED = re.compile(r"\band terminated(?: by \S+)?$")  # in the comment of an R or S until it has ended
_EXIT_WORDS = {
    -14: "a node was lost",
    -20: "its first node was lost",
    -29: "killed at the end of its walltime",
}  # JOB_EXEC_* of pbs_job.h, reference guide 2024.1 table 11-2
_SIGNALLED = 256  # exit status of a signal: 256 and its number
_NEVER_RAN = "ended without having run"
_EXCLUSIVE = {"excl", "exclhost"}  # words of `place`


def entries_of(text: str) -> dict[str, Entry]:
    """Attributes by id: `Job Id: 40.pbs`, indented `key = value`, a tab continues a value.

    A variable with a line break could look like an attribute: the first of a name counts, and the state
    precedes the variables.
    """
    entries: dict[str, dict[str, str]] = {}
    attributes: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if line.startswith("Job Id:"):
            attributes = entries.setdefault(line.partition(":")[2].strip(), {})
            key = ""
        elif line.startswith("\t"):
            if key in attributes:
                attributes[key] += line[1:]
        elif " = " in line:
            name, _, value = line.strip().partition(" = ")
            key = name if name not in attributes else ""
            attributes.setdefault(name, value)
    return {each: entry for each, entry in entries.items() if "job_state" in entry}


def sequence(scheduler_id: str) -> str:
    """The number of an id without the server: `40` of `40.pbs`, `43[]` of `43[].pbs.example.org`."""
    return scheduler_id.partition(".")[0]


def status_of(asked: str, entry: Entry) -> AllocationStatus:
    """The status under the id as it was asked."""
    own_state = entry.get("job_state", "?")
    state = _STATES.get(own_state, AllocationState.UNKNOWN)
    if own_state == "R" and entry.get("substate") == _PRERUN:
        state = AllocationState.STARTING
    if own_state in ("R", "S") and _DELETED.search(entry.get("comment", "")):
        state = AllocationState.ENDING  # it stays R in substate 42 until its processes have ended
    walltime = duration_seconds(entry.get("Resource_List.walltime", ""))
    started_at = utc_seconds(entry.get("stime", ""))
    ends_at = None if started_at is None or walltime is None else started_at + walltime
    if state is AllocationState.ENDED:
        ends_at = utc_seconds(entry.get("obittime", "")) or utc_seconds(entry.get("mtime", ""))
    nodes = entry.get("Resource_List.nodect", "")
    return AllocationStatus(
        scheduler_id=asked,
        state=state,
        own_state=own_state,
        name=entry.get("Job_Name", ""),
        queue=entry.get("queue", ""),
        nodes=int(nodes) if nodes.isdecimal() else None,
        walltime_seconds=walltime,
        started_at=started_at,
        ends_at=ends_at if state in _STARTED or state is AllocationState.ENDED else None,
        comment=_comment(state, entry),
        processors=processors_of(entry.get("exec_vnode", "")),
        expected_start_at=None if started_at else utc_seconds(entry.get("estimated.start_time", "")),
        is_exclusive=not _EXCLUSIVE.isdisjoint(entry.get("Resource_List.place", "").split(":")),
    )


def processors_of(exec_vnode: str) -> dict[str, int]:
    """The `ncpus` granted on each node, by its short name, from `(n1:ncpus=2)+(n2[0]:ncpus=1+n2[1]:ncpus=1)`.

    A node may hold several chunks and be divided into virtual nodes; a chunk without `ncpus` counts nothing.
    """
    processors: dict[str, int] = {}
    for part in filter(None, re.split(r"[()+]", exec_vnode)):
        name, *resources = part.split(":")
        node = name.partition("[")[0].partition(".")[0]
        for one in resources:
            key, _, value = one.partition("=")
            if key == "ncpus" and value.isdecimal():
                processors[node] = processors.get(node, 0) + int(value)
    return processors


def _comment(state: AllocationState, entry: Entry) -> str:
    """The scheduler's reason; for an ended one also its exit status, since F alone is no success."""
    parts = [entry.get("comment", "")]
    status = entry.get("Exit_status", "")
    if re.fullmatch(r"-?\d+", status):
        number = int(status)
        words = _EXIT_WORDS.get(number) or (f"signal {number - _SIGNALLED}" if number > _SIGNALLED else "")
        parts.append(f"exit status {number}" + (f" ({words})" if words else ""))
    elif state is AllocationState.ENDED:
        parts.append(_NEVER_RAN)
    return "; ".join(part for part in parts if part)
