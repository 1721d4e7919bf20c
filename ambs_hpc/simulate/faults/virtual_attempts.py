"""What virtual evaluations compute, and what they leave on a virtual disk."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from ambs_hpc.launcher.executors.attempt_ends import outcome_of
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted
from ambs_hpc.launcher.supervisor.messages import AttemptReport, StartRequest
from ambs_hpc.records import Claim
from ambs_hpc.simulate.faults.virtual_program import VirtualHost, VirtualProgram

FAILURES = ("ERROR", "TIMEOUT", "OUT_OF_MEMORY", "BAD_RESULT")


@dataclass
class VirtualAttempt:
    """One attempt that was started; times are true virtual seconds.

    Args:
        ends_at: when it ends by itself and writes its outcome.
        failure: its failure kind; None when it ends with an objective.
        stopped_at: when the machine, or somebody, ended it; infinity for never.
        interruptions_told: how often its launcher was told that it was interrupted.
        started_at: when it began.
        started_wall: the same by its host's clock.
        clock_step_seconds: by how much its host's clock stepped while it ran, as its outcome shows.
    """

    claim: Claim
    request: StartRequest
    program: VirtualProgram
    host: VirtualHost
    started_at: float
    started_wall: float
    ends_at: float
    failure: str | None
    clock_step_seconds: float = 0.0
    stopped_at: float = math.inf
    stopped_because: str = ""
    is_told: bool = False
    interruptions_told: int = 0

    @property
    def is_stopped(self) -> bool:
        """Whether it is ended before it has an outcome."""
        return self.stopped_at < self.ends_at

    @property
    def over_at(self) -> float:
        """When nothing of it runs any more."""
        return min(self.ends_at, self.stopped_at)

    def stop(self, moment: float, because: str) -> None:
        """Nothing of it runs after that moment."""
        if moment < self.over_at:
            self.stopped_at, self.stopped_because = moment, because

    def has_written(self, now: float) -> bool:
        """Whether its outcome lies on disk."""
        return self.ends_at <= now and not self.is_stopped

    def report(self) -> AttemptReport:
        """The outcome that it writes."""
        is_well = self.failure is None
        seconds = self.ends_at - self.started_at + self.clock_step_seconds
        return AttemptReport(
            self.claim.id,
            self.claim.attempt,
            self.host.name,
            self.started_wall,
            self.started_wall + seconds,
            objective_of(self.request.configuration, self.claim.token) if is_well else None,
            failure=self.failure,
            error="" if is_well else f"{self.failure}: virtual",
            exit_status=0 if is_well else 1,
            token=self.claim.token,
        )

    def ended(self) -> Ended:
        """How its executor reports its end."""
        if self.is_stopped:
            self.interruptions_told += 1
            return Interrupted(self.claim.id, self.claim.attempt, self.stopped_because)
        return outcome_of(self.report())


def objective_of(configuration: Mapping[str, object], token: str) -> float:
    """An objective that no other attempt has and no other configuration gives, in [0, 1)."""
    text = json.dumps([dict(configuration), token], sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


class VirtualDisk:
    """All attempts that ever started, by their tokens and by the folders in which they wrote."""

    def __init__(self) -> None:
        self.by_token: dict[str, VirtualAttempt] = {}
        self.started_twice: list[str] = []  # tokens
        self.asked: set[str] = set()  # tokens whose outcome a recovery looked for
        self._by_folder: dict[str, list[VirtualAttempt]] = {}

    def add(self, attempt: VirtualAttempt) -> None:
        """An attempt has started."""
        token = attempt.claim.token
        if token in self.by_token:
            self.started_twice.append(token)
        self.by_token[token] = attempt
        self._by_folder.setdefault(attempt.request.folder, []).append(attempt)

    def read(self, folder: str, attempt: int, token: str | None, now: float) -> AttemptReport | None:
        """As `supervisor.outcome.read_outcome`: what was written last, if it is this attempt's."""
        self.asked.add(token or "")
        written = [one for one in self._by_folder.get(folder, []) if one.has_written(now)]
        if not written:
            return None
        report = max(written, key=lambda one: one.ends_at).report()
        is_its_own = report.attempt == attempt and (token is None or report.token == token)
        return report if is_its_own else None
