"""Slurm's sbatch, squeue and scancel, and sacct where it is: argument vectors and readers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

from ambs_hpc.errors import AllocationUnreadable, SubmissionRejected, SubmissionUnclear
from ambs_hpc.held_parts import HeldPart
from ambs_hpc.schedulers.node_lists import expand_hosts
from ambs_hpc.schedulers.protocol import ReadText, RegisteredScheduler
from ambs_hpc.schedulers.times import duration_seconds, utc_seconds
from ambs_hpc.schedulers.values import (
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Charge,
    Completed,
    CouldNotAsk,
    CurrentAllocation,
    SchedulerCommand,
    StatusAnswer,
    Submission,
    SubmitRequest,
    at_least_one,
)

# Its JSON changes shape between releases, these fields do not. The name is last: it alone may hold a bar.
_FORMAT = "%i|%F|%K|%T|%r|%N|%D|%l|%S|%e|%P|%j"
_FIELDS, _CHARGE_FIELDS = 12, 6
_LIST = ("squeue", "--noheader", "--states=all", "--array", f"--format={_FORMAT}")

_QUEUED = {"PENDING", "REQUEUED", "REQUEUE_FED"}
_HELD = {"SUSPENDED", "STOPPED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
_RUNNING = {"RUNNING", "RESIZING", "SIGNALING"}  # the last for a moment, by any signal that somebody sends
_ENDING = {"COMPLETING", "STAGE_OUT"}
_ENDED = {
    "COMPLETED",
    "CANCELLED",
    "FAILED",
    "TIMEOUT",
    "NODE_FAIL",
    "BOOT_FAIL",
    "DEADLINE",
    "OUT_OF_MEMORY",
}
_ENDED |= {"PREEMPTED", "REVOKED"}
_STATES = {
    "CONFIGURING": AllocationState.STARTING,
    **dict.fromkeys(_QUEUED, AllocationState.QUEUED),
    **dict.fromkeys(_HELD, AllocationState.HELD),
    **dict.fromkeys(_RUNNING, AllocationState.RUNNING),
    **dict.fromkeys(_ENDING, AllocationState.ENDING),
    **dict.fromkeys(_ENDED, AllocationState.ENDED),
}
# Reasons of a PENDING one that waits for more than nodes; some are sentences: "launch failed requeued held".
_HOLD = re.compile(r"JobHeld|JobHold|Dependency|.*\b(requeued held|held state)\b")
# The liveliest element speaks for an array.
_LIVELINESS = (
    AllocationState.RUNNING,
    AllocationState.STARTING,
    AllocationState.ENDING,
    AllocationState.UNKNOWN,
    AllocationState.QUEUED,
    AllocationState.HELD,
    AllocationState.ENDED,
)
_NOT_DELIVERED = (
    "Unable to contact slurm controller (connect failure)",
    "Connection refused",
    "Unable to process configuration",
)
_MAYBE_DELIVERED = (
    "Unable to contact slurm controller",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Transport endpoint",
    "Unexpected message received",
    "Connection reset",
    "Message receive failure",
)
_PROCESSORS = re.compile(r"(\d{1,6})(?:\(x(\d{1,6})\))?\Z")
_QUEUES = "`sinfo -o '%P %l %D'` shows queues (partitions), their longest time and their nodes"
_ADVICE = (
    ("time limit is invalid", f"Ask for less by --time, or for another queue by --queue: {_QUEUES}."),
    ("invalid partition", f"Name another one by --queue: {_QUEUES}."),
    ("node count specification invalid", f"Ask for fewer nodes by --nodes, or for another queue: {_QUEUES}."),
    ("node configuration is not available", f"No node of this queue has that: {_QUEUES}."),
    (
        "invalid account",
        "Name your project by --project: `sacctmgr show associations user=$USER format=account,qos` lists "
        "yours.",
    ),
)
_UNKNOWN_ID = "Invalid job id specified"
_REFUSED_ID = re.compile(r"error: Kill job error on job id (\S+): (.*)")


@dataclass(frozen=True, slots=True)
class Slurm:
    """Slurm as `user` sees it."""

    user: str
    name: str = "slurm"

    def submit(self, request: SubmitRequest) -> SchedulerCommand[Submission]:
        """One `sbatch` with the name and what it follows; everything else is in the script."""
        after = (f"--dependency=afterany:{request.after}",) if request.after else ()
        argv = ("sbatch", "--parsable", f"--job-name={request.name}", *after, str(request.script))
        return SchedulerCommand(argv, read_submission, directory=request.directory, inherits=True)

    def status(self, ids: Sequence[str]) -> SchedulerCommand[StatusAnswer]:
        """One `squeue` for all ids; if it refuses one without naming it, one for all of the user's."""
        asked = at_least_one(ids)
        everything = SchedulerCommand(
            (*_LIST, f"--user={self.user}"), partial(read_status, asked=asked, instead=None)
        )
        reader = partial(read_status, asked=asked, instead=everything)
        return SchedulerCommand((*_LIST, f"--jobs={','.join(asked)}"), reader)

    def find(self, request: SubmitRequest) -> SchedulerCommand[tuple[str, ...]]:
        """One `squeue` for the user and the name."""
        argv = (*_LIST, f"--user={self.user}", f"--name={request.name}")
        return SchedulerCommand(argv, partial(read_find, name=request.name))

    def cancel(self, ids: Sequence[str]) -> SchedulerCommand[CancelAnswer]:
        """One `scancel` for all ids."""
        asked = at_least_one(ids)
        return SchedulerCommand(("scancel", *asked), partial(read_cancel, asked=asked))

    def current_allocation(self, environ: Mapping[str, str], read_text: ReadText) -> CurrentAllocation | None:
        """The environment contains the end of walltime since Slurm 23; before, only the status has it.

        What the allocation may use of each node is read too: less than the node has where cores are reserved,
        or where an allocation gets one hardware thread of a core unless it asks for more.
        """
        if "SLURM_JOB_ID" not in environ:
            return None
        text = environ.get("SLURM_JOB_NODELIST") or environ.get("SLURM_NODELIST", "")
        try:
            nodes = expand_hosts(text)
        except ValueError as error:
            raise AllocationUnreadable(
                f"nodes of Slurm's allocation {environ['SLURM_JOB_ID']}: {error}"
            ) from error
        if not nodes:
            raise AllocationUnreadable(
                f"Slurm's allocation {environ['SLURM_JOB_ID']}: SLURM_JOB_NODELIST is empty. "
                "Start the launcher from the batch script."
            )
        ends_at = environ.get("SLURM_JOB_END_TIME", "")
        return CurrentAllocation(
            environ["SLURM_JOB_ID"],
            nodes,
            float(ends_at) if ends_at.isdecimal() else None,
            _processors(environ.get("SLURM_JOB_CPUS_PER_NODE", ""), len(nodes)),
        )


def _processors(text: str, nodes: int) -> tuple[int, ...]:
    """The hardware threads on each node from "56(x2),112"; () when there is no such number for each node."""
    found = [_PROCESSORS.match(part) for part in text.split(",")]
    numbers = [int(one[1]) for one in found if one for _ in range(int(one[2] or 1))]
    return tuple(numbers) if all(found) and len(numbers) == nodes else ()


def read_submission(completed: Completed) -> Submission | CouldNotAsk:
    """The id; `--parsable` prints `ID` or `ID;CLUSTER`."""
    lines = completed.stdout.strip().splitlines()
    found = re.match(r"(\d+)(?:;\S+)?\Z", lines[-1]) if lines else None
    if completed.exit_code == 0 and found:
        return Submission(found[1])
    if completed.exit_code is None or completed.exit_code <= 0:
        raise SubmissionUnclear("sbatch", completed.words)
    if any(words in completed.stderr for words in _NOT_DELIVERED):
        return CouldNotAsk("sbatch", completed.words)
    if any(words in completed.stderr for words in _MAYBE_DELIVERED):
        raise SubmissionUnclear("sbatch", completed.words)
    advice = next((told for words, told in _ADVICE if words in completed.stderr.lower()), "")
    raise SubmissionRejected("sbatch", completed.words, advice)


def read_status(
    completed: Completed, asked: Sequence[str], instead: SchedulerCommand[StatusAnswer] | None
) -> StatusAnswer | CouldNotAsk | SchedulerCommand[StatusAnswer]:
    """Unknown ids are left out of the output; an unknown id alone is refused with exit code 1.

    Args:
        instead: the question to ask when the refusal does not name one of several ids.
    """
    if completed.exit_code == 1 and _UNKNOWN_ID in completed.stderr and instead is not None:
        return StatusAnswer({}, vanished=frozenset(asked)) if len(asked) == 1 else instead
    if completed.exit_code != 0:
        return CouldNotAsk("squeue", completed.words)
    statuses = _statuses(completed.stdout)
    known: dict[str, AllocationStatus] = {}
    for each in asked:
        mine = [status for keys, status in statuses if each in keys]
        if mine:
            known[each] = min(mine, key=lambda status: _LIVELINESS.index(status.state))
    return StatusAnswer(known, vanished=frozenset(asked) - known.keys())


def _statuses(text: str) -> list[tuple[tuple[str, str], AllocationStatus]]:
    """Each row with the ids that it answers: its own, and its array's."""
    rows = [line.split("|", _FIELDS - 1) for line in text.splitlines() if line.count("|") >= 9]
    return [
        ((row[0], row[1]), _status(row + [""] * (_FIELDS - len(row)))) for row in rows if row[1].isdecimal()
    ]


def _status(row: Sequence[str]) -> AllocationStatus:
    scheduler_id, _, _, own_state, reason, _, nodes, limit, start, end, partition, name = row
    state = _STATES.get(own_state, AllocationState.UNKNOWN)
    if state is AllocationState.QUEUED and _HOLD.match(reason.replace("_", " ")):
        state = AllocationState.HELD
    waits = state is AllocationState.QUEUED or own_state == "PENDING"  # its dates are then only expected
    return AllocationStatus(
        scheduler_id=scheduler_id,
        state=state,
        own_state=own_state,
        name=name,
        queue=partition,
        nodes=int(nodes) if nodes.isdecimal() else None,
        walltime_seconds=duration_seconds(limit),
        started_at=None if waits else utc_seconds(start),
        ends_at=None if waits else utc_seconds(end),
        comment="" if reason == "None" else reason,
        expected_start_at=utc_seconds(start) if waits else None,
    )


def read_find(completed: Completed, name: str) -> tuple[str, ...] | CouldNotAsk:
    """The ids of allocations with exactly this name, whatever squeue matched."""
    if completed.exit_code != 0:
        return CouldNotAsk("squeue", completed.words)
    found = [keys[1] for keys, status in _statuses(completed.stdout) if status.name == name]
    return tuple(sorted(set(found), key=int))


def read_cancel(completed: Completed, asked: Sequence[str]) -> CancelAnswer | CouldNotAsk:
    """All ids that no objection names are accepted; unknown ids are not reported."""
    refused = {found[1]: found[2].strip() for found in _REFUSED_ID.finditer(completed.stderr)}
    unheard = any(words in completed.stderr for words in (*_NOT_DELIVERED, *_MAYBE_DELIVERED))
    if unheard or (completed.exit_code != 0 and not refused):
        return CouldNotAsk("scancel", completed.words)
    return CancelAnswer(frozenset(asked) - refused.keys(), refused)


def charges(ids: Sequence[str]) -> SchedulerCommand[Mapping[str, Charge]]:
    """One `sacct` for all ids; many sites have no accounting, so nothing else needs it."""
    asked = at_least_one(ids)
    form = "--format=JobIDRaw,AllocNodes,ElapsedRaw,Start,End,NodeList"
    # Without --duplicates only the last run of one that was requeued is told.
    options = ("--noheader", "--parsable2", "--allocations", "--duplicates", form)
    return SchedulerCommand(("sacct", *options, f"--jobs={','.join(asked)}"), read_charges)


def read_charges(completed: Completed) -> Mapping[str, Charge] | CouldNotAsk:
    """Charges by id.

    One that was requeued has a row for each time that it ran, one that lost a node a row before and after.
    """
    if completed.exit_code != 0:
        return CouldNotAsk("sacct", completed.words)
    seconds: dict[str, float] = {}
    parts: dict[str, list[HeldPart]] = {}
    for line in completed.stdout.splitlines():
        fields = line.split("|")
        if len(fields) != _CHARGE_FIELDS or not (fields[1].isdecimal() and fields[2].isdecimal()):
            continue
        number, nodes, started_at = fields[0], int(fields[1]), utc_seconds(fields[3])
        seconds[number] = seconds.get(number, 0.0) + float(nodes * int(fields[2]))
        mine = parts.setdefault(number, [])
        if started_at is not None and nodes:
            mine.append(HeldPart(started_at, utc_seconds(fields[4]), nodes, _names(fields[5])))
    return {
        number: _charge(sum_, sorted(parts[number], key=itemgetter(0))) for number, sum_ in seconds.items()
    }


def _charge(node_seconds: float, parts: Sequence[HeldPart]) -> Charge:
    started_at, ended_at = (parts[0].started_at, parts[-1].ended_at) if parts else (None, None)
    return Charge(node_seconds, started_at, ended_at, tuple(parts))


def _names(text: str) -> tuple[str, ...]:
    try:
        return tuple(expand_hosts(text))
    except ValueError:
        return ()


REGISTERED = RegisteredScheduler(
    lambda user, _: Slurm(user),
    counts_gpus=True,
    can_leave_out=True,
    can_wait=True,
    charges=charges,
    mail=("--mail-user={address}", "--mail-type=END,FAIL,TIME_LIMIT_80"),
)
