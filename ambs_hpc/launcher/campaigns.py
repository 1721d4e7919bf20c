"""The campaigns that a launcher serves: how theirs are run, how long they take, which it must refuse.

The loop asks in its own thread, the exchange with the database in another one.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.clock import Clock, SystemClock
from ambs_hpc.errors import ObjectiveNotAllowed, RowUnusable
from ambs_hpc.launcher.evaluation_spec import EvaluationSpec
from ambs_hpc.launcher.executors.lookout import Lookout
from ambs_hpc.launcher.executors.protocol import Unloadable
from ambs_hpc.launcher.runtime_estimate import RECENT, RunTimeBounds, RuntimeEstimate
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.problem.allow_list import allow_list_file
from ambs_hpc.queue import CampaignVersion, campaign_version, get_campaign, list_campaigns, recent_run_seconds
from ambs_hpc.records import Claim

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger(__name__)

# A module that could not be imported is tried again after so long, and twice as long after each failure.
FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS = 60.0, 600.0
LOOK_SECONDS = 2.0  # between two looks at its file: when that has changed it is tried at once
MOST_TRIES = 4  # that a launcher waits for, with nothing else to do
# What Python says where a file system fails for a while; anything else is the module's own fault.
PASSING_ERRORS = tuple(
    os.strerror(one)
    for one in (errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.ETIMEDOUT, errno.ENOTCONN, errno.ESHUTDOWN)
)


COMMANDS = "problem"  # the module that is looked at where the objective is a command


@dataclass(frozen=True, slots=True)
class _FailedImport:
    """The import of a campaign's module, which has failed.

    Args:
        tries: in a row since its file has changed.
        retry_at: on the monotonic clock.
        may_pass: whether the module, or its file system, may be well again without a person's doing.
        change: whether the module's file has changed since.
    """

    tries: int
    retry_at: float
    may_pass: bool
    change: Lookout


class Campaigns:
    """What a launcher finds out about each campaign once, at its first claim."""

    def __init__(self, only: Sequence[int] | None, clock: Clock | None = None) -> None:
        """`only`: ids of those to serve; None serves all."""
        self._only, self._clock = only, clock or SystemClock()
        self._versions: dict[int, CampaignVersion | None] = {}
        self._specs: dict[int, EvaluationSpec] = {}
        self._runtime_estimates: dict[int, RuntimeEstimate] = {}
        self._refused: set[int] = set()
        self._unregistered: dict[int, Lookout] = {}  # whether this user has registered anything since
        self._failed_imports: dict[int, _FailedImport] = {}  # until an evaluation has a value
        self._has_run: set[int] = set()  # those of which an evaluation had a value here
        self._remarked: set[int] = set()  # those whose results have had a remark
        self.refused: dict[str, str] = {}  # by name: why none of it is run here
        self.why_unpausable = ""  # why nothing can be paused here; "" where it can

    @property
    def may_pause(self) -> bool:
        """Whether evaluations of any campaign that was met may be paused at rungs."""
        return any(spec.may_pause for spec in list(self._specs.values()))

    @property
    def keep_all_checkpoints(self) -> bool:
        """Whether no campaign that was met wants any checkpoint removed."""
        return all(spec.keeps_all_checkpoints for spec in list(self._specs.values()))

    @property
    def has_refused_all(self) -> bool:
        """Whether nothing is left to serve, and nothing that was refused may be served again by itself."""
        return self._only is not None and self._refused.issuperset(self._only) and not self.awaits_import

    @property
    def number_met(self) -> int:
        """Number of campaigns of which something was leased."""
        return len(self._versions)

    @property
    def met(self) -> list[int]:
        """Ids of those of which something was leased, and whose objective this user has registered."""
        return list(self._specs)

    @property
    def awaits_import(self) -> bool:
        """Whether a module that could not be imported may be well again soon.

        One that has worked here before, or whose file system failed; a person's broken module is not such.
        """
        failed = list(self._failed_imports.items())
        return any(one.may_pass and campaign_id in self._refused for campaign_id, one in failed)

    def served(self, connection: Connection, but_for: Sequence[int] = ()) -> Sequence[int] | None:
        """Ids of those to lease from; None for all there are. Imports that are due are tried again."""
        self._retry_imports()
        self._meet_registered(connection)
        self._meet_revised(connection, self._refused.union(but_for))
        without = self._refused.union(but_for)
        if not without:
            return self._only
        known = self._only if self._only is not None else [one.id for one in list_campaigns(connection)]
        return [campaign_id for campaign_id in known if campaign_id not in without]

    def meet(self, connection: Connection, claims: Sequence[Claim]) -> None:
        """Find out how to run the campaigns of claims; refuse objectives that are not registered here."""
        for campaign_id, name in {(one.campaign_id, one.campaign) for one in claims}:
            try:
                self._meet(connection, campaign_id)
            except RowUnusable as error:  # somebody wrote to the database; other campaigns are served
                self._refuse(campaign_id, name, str(error))

    def _meet(self, connection: Connection, campaign_id: int, *, again: bool = False) -> None:
        version = campaign_version(connection, campaign_id)
        known = self._versions.setdefault(campaign_id, version)
        is_met = campaign_id in self._specs or campaign_id in self._refused
        if known == version and is_met and not again:
            return
        campaign = get_campaign(connection, campaign_id)
        if known != version:  # it was revised, or the database went back and gave its id again
            self._versions[campaign_id] = version
            self._failed_imports.pop(campaign_id, None)
            self._accept(campaign_id, campaign.name)
            if known is None or version is None or known.uid != version.uid:
                self._has_run.discard(campaign_id)
        has_registered = _change_of_files(lambda: [allow_list_file()])
        has_registered()  # the file is now as it is read below
        try:
            spec = EvaluationSpec(campaign)
        except ObjectiveNotAllowed as error:
            self._unregistered[campaign_id] = Lookout(has_registered, LOOK_SECONDS)
            self._refuse(campaign_id, campaign.name, str(error))
            return
        self._runtime_estimates[campaign_id] = RuntimeEstimate(
            recent_run_seconds(connection, campaign_id, RECENT)
        )
        self._specs[campaign_id] = spec  # last: who finds it here finds the estimate too
        if spec.may_pause and self.why_unpausable:
            logger.warning("campaign=%s is not paused at its rungs: %s", campaign.name, self.why_unpausable)

    def _meet_registered(self, connection: Connection) -> None:
        """Look again at those that were not registered, once this user has registered something."""
        for campaign_id, change in list(self._unregistered.items()):
            if change.is_yes():
                del self._unregistered[campaign_id]
                self._accept(campaign_id, get_campaign(connection, campaign_id).name)
                self._meet(connection, campaign_id, again=True)

    def _meet_revised(self, connection: Connection, left_out: set[int]) -> None:
        """Look again at those that nothing is leased from: after a revision something may be."""
        for campaign_id in left_out & self._versions.keys():
            version = campaign_version(connection, campaign_id)
            if version is not None and version != self._versions[campaign_id]:
                with suppress(RowUnusable):  # it stays left out
                    self._meet(connection, campaign_id)

    def is_refused(self, claim: Claim) -> bool:
        """Whether evaluations of its campaign are not run here."""
        return claim.campaign_id in self._refused

    def refuse(self, claim: Claim, why: str) -> None:
        """Refuse all evaluations of its campaign."""
        self._refuse(claim.campaign_id, claim.campaign, why)

    def refuse_function(self, unloadable: Unloadable) -> None:
        """Refuse the campaigns whose function cannot be loaded, for a while."""
        for campaign_id, spec in list(self._specs.items()):
            if spec.runs(unloadable.function, unloadable.directory) and campaign_id not in self._refused:
                self._failed_imports[campaign_id] = self._failed_import(campaign_id, unloadable)
                self._refuse(campaign_id, spec.campaign, f"{unloadable.what}:\n{unloadable.error}")

    def start_request(self, claim: Claim) -> StartRequest:
        """What to start for a claim of a campaign that was met."""
        return self._specs[claim.campaign_id].start_request(claim)

    def checkpoint_folder(self, claim: Claim) -> str:
        """Where the checkpoint of a claim of a campaign that was met lies."""
        return self._specs[claim.campaign_id].checkpoint_folder(claim)

    def note_run(self, claim: Claim, seconds: float, remark: str = "") -> None:
        """Note the run time of an evaluation that ended with a value; `remark`: about it, for the person."""
        if remark and claim.campaign_id not in self._remarked:
            self._remarked.add(claim.campaign_id)
            logger.warning("campaign=%s evaluation=%d and maybe others: %s", claim.campaign, claim.id, remark)
        self._has_run.add(claim.campaign_id)
        self._failed_imports.pop(claim.campaign_id, None)
        self._runtime_estimates[claim.campaign_id].note(seconds)

    def too_long(self, seconds_left: float, bounds: RunTimeBounds) -> list[int]:
        """Ids of campaigns met whose evaluations would hardly end in time."""
        if seconds_left == float("inf"):
            return []
        return [one for one in list(self._specs) if self._expected(one, bounds) > seconds_left]

    def is_out_of_time(self, seconds_left: float, bounds: RunTimeBounds) -> bool:
        """Whether no campaign that was met and is served could still end an evaluation in time."""
        served = set(self._specs) - self._refused
        return bool(served) and served.issubset(self.too_long(seconds_left, bounds))

    def _expected(self, campaign_id: int, bounds: RunTimeBounds) -> float:
        limit = self._specs[campaign_id].time_limit_seconds
        return self._runtime_estimates[campaign_id].expected(bounds) if limit is None else limit

    def _refuse(self, campaign_id: int, name: str, why: str) -> None:
        if campaign_id not in self._refused:
            logger.error("campaign refused campaign=%s: %s", name, why)
            self._refused.add(campaign_id)
            self.refused[name] = why

    def _accept(self, campaign_id: int, name: str) -> None:
        self._refused.discard(campaign_id)
        self.refused.pop(name, None)

    def _failed_import(self, campaign_id: int, unloadable: Unloadable) -> _FailedImport:
        before = self._failed_imports.get(campaign_id)
        tries = 1 if before is None or before.change.is_yes() else before.tries + 1
        pause_seconds = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** (tries - 1))
        has_worked = campaign_id in self._has_run or any(one in unloadable.error for one in PASSING_ERRORS)
        return _FailedImport(
            tries,
            self._clock.monotonic() + pause_seconds,
            has_worked and tries < MOST_TRIES,
            Lookout(_change_of(unloadable.function or COMMANDS, unloadable.directory), LOOK_SECONDS),
        )

    def _retry_imports(self) -> None:
        """Serve those again whose import is due, until it fails again."""
        for campaign_id, failed in list(self._failed_imports.items()):
            is_due = self._clock.monotonic() >= failed.retry_at or failed.change.is_yes()
            if is_due and campaign_id in self._refused:
                name = self._specs[campaign_id].campaign
                logger.info("import is tried again campaign=%s tries=%d", name, failed.tries)
                self._accept(campaign_id, name)


def _change_of(function: str, directory: str) -> Callable[[], bool]:
    """A question: whether the file of "module:function" is another one than at the first time."""
    stem = Path(directory, *function.partition(":")[0].split("."))
    return _change_of_files(lambda: [stem.with_suffix(".py"), stem / "__init__.py"])


def _change_of_files(files: Callable[[], Sequence[Path]]) -> Callable[[], bool]:
    """A question: whether any of these files is another one than at the first time."""
    seen: list[object] = []

    def has_changed() -> bool:
        seen.append([_stamp(file) for file in files()])
        return seen[-1] != seen[0]

    return has_changed


def _stamp(file: Path) -> tuple[int, int] | None:
    """What tells two versions of a file apart; None where it is not, or cannot be reached."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
