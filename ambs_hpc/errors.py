"""Every error a caller can decide upon; the message says what was tried, what was seen, what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST_SEEN = 100  # characters of a wrong value that a message shows


class AmbsError(Exception):
    """Anything this package raises on purpose; commands print it as one message, without a traceback."""


class ProblemError(AmbsError):
    """A problem file cannot be used; nothing has been stored."""

    def __init__(self, where: str, field: str, seen: str, remedy: str) -> None:
        super().__init__(f"{where}: {field}: {seen}. {remedy}")
        self.where, self.field, self.seen, self.remedy = where, field, seen, remedy


class UsageError(AmbsError):
    """What was asked for cannot be done as asked: a wrong option, name or combination."""


class NotFound(AmbsError):
    """No campaign, evaluation or allocation of that name."""


class NoSuchCampaign(NotFound):
    """No campaign of that name, or none at all: a search may be about to make it."""


class CampaignConflict(AmbsError):
    """The campaign is another one, was revised meanwhile, or belongs to another live search."""


class RowUnusable(AmbsError):
    """A row holds what no version of ours stores there; nothing else of the database is wrong with it.

    Args:
        row: the id of the row, or what stands for it.
        seen: the value.
        accepted: what may stand there, in words.
    """

    lead = "Accepted: "

    def __init__(self, table: str, row: object, field: str, seen: object, accepted: str) -> None:
        shown = seen if isinstance(seen, str) and type(seen) is str else repr(seen)
        words = shown if len(shown) <= LONGEST_SEEN else shown[:LONGEST_SEEN] + "..."
        super().__init__(f"{table} {row} in the database: {field} is {words}. {self.lead}{accepted}")
        self.table, self.row, self.field, self.seen, self.accepted = table, row, field, seen, accepted

    @property
    def group(self) -> str:
        """What rows with the same fault have in common."""
        return f"{self.table}.{self.field}"


class OutsideOfSpace(RowUnusable):
    """An evaluation's configuration is one, but not of the space of its campaign."""

    lead = ""  # the space says what is wrong

    def __init__(self, evaluation_id: int, configuration: object, accepted: str) -> None:
        super().__init__("evaluation", evaluation_id, "configuration", configuration, accepted)

    @property
    def group(self) -> str:
        return f"{super().group} outside of its space"


class DatabaseError(AmbsError):
    """The database cannot be used; subclasses say why."""


class DatabaseUnreachable(DatabaseError):
    """No answer from the database: it may come back, so long-running programs wait."""


class DatabaseRefused(DatabaseError):
    """The database said no.

    Args:
        passes: whether it may say yes later without anybody's doing (a name service, a restart, a full
            server): programs that have been connected wait, a person at a prompt is told.
    """

    def __init__(self, message: str, *, passes: bool = False) -> None:
        super().__init__(message)
        self.passes = passes


class DatabaseLocked(DatabaseError):
    """Another process holds the SQLite file for longer than we wait."""


class LauncherForgotten(DatabaseError):
    """The database does not know this launcher: it went back to an older copy."""


class SchemaMismatch(DatabaseError):
    """The tables are older or newer than this program."""


class NetworkFileSystem(DatabaseError):
    """SQLite on a file system whose locks cannot be trusted."""


class SpaceExhausted(AmbsError):
    """Every configuration of a finite space has been proposed."""


class NoLegalConfiguration(AmbsError):
    """No legal configuration was found that is not known yet, though the space may have one."""


class NothingSucceeded(AmbsError):
    """Every evaluation that has ended has failed."""


class ShapeNeverFits(AmbsError):
    """The resources of an evaluation exceed what the machine has, so it would wait for ever."""


class NodesApart(AmbsError):
    """The launch command reaches only neighbouring nodes, and those that are free now do not all lie so."""


class ContainerUnusable(AmbsError):
    """The container that evaluations need cannot be started here: its program or image is missing."""


class ObjectiveNotAllowed(AmbsError):
    """The database names an objective that this user has not registered on this machine."""


class ObjectiveUnloadable(AmbsError):
    """The objective's module cannot be imported, so no evaluation of it can start."""


class SubmissionRejected(AmbsError):
    """The scheduler refused a batch script; its own words are in `output`, the advice is for a person."""

    def __init__(self, command: str, output: str, advice: str = "") -> None:
        words = f"{command} refused the script: {output.strip() or 'no output'}"
        super().__init__(f"{words}. {advice}" if advice else words)
        self.command, self.output = command, output


class SubmissionUnclear(AmbsError):
    """The submission was sent and no readable answer came back: search by name before submitting again."""

    def __init__(self, command: str, output: str) -> None:
        super().__init__(
            f"{command} gave no clear answer: {output.strip() or 'no output'}. The allocation may exist; "
            "it is searched for by its name before anything is submitted again"
        )
        self.command, self.output = command, output


class NodeHoursSpent(AmbsError):
    """A request would pass the limit on node-hours of its folder; nothing was submitted."""

    def __init__(self, limit: float, used: float, promised: float, open_ones: int, wanted: float) -> None:
        """`promised`: to `open_ones` allocations that are queued or running, at their full request."""
        total = used + promised + wanted
        super().__init__(
            f"max_node_hours in ambs.yml is {limit:g}. Allocations of this folder that are over have used "
            f"{used:.4g} node-hours, {open_ones} queued or running may use {promised:.4g}, and this request "
            f"may use {wanted:.4g}: {total:.4g} in all, {total - limit:.4g} too many. Nothing was submitted. "
            "Ask for less, wait until what runs has ended (`ambs allocations`; it may use less), or raise "
            "max_node_hours. `ambs ledger` says what they were spent on"
        )
        self.limit, self.used, self.promised, self.wanted = limit, used, promised, wanted


class BalsamUnreachable(AmbsError):
    """Balsam's service does not answer: it may come back, so nothing changes meanwhile."""


class BalsamRefused(AmbsError):
    """Balsam's service answered and said no; waiting alone does not help."""


class AllocationUnreadable(AmbsError):
    """We are inside an allocation, but cannot read which nodes it has."""


def nearest(name: str, accepted: Iterable[str]) -> str:
    """A sentence that lists the accepted names, the nearest one first when there is one."""
    names = sorted(accepted)
    in_lower_case = {one.lower(): one for one in names}
    close = difflib.get_close_matches(name.lower(), in_lower_case, n=1)
    hint = f"Did you mean {in_lower_case[close[0]]!r}? " if close else ""
    return f"{hint}Accepted: {', '.join(names)}."


class SiteInvalid(AmbsError):
    """A site file cannot be used."""

    def __init__(self, file: object, line: int, key: str, seen: str) -> None:
        super().__init__(
            f"{file}, line {line}: {key}: {seen.rstrip('.')}. `ambs site schema` says what is accepted"
        )
        self.file, self.line, self.key, self.seen = file, line, key, seen
