"""LSF's bsub, bjobs and bkill: argument vectors and readers; after IBM's manual pages of LSF 10.1."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ambs_hpc.errors import AllocationUnreadable, SubmissionRejected, SubmissionUnclear
from ambs_hpc.schedulers.node_lists import unique_lines
from ambs_hpc.schedulers.protocol import ReadText, RegisteredScheduler
from ambs_hpc.schedulers.times import month_and_minute
from ambs_hpc.schedulers.values import (
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Completed,
    CouldNotAsk,
    CurrentAllocation,
    SchedulerCommand,
    StatusAnswer,
    Submission,
    SubmitRequest,
    at_least_one,
)

# bsub obeys directives of a script that comes on its standard input; of one that is named it obeys them on
# some clusters only. The variables would silence the answer, send it to stderr, or wait for the end.
_SUBMIT = 'unset BSUB_QUIET BSUB_QUIET2 BSUB_STDERR BSUB_BLOCK; script=$1; shift; exec bsub "$@" < "$script"'
# The name is last: it alone may hold the delimiter.
_FIELDS = (
    *("jobid", "stat", "queue", "nexec_host", "nreq_slot", "start_time", "run_time", "finish_time"),
    *("runtimelimit", "exit_code", "pend_reason", "exit_reason", "job_name"),
)
_LIST = ("bjobs", "-a", "-noheader", "-o", f"{' '.join(_FIELDS)} delimiter='|'")
_STATES = {
    "PEND": AllocationState.QUEUED,
    "FWD_PEND": AllocationState.QUEUED,
    "WAIT": AllocationState.QUEUED,
    "PSUSP": AllocationState.HELD,
    "PROV": AllocationState.STARTING,
    "RUN": AllocationState.RUNNING,
    "USUSP": AllocationState.HELD,
    "SSUSP": AllocationState.HELD,
    "DONE": AllocationState.ENDED,
    "EXIT": AllocationState.ENDED,
}
_WAITS_FOR_ANOTHER = "dependency condition"
_STARTED = re.compile(r"Job <(\d+)> is submitted to ")
_UNKNOWN = re.compile(r"Job <([^>]+)> is not found")
_NOTHING = ("is not found", "No job found", "No matching job found", "No unfinished job found")
_NOT_REACHED = (
    "LSF is down",
    "Cannot connect to LSF",
    "Connection refused",
    "Communication time out",
    "daemon not responding",
    "LIM is down",
)
_TAKEN = re.compile(r"Job <([^>]+)> is being (?:terminated|signaled)")
_NOT_TAKEN = re.compile(r"Job <([^>]+)>: (.*)")
_NOT_FOUND_PROGRAM = 127  # as the shell says it


@dataclass(frozen=True, slots=True)
class Lsf:
    """LSF as `user` sees it.

    Args:
        now: seconds since 1970 UTC; bjobs prints dates without their year.
    """

    user: str
    name: str = "lsf"
    now: Callable[[], float] = time.time

    def submit(self, request: SubmitRequest) -> SchedulerCommand[Submission]:
        """One `bsub` with the name and what it follows; everything else is in the script."""
        after = ("-w", f"ended({request.after})") if request.after else ()
        argv = ("sh", "-c", _SUBMIT, "bsub", str(request.script), "-J", request.name, *after)
        return SchedulerCommand(argv, read_submission, directory=request.directory, inherits=True)

    def status(self, ids: Sequence[str]) -> SchedulerCommand[StatusAnswer]:
        """One `bjobs` for all ids; ended ones are known for an hour, unless the site has chosen otherwise."""
        asked = at_least_one(ids)
        return SchedulerCommand((*_LIST, *asked), partial(read_status, asked=asked, now=self.now))

    def find(self, request: SubmitRequest) -> SchedulerCommand[tuple[str, ...]]:
        """One `bjobs` for the user and the name."""
        argv = (*_LIST, "-u", self.user, "-J", request.name)
        return SchedulerCommand(argv, partial(read_find, name=request.name))

    def cancel(self, ids: Sequence[str]) -> SchedulerCommand[CancelAnswer]:
        """One `bkill` for all ids: it sends INT and TERM, and KILL some seconds later."""
        asked = at_least_one(ids)
        return SchedulerCommand(("bkill", *asked), partial(read_cancel, asked=asked))

    def current_allocation(self, environ: Mapping[str, str], read_text: ReadText) -> CurrentAllocation | None:
        """The environment has no end of walltime.

        On machines where the script runs on a service node, that node stands first in all lists of hosts.
        """
        if "LSB_JOBID" not in environ:
            return None
        scheduler_id = environ["LSB_JOBID"]
        try:
            nodes = _nodes(environ, read_text)
        except (OSError, ValueError) as error:
            raise AllocationUnreadable(f"nodes of LSF's allocation {scheduler_id}: {error}") from error
        return CurrentAllocation(scheduler_id, nodes)


def _nodes(environ: Mapping[str, str], read_text: ReadText) -> tuple[str, ...]:
    """LSB_HOSTS has one word for each processor and is left out where that would be too long."""
    if environ.get("LSB_DJOB_HOSTFILE"):
        nodes = unique_lines(read_text(environ["LSB_DJOB_HOSTFILE"]))
    elif environ.get("LSB_MCPU_HOSTS"):
        nodes = tuple(dict.fromkeys(environ["LSB_MCPU_HOSTS"].split()[::2]))  # name, count, name, count
    else:
        nodes = tuple(dict.fromkeys(environ.get("LSB_HOSTS", "").split()))
    if not nodes:
        raise ValueError("neither LSB_DJOB_HOSTFILE nor LSB_MCPU_HOSTS nor LSB_HOSTS names any")
    return nodes


def read_submission(completed: Completed) -> Submission | CouldNotAsk:
    """The id in "Job <7> is submitted to queue <batch>."; a site's filter may print more around it."""
    found = _STARTED.search(completed.stdout) or _STARTED.search(completed.stderr)
    if completed.exit_code == 0 and found:
        return Submission(found[1])
    if completed.exit_code == _NOT_FOUND_PROGRAM:
        return CouldNotAsk("bsub", completed.words)
    if completed.exit_code is None or completed.exit_code <= 0 or found:
        raise SubmissionUnclear("bsub", completed.words)
    if any(words in completed.stderr for words in _NOT_REACHED):
        # "Job not submitted" closes all that bsub itself has given up.
        if "not submitted" in completed.stderr:
            return CouldNotAsk("bsub", completed.words)
        raise SubmissionUnclear("bsub", completed.words)
    raise SubmissionRejected("bsub", completed.words)


def read_status(
    completed: Completed, asked: Sequence[str], now: Callable[[], float]
) -> StatusAnswer | CouldNotAsk:
    """Known ids are on stdout; every other id has a line on stderr, and the exit code is then 255."""
    statuses = {one.scheduler_id: one for one in _statuses(completed.stdout, now())}
    vanished = frozenset(_UNKNOWN.findall(completed.stderr)) & frozenset(asked)
    if completed.exit_code is None or (completed.exit_code != 0 and not statuses and not vanished):
        return CouldNotAsk("bjobs", completed.words)
    known = {each: statuses[each] for each in asked if each in statuses}
    return StatusAnswer(known, vanished, frozenset(asked) - known.keys() - vanished)


def _statuses(text: str, now: float) -> list[AllocationStatus]:
    rows = [line.split("|", len(_FIELDS) - 1) for line in text.splitlines()]
    return [
        _status(dict(zip(_FIELDS, map(str.strip, row), strict=True)), now)
        for row in rows
        if len(row) == len(_FIELDS) and row[0].strip().isdecimal()
    ]


def _status(entry: Mapping[str, str], now: float) -> AllocationStatus:
    own_state = entry["stat"]
    state = _STATES.get(own_state, AllocationState.UNKNOWN)
    if state is AllocationState.QUEUED and _WAITS_FOR_ANOTHER in entry["pend_reason"]:
        state = AllocationState.HELD
    walltime = _limit_seconds(entry["runtimelimit"])
    started_at = None if entry["start_time"] == "-" else _started_at(entry, now)
    ended_at = month_and_minute(entry["finish_time"], now) if state.is_over else None
    planned = None if started_at is None or walltime is None else started_at + walltime
    code = entry["exit_code"]
    nodes = entry["nexec_host"]
    reason = entry["exit_reason"] if state.is_over else entry["pend_reason"]
    return AllocationStatus(
        scheduler_id=entry["jobid"],
        state=state,
        own_state=f"{own_state} {code}" if code not in ("-", "", "0") else own_state,
        name=entry["job_name"],
        queue=entry["queue"],
        nodes=int(nodes) if nodes.isdecimal() and int(nodes) else None,
        walltime_seconds=walltime,
        started_at=started_at,
        ends_at=ended_at if state.is_over else planned,
        comment="" if reason == "-" else reason,
    )


def _limit_seconds(text: str) -> int | None:
    """Seconds of "120.0" or "120.0/host": minutes, of a host of that speed."""
    found = re.match(r"(\d+(?:\.\d+)?)", text)
    return round(60 * float(found[1])) if found else None


def _started_at(entry: Mapping[str, str], now: float) -> float | None:
    """The start in its minute, which is all that bjobs prints, to the second by the time that it has run."""
    minute = month_and_minute(entry["start_time"], now)
    ran = re.match(r"(\d+) second", entry["run_time"])
    if minute is None or ran is None or entry["stat"] != "RUN":
        return minute
    return min(max(minute, now - int(ran[1])), minute + 60.0)


def read_find(completed: Completed, name: str) -> tuple[str, ...] | CouldNotAsk:
    """The ids of allocations with exactly this name."""
    found = [one.scheduler_id for one in _statuses(completed.stdout, 0.0) if one.name == name]
    is_nothing = any(words in completed.stderr for words in _NOTHING)
    if completed.exit_code is None or (completed.exit_code != 0 and not found and not is_nothing):
        return CouldNotAsk("bjobs", completed.words)
    return tuple(sorted(found, key=int))


def read_cancel(completed: Completed, asked: Sequence[str]) -> CancelAnswer | CouldNotAsk:
    """Every id has a line of its own."""
    accepted = frozenset(_TAKEN.findall(completed.stdout + completed.stderr)) & frozenset(asked)
    said = dict(_NOT_TAKEN.findall(completed.stderr + "\n" + completed.stdout))
    refused = {each: words.strip() for each, words in said.items() if each in asked and each not in accepted}
    if completed.exit_code is None or (not accepted and not refused):
        return CouldNotAsk("bkill", completed.words)
    return CancelAnswer(accepted, refused)


REGISTERED = RegisteredScheduler(lambda user, _: Lsf(user), can_wait=True, mail=("-u {address}", "-N"))
