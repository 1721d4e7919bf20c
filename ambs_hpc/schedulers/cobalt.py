"""Cobalt's qsub, qstat and qdel: argument vectors and readers, after the behaviour of Cobalt 1.0.33."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ambs_hpc.errors import AllocationUnreadable, SubmissionRejected, SubmissionUnclear, UsageError
from ambs_hpc.schedulers.node_lists import expand_hosts, expand_numbers, unique_lines
from ambs_hpc.schedulers.protocol import ReadText, RegisteredScheduler
from ambs_hpc.schedulers.times import duration_seconds, utc_seconds
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

# The header differs from site to site, so it is always asked for; -l prints one field a line, which is
# the only form in which values may hold blanks.
_STATUS_HEADER = "JobID:JobName:State:Queue:Nodes:WallTime:StartTime:Score"
_STATES = {
    "queued": AllocationState.QUEUED,
    "starting": AllocationState.STARTING,
    "running": AllocationState.RUNNING,
    "killing": AllocationState.ENDING,
    "exiting": AllocationState.ENDING,
    "preempting": AllocationState.ENDING,
    "preempted": AllocationState.HELD,
    "user_hold": AllocationState.HELD,
    "admin_hold": AllocationState.HELD,
    "dep_hold": AllocationState.HELD,
    "dep_fail": AllocationState.HELD,
    "maxrun_hold": AllocationState.HELD,
    "done": AllocationState.ENDED,
}
_REASONS = {
    "dep_fail": "a dependency ended badly or is unknown; it stays until it is deleted",
    "maxrun_hold": "the queue's limit of running allocations per user is reached",
}
_STARTED = {AllocationState.STARTING, AllocationState.RUNNING, AllocationState.ENDING}
_LOG_ID = re.compile(r"^\s*Jobid: (\d+)", re.MULTILINE)
# What Python 2 says when the client's connection reports an error that it may then get over by itself.
_NOISE = re.compile(r'^No handlers could be found for logger "Proxy"\s*$\n?', re.MULTILINE)
_FAULT = re.compile(r"<Fault (\d+)")
_REFUSING_FAULT = re.compile(r"1\d{3}\Z")
# The client prints the server's traceback as one line in which line breaks are two characters.
_TRACEBACK = re.compile(
    r"-+ START TRACEBACK -+.*?Exception\s*:\s*(.*?)\s*(?:\\n|\n).*?-+ END TRACEBACK -+", re.DOTALL
)
_CHECKS = "in system.validate_job"  # precedes the submission


@dataclass(frozen=True, slots=True)
class Cobalt:
    """Cobalt as `user` sees it (Theta, Cooley)."""

    user: str
    name: str = "cobalt"

    def submit(self, request: SubmitRequest) -> SchedulerCommand[Submission]:
        """Name and log file are arguments, which override directives; a lost answer is found by them."""
        if re.search(r"\s", str(request.script)):
            raise UsageError(
                f"script {request.script}: Cobalt deletes blanks from a script's path and then does not "
                "find it. Choose a folder without blanks."
            )
        argv = ("qsub", "--jobname", request.name, "--debuglog", str(log_file(request)), str(request.script))
        return SchedulerCommand(
            argv, read_submission, directory=request.directory, inherits=True, may_repeat=True
        )

    def status(self, ids: Sequence[str]) -> SchedulerCommand[StatusAnswer]:
        """One `qstat` for all ids, with the fields named explicitly."""
        asked = at_least_one(ids)
        strange = [each for each in asked if not each.isdecimal()]
        if strange:  # qstat would take a word for the name of a queue and list that
            raise ValueError(f"Cobalt's ids are numbers, not {strange[0]!r}")
        argv = ("qstat", "-l", "--header", _STATUS_HEADER, *asked)
        return SchedulerCommand(argv, partial(read_status, asked=asked))

    def find(self, request: SubmitRequest) -> SchedulerCommand[tuple[str, ...]]:
        """Looks in qstat, and in the log file that qsub writes with the id: ended allocations leave qstat."""
        argv = ("qstat", "-u", self.user, "-l", "--header", "JobID:JobName:State")
        return SchedulerCommand(argv, partial(read_find, name=request.name), evidence=log_file(request))

    def cancel(self, ids: Sequence[str]) -> SchedulerCommand[CancelAnswer]:
        """One `qdel` for all ids."""
        asked = at_least_one(ids)
        return SchedulerCommand(("qdel", *asked), partial(read_cancel, asked=asked))

    def current_allocation(self, environ: Mapping[str, str], read_text: ReadText) -> CurrentAllocation | None:
        """Clusters name a node file; a Cray has node numbers in COBALT_PARTNAME and no file."""
        if "COBALT_JOBID" not in environ:
            return None
        ends_at = environ.get("COBALT_ENDTIME", "")
        try:
            nodes = _nodes(environ, read_text)
        except (OSError, ValueError) as error:
            raise AllocationUnreadable(
                f"nodes of Cobalt's allocation {environ['COBALT_JOBID']}: {error}"
            ) from error
        return CurrentAllocation(
            environ["COBALT_JOBID"], nodes, float(ends_at) if ends_at.isdecimal() else None
        )


def log_file(request: SubmitRequest) -> Path:
    """The file in which Cobalt logs the allocation; qsub itself writes its first lines, with the id."""
    return request.directory / f"{request.name}.cobaltlog"


def _nodes(environ: Mapping[str, str], read_text: ReadText) -> tuple[str, ...]:
    if environ.get("COBALT_NODEFILE"):
        nodes = unique_lines(read_text(environ["COBALT_NODEFILE"]))
        if not nodes:
            raise ValueError(f"{environ['COBALT_NODEFILE']} is empty")
        return nodes
    text = environ.get("COBALT_PARTNAME", "")
    if not text:
        raise ValueError("neither COBALT_NODEFILE nor COBALT_PARTNAME is set")
    return expand_numbers(text) if text[0].isdecimal() else expand_hosts(text)


def read_submission(completed: Completed) -> Submission | CouldNotAsk:
    """The leading integer of stdout; filters may write to stderr even when the submission succeeded.

    After an error of its connection the client submits again by itself, up to four times: an id that came
    with the connection's noise may be that of a second allocation of the same name.
    """
    words = told(completed)
    found = re.match(r"\s*(\d+)\b", completed.stdout)
    if completed.exit_code == 0 and found and not _NOISE.search(completed.stderr):
        return Submission(found[1])
    if completed.exit_code not in (1, 2):
        raise SubmissionUnclear("qsub", words)
    # Every failure is exit code 1 (2 for options): only the words tell a refusal from a dead server.
    fault = _FAULT.search(completed.stderr)
    if fault is not None and _REFUSING_FAULT.match(fault[1]):
        raise SubmissionRejected("qsub", words)
    if "Failed to connect to" in completed.stderr or (fault is not None and _CHECKS in completed.stderr):
        return CouldNotAsk("qsub", words)
    if fault is not None or "component error" in completed.stderr or "Proxy.py" in completed.stderr:
        raise SubmissionUnclear("qsub", words)  # taken or not: a fault of the transport says neither
    raise SubmissionRejected("qsub", words)


def told(completed: Completed) -> str:
    """The output for people: of a traceback the error alone, and without the noise of Python 2."""
    quiet = replace(completed, stderr=_NOISE.sub("", completed.stderr))
    return _TRACEBACK.sub(lambda found: found[1], quiet.words)


def read_status(completed: Completed, asked: Sequence[str]) -> StatusAnswer | CouldNotAsk:
    """Ended and unknown ids are left out of the output; if all are, exit code is 1 and there is no output."""
    if completed.exit_code == 1 and not completed.stdout.strip() and not completed.stderr.strip():
        return StatusAnswer({}, vanished=frozenset(asked))
    entries = _entries(completed.stdout)
    if completed.exit_code != 0 or not entries:
        return CouldNotAsk("qstat", told(completed))
    known = {each["JobID"]: _status(each) for each in entries if each["JobID"] in asked}
    return StatusAnswer(known, vanished=frozenset(asked) - known.keys())


def _entries(text: str) -> list[dict[str, str]]:
    """The entries of `qstat -l`: a line `JobID: 32`, then indented lines `Name : value`."""
    entries: list[dict[str, str]] = []
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if not colon:
            continue
        if line.startswith("JobID:"):
            entries.append({"JobID": value.strip()})
        elif entries and line.startswith("    "):
            entries[-1].setdefault(key.strip(), value.strip())
    return entries


def _status(entry: Mapping[str, str]) -> AllocationStatus:
    own_state = entry.get("State", "")
    state = _STATES.get(own_state, AllocationState.UNKNOWN)
    walltime = duration_seconds(entry.get("WallTime", ""))
    # The walltime counts from the script's start, a little later: this end is never too late.
    started_at = utc_seconds(entry.get("StartTime", "")) if state in _STARTED else None
    nodes = entry.get("Nodes", "")
    return AllocationStatus(
        scheduler_id=entry["JobID"],
        state=state,
        own_state=own_state,
        name=entry.get("JobName", ""),
        queue=entry.get("Queue", ""),
        nodes=int(nodes) if nodes.isdecimal() else None,
        walltime_seconds=walltime,
        started_at=started_at,
        ends_at=None if started_at is None or walltime is None else started_at + walltime,
        comment=_REASONS.get(own_state, ""),
    )


def read_find(completed: Completed, name: str) -> tuple[str, ...] | CouldNotAsk:
    """All ids of the name, which the client may have submitted several times; one is often in the log file.

    The log file alone is no answer: it has at most the id of which the client heard.
    """
    if completed.exit_code != 0:
        return CouldNotAsk("qstat", told(completed))
    found = {entry["JobID"] for entry in _entries(completed.stdout) if entry.get("JobName") == name}
    return tuple(sorted(found.union(_LOG_ID.findall(completed.evidence or "")), key=int))


def read_cancel(completed: Completed, asked: Sequence[str]) -> CancelAnswer | CouldNotAsk:
    """A success lists the id; unknown, ended and other users' allocations give exit code 0 and no output."""
    if completed.exit_code != 0:
        return CouldNotAsk("qdel", told(completed))
    rows = {line.split()[0] for line in completed.stdout.splitlines() if line.strip()}
    accepted = frozenset(asked) & rows
    reason = "qdel did not list it: unknown, ended, or another user's"
    return CancelAnswer(accepted, {each: reason for each in asked if each not in accepted})


REGISTERED = RegisteredScheduler(lambda user, _: Cobalt(user), has_attributes=True, status_ends_early=True)
