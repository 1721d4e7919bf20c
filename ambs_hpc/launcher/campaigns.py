"""The campaigns that a launcher serves: how theirs are run, how long they take, which it must refuse."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ambs_hpc.errors import ObjectiveNotAllowed
from ambs_hpc.launcher.evaluation_spec import EvaluationSpec
from ambs_hpc.launcher.executors.protocol import Unloadable
from ambs_hpc.launcher.runtime_estimate import RECENT, RuntimeEstimate
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.queue import get_campaign, list_campaigns, recent_run_seconds
from ambs_hpc.records import Claim

if TYPE_CHECKING:
    from sqlalchemy import Connection

logger = logging.getLogger(__name__)


class Campaigns:
    """What a launcher finds out about each campaign once, at its first claim."""

    def __init__(self, only: Sequence[int] | None) -> None:
        """`only`: ids of those to serve; None serves all."""
        self._only = only
        self._specs: dict[int, EvaluationSpec] = {}
        self._runtime_estimates: dict[int, RuntimeEstimate] = {}
        self._refused: set[int] = set()
        self.refused: dict[str, str] = {}  # by name: why none of it is run here

    @property
    def has_refused_all(self) -> bool:
        """Whether nothing is left to serve."""
        return self._only is not None and self._refused.issuperset(self._only)

    def served(self, connection: Connection, but_for: Sequence[int] = ()) -> Sequence[int] | None:
        """Ids of those to lease from; None for all there are."""
        without = self._refused.union(but_for)
        if not without:
            return self._only
        known = self._only if self._only is not None else [one.id for one in list_campaigns(connection)]
        return [campaign_id for campaign_id in known if campaign_id not in without]

    def meet(self, connection: Connection, claim: Claim) -> None:
        """Find out how to run the campaign of a claim; refuse an objective that is not registered here."""
        campaign_id = claim.campaign_id
        if campaign_id in self._specs or campaign_id in self._refused:
            return
        try:
            self._specs[campaign_id] = EvaluationSpec(get_campaign(connection, campaign_id))
        except ObjectiveNotAllowed as error:
            self.refuse(claim, str(error))
            return
        self._runtime_estimates[campaign_id] = RuntimeEstimate(
            recent_run_seconds(connection, campaign_id, RECENT)
        )

    def is_refused(self, claim: Claim) -> bool:
        """Whether evaluations of its campaign are not run here."""
        return claim.campaign_id in self._refused

    def refuse(self, claim: Claim, why: str) -> None:
        """Refuse all evaluations of its campaign."""
        self._refuse(claim.campaign_id, claim.campaign, why)

    def refuse_function(self, unloadable: Unloadable) -> None:
        """Refuse the campaigns whose function cannot be loaded."""
        for campaign_id, spec in self._specs.items():
            if spec.runs(unloadable.function, unloadable.directory):
                self._refuse(campaign_id, spec.campaign, f"cannot be imported:\n{unloadable.error}")

    def start_request(self, claim: Claim) -> StartRequest:
        """What to start for a claim of a campaign that was met."""
        return self._specs[claim.campaign_id].start_request(claim)

    def note_run(self, claim: Claim, seconds: float) -> None:
        """Note the run time of an evaluation that ended with a value."""
        self._runtime_estimates[claim.campaign_id].note(seconds)

    def too_long(self, seconds_left: float, floor_seconds: float) -> list[int]:
        """Ids of campaigns met whose evaluations would hardly end in time."""
        if seconds_left == float("inf"):
            return []
        return [one for one in self._specs if self._expected(one, floor_seconds) > seconds_left]

    def is_out_of_time(self, seconds_left: float, floor_seconds: float) -> bool:
        """Whether no campaign that was met and is served could still end an evaluation in time."""
        served = self._specs.keys() - self._refused
        return bool(served) and served.issubset(self.too_long(seconds_left, floor_seconds))

    def _expected(self, campaign_id: int, floor_seconds: float) -> float:
        limit = self._specs[campaign_id].time_limit_seconds
        return self._runtime_estimates[campaign_id].expected(floor_seconds) if limit is None else limit

    def _refuse(self, campaign_id: int, name: str, why: str) -> None:
        if campaign_id not in self._refused:
            logger.error("campaign refused campaign=%s: %s", name, why)
            self._refused.add(campaign_id)
            self.refused[name] = why
