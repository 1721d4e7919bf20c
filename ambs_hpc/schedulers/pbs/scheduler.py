"""PBS's qsub, qstat, qselect and qdel: argument vectors and readers, after the behaviour of OpenPBS 23.06."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ambs_hpc.errors import AllocationUnreadable, SubmissionRejected, SubmissionUnclear
from ambs_hpc.schedulers.node_lists import unique_lines
from ambs_hpc.schedulers.pbs.entries import Entry, entries_of, sequence, status_of
from ambs_hpc.schedulers.protocol import ReadText, RegisteredScheduler
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

_NO_CONNECTION = (
    "cannot connect to server",
    "Couldn't connect to cluster",
    "Connection refused",
    "No route to host",
)
_MAYBE_DELIVERED = (
    "End of File",
    "Premature end of",
    "Protocol",
    "Connection reset",
    "imed out",
    "errno=15031",
)
_NO_HISTORY = "not configured to maintain job history"
_ENDED = 35  # "Job has finished, use -x or -H"
_UNKNOWN = 153  # "Unknown Job Id"
_ID = re.compile(r"^(\d+(?:\[\])?\.\S+)\s*$", re.MULTILINE)
_UNKNOWN_ID = re.compile(r"Unknown Job Id (\S+)")
_ENDED_ID = re.compile(r"(\S+) Job has finished")
_REFUSED_ID = re.compile(r"^qdel: (.*?) *(\d+(?:\[\d*\])?\.\S+) *(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pbs:
    """PBS as `user` sees it (Polaris, Aurora, Sophia, Crux)."""

    user: str
    name: str = "pbs"

    def submit(self, request: SubmitRequest) -> SchedulerCommand[Submission]:
        """One `qsub` with the name and what it follows; everything else is in the script."""
        after = ("-W", f"depend=afterany:{request.after}") if request.after else ()
        argv = ("qsub", "-N", request.name, *after, str(request.script))
        return SchedulerCommand(argv, read_submission, directory=request.directory, inherits=True)

    def status(self, ids: Sequence[str]) -> SchedulerCommand[StatusAnswer]:
        """The question omits -x, which servers without history refuse; how they ended is asked afterwards.

        It is asked as text: since the end of 2023 OpenPBS's JSON holds only the first of several ids, without
        an error, and it is broken where a variable of some allocation holds odd characters.
        """
        asked = at_least_one(ids)
        return SchedulerCommand(("qstat", "-f", *asked), partial(read_status, asked=asked))

    def find(self, request: SubmitRequest) -> SchedulerCommand[tuple[str, ...]]:
        """The question uses -x first, so that an ended allocation is found too where history is kept."""
        options = ("-u", self.user, "-N", request.name)
        without_history = SchedulerCommand(("qselect", *options), partial(read_find, instead=None))
        return SchedulerCommand(("qselect", "-x", *options), partial(read_find, instead=without_history))

    def cancel(self, ids: Sequence[str]) -> SchedulerCommand[CancelAnswer]:
        """One `qdel` for all ids."""
        asked = at_least_one(ids)
        return SchedulerCommand(("qdel", *asked), partial(read_cancel, asked=asked))

    def current_allocation(self, environ: Mapping[str, str], read_text: ReadText) -> CurrentAllocation | None:
        """Read the node file, which has a line for each chunk and rank and exists on the first node only."""
        if "PBS_JOBID" not in environ:
            return None
        try:
            nodes = unique_lines(read_text(environ.get("PBS_NODEFILE", "PBS_NODEFILE (not set)")))
        except OSError as error:
            raise AllocationUnreadable(
                f"nodes of PBS's allocation {environ['PBS_JOBID']}: {error}. The file exists on the first "
                "node only: start the launcher from the batch script."
            ) from error
        if not nodes:
            raise AllocationUnreadable(f"PBS's allocation {environ['PBS_JOBID']}: its node file is empty")
        return CurrentAllocation(environ["PBS_JOBID"], nodes)


def read_submission(completed: Completed) -> Submission | CouldNotAsk:
    """The id, `40.pbs`, which is alone on stdout; warnings and refusals are on stderr."""
    found = _ID.findall(completed.stdout)
    if completed.exit_code == 0 and found:
        return Submission(found[-1])
    if completed.exit_code is None or completed.exit_code <= 0:
        raise SubmissionUnclear("qsub", completed.words)
    if any(words in completed.stderr for words in _NO_CONNECTION):
        return CouldNotAsk("qsub", completed.words)
    if any(words in completed.stderr for words in _MAYBE_DELIVERED):
        raise SubmissionUnclear("qsub", completed.words)
    raise SubmissionRejected("qsub", completed.words)


def read_status(
    completed: Completed, asked: Sequence[str]
) -> StatusAnswer | CouldNotAsk | SchedulerCommand[StatusAnswer]:
    """Known ids are on stdout, every other has a line on stderr; the exit code is that of the last line."""
    if completed.exit_code not in (0, _ENDED, _UNKNOWN):
        return CouldNotAsk("qstat", completed.words)
    answer = _sort(completed.stderr, entries_of(completed.stdout), asked)
    ended = [each for each in _named(_ENDED_ID, completed.stderr, asked) if answer.known[each].comment == ""]
    if not ended:
        return answer
    return SchedulerCommand(("qstat", "-x", "-f", *ended), partial(read_history, rest=answer, ended=ended))


def _named(pattern: re.Pattern[str], stderr: str, asked: Sequence[str]) -> list[str]:
    """The asked ids that are named; compared by number, because the server's name has several forms."""
    numbers = {sequence(each) for each in pattern.findall(stderr)}
    return [each for each in asked if sequence(each) in numbers]


def _sort(stderr: str, entries: Mapping[str, Entry], asked: Sequence[str]) -> StatusAnswer:
    shown = _shown(entries, asked)
    ended = {
        each: AllocationStatus(each, AllocationState.ENDED, "F") for each in _named(_ENDED_ID, stderr, asked)
    }
    known = ended | shown
    vanished = frozenset(_named(_UNKNOWN_ID, stderr, asked)) - known.keys()
    return StatusAnswer(known, vanished, frozenset(asked) - known.keys() - vanished)


def _shown(entries: Mapping[str, Entry], asked: Sequence[str]) -> dict[str, AllocationStatus]:
    by_number = {sequence(key): entry for key, entry in entries.items()}
    return {each: status_of(each, by_number[sequence(each)]) for each in asked if sequence(each) in by_number}


def read_history(completed: Completed, rest: StatusAnswer, ended: Sequence[str]) -> StatusAnswer:
    """The answer completed by how allocations ended, where the history contains it."""
    shown = _shown(entries_of(completed.stdout), ended)
    over = {each: status for each, status in shown.items() if status.state.is_over}
    return StatusAnswer({**rest.known, **over}, rest.vanished, rest.unanswered)


def read_find(
    completed: Completed, instead: SchedulerCommand[tuple[str, ...]] | None
) -> tuple[str, ...] | CouldNotAsk | SchedulerCommand[tuple[str, ...]]:
    """The ids: qselect prints one on each line, and nothing with exit code 0 when there is none.

    Other lines are notices of the centre; a word of one, taken for an id, would have the true one cancelled.

    Args:
        instead: the question for servers that keep no history.
    """
    if _NO_HISTORY in completed.stderr and instead is not None:
        return instead
    if completed.exit_code != 0:
        return CouldNotAsk("qselect", completed.words)
    return tuple(sorted(_ID.findall(completed.stdout), key=lambda each: int(re.sub(r"\D.*", "", each))))


def read_cancel(completed: Completed, asked: Sequence[str]) -> CancelAnswer | CouldNotAsk:
    """Every objection names its id; the exit code is that of the last id."""
    if completed.exit_code is None or any(words in completed.stderr for words in _NO_CONNECTION):
        return CouldNotAsk("qdel", completed.words)
    objections = {
        sequence(found[2]): f"{found[1]} {found[3]}".strip()
        for found in _REFUSED_ID.finditer(completed.stderr)
    }
    if completed.exit_code != 0 and not objections:
        return CouldNotAsk("qdel", completed.words)
    refused = {each: objections[sequence(each)] for each in asked if sequence(each) in objections}
    return CancelAnswer(frozenset(asked) - refused.keys(), refused)


REGISTERED = RegisteredScheduler(
    lambda user, _: Pbs(user),
    has_chunks=True,
    counts_gpus=True,
    can_wait=True,
    routed_limits="qstat -Qf",
    mail=("-M {address}", "-m ae"),
)
