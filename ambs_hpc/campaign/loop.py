"""The search's side of a campaign: read results, learn, propose, enqueue; it may be killed at any line."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ambs_hpc.campaign.creation import goals_of_campaign, searcher_for
from ambs_hpc.campaign.first_endings import FirstEndings, Hopeless
from ambs_hpc.campaign.legal_rows import LegalRows
from ambs_hpc.campaign.ownership import BehindDatabase, Ownership, SeenMarks
from ambs_hpc.campaign.progress import Progress
from ambs_hpc.campaign.rung_feed import RungFeed
from ambs_hpc.clock import Clock
from ambs_hpc.errors import (
    DatabaseLocked,
    DatabaseUnreachable,
    NoLegalConfiguration,
    SpaceExhausted,
)
from ambs_hpc.problem.space import in_stored_order
from ambs_hpc.queue import (
    PROMOTED_AT_ONCE,
    Proposed,
    RungResult,
    counts,
    enqueue,
    finished_since,
    get_campaign,
    promote,
    proposals_of,
    reading,
    slots_for,
    sources_of,
    transaction,
)
from ambs_hpc.records import (
    IMPORTED,
    Campaign,
    Configuration,
    Finished,
    NewEvaluation,
    Observation,
    Proposal,
    Resources,
)
from ambs_hpc.states import State
from ambs_hpc.timing import DATABASE_RETRY_SECONDS, STALE_AFTER_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ambs_hpc.search import Searcher

logger = logging.getLogger(__name__)

ASKED_AT_ONCE = 16  # launchers start on the first proposals of a large batch while the rest is made
AHEAD_SHARE = 0.1  # ready evaluations per slot, so that a slot does not wait for the search
AHEAD_WITHOUT_LAUNCHERS = 8


class SearchLoop:
    """Drives one campaign's searcher; at most one live loop owns a campaign.

    The searcher is rebuilt from the database, in-flight evaluations and their lies included, so
    killing this process loses nothing but the proposals that were not yet committed.
    """

    def __init__(
        self,
        engine: Engine,
        campaign: Campaign,
        slots: int | None,
        clock: Clock,
        *,
        hopeless_after: int | None = None,
    ) -> None:
        """`hopeless_after`: so many first evaluations that fail alike end the proposing; None for never."""
        self._hopeless_after, self._first_endings = hopeless_after, FirstEndings(None)
        self._engine, self._campaign, self._slots, self._clock = engine, campaign, slots, clock
        self._ownership = Ownership(clock)
        self._searcher: Searcher  # as `_legal` of what the database holds, once it is rebuilt
        self._rungs = RungFeed(campaign.id)
        self._has_goals = False  # several objectives, or constraints: then metrics are read
        self._has_rungs = False  # a fidelity: then values on rungs are read, and what is paused is promoted
        self._legal: LegalRows
        self._uncounted: set[int] = set()  # ordinals of what lies outside of the newest space
        self._is_rebuilt = False
        self._cursor = 0
        self._proposed, self._added = 0, 0  # by this search, by people
        self._sources = 0  # from which it starts warm
        self._unsaved: list[Proposal] = []  # asked, but the database did not confirm them
        self._exhausted, self._dead_end = False, ""
        self._stopped = False
        self._promotes_on = False  # what was promoted last is not all
        self._progress = Progress({}, 0, campaign.definition.max_evaluations)

    def open(self) -> None:
        """Take ownership of the campaign and rebuild the searcher.

        Raises:
            CampaignConflict: another live search owns it.
        """
        self._rebuild()

    def step(self) -> Progress:
        """Learn from what has ended and propose what is missing, without waiting for either."""
        try:
            return self._step()
        except (DatabaseUnreachable, DatabaseLocked) as error:
            logger.warning("database away, trying again: %s", error)
            self._clock.sleep(DATABASE_RETRY_SECONDS)
            last = self._progress
            return replace(last, database_away=True)

    def stop_proposing(self) -> None:
        """Enqueue nothing more; results are still learned."""
        self._stopped = True

    def close(self) -> None:
        """Release the ownership of the campaign, so that another search can take it at once."""
        with transaction(self._engine) as connection:
            self._ownership.leave(connection, self._campaign)

    def _step(self) -> Progress:
        if not self._is_rebuilt:
            self._rebuild()
        try:
            return self._advance()
        except BehindDatabase as error:
            logger.log(error.level, "%s; the search is rebuilt from what the database has", error)
            self._rebuild()
            return self._progress

    def _advance(self) -> Progress:
        if self._unsaved:
            self._save()
        by_state, missing = self._read()
        left = missing  # no more in one step: results may come as fast as proposals
        while left > 0 and missing > 0 and not self._hopeless:
            self._propose(min(ASKED_AT_ONCE, left, missing))
            left -= ASKED_AT_ONCE
            if left > 0:  # what has ended meanwhile, the rest is proposed with
                by_state, missing = self._read()
        budget = self._campaign.definition.max_evaluations
        total = None if budget is None else budget + self._added
        proposed = self._proposed + self._added
        self._progress = Progress(
            by_state, proposed, total, self._exhausted, self._dead_end, hopeless=self._hopeless
        )
        return self._progress

    @property
    def _hopeless(self) -> Hopeless | None:
        return self._first_endings.verdict

    def _read(self) -> tuple[Mapping[State, int], int]:
        """Learn from what has ended; how many evaluations are in each state, and how many are wanted now."""
        with transaction(self._engine) as connection:
            is_due = self._ownership.is_heartbeat_due
            self._ownership.check(connection, self._campaign, self._seen, says_it_lives=is_due)
            if self._has_rungs and (is_due or self._promotes_on):
                self._promotes_on = promote(connection, self._campaign.id) >= PROMOTED_AT_ONCE
            finished = finished_since(
                connection, self._campaign.id, self._cursor, with_metrics=self._has_goals
            )
            rungs = self._rungs.read(connection) if self._has_rungs else []
            by_state = counts(connection, self._campaign.id)
            missing = self._missing(connection, by_state)
        self._learn(finished)
        self._rungs.tell(self._searcher, rungs, self._carried)
        self._first_endings.note([one for one in finished if one.kind != IMPORTED])
        return by_state, missing

    @property
    def _seen(self) -> SeenMarks:
        """How far the campaign was when this search read it last."""
        revision = self._campaign.revision
        return SeenMarks(self._proposed, self._cursor, revision, self._added, self._sources)

    def _missing(self, connection: Connection, by_state: Mapping[State, int]) -> int:
        """The number of proposals wanted now: a few more than the slots can hold, never above the budget."""
        if self._exhausted or self._stopped:
            return 0
        slots = self._slots or slots_for(connection, STALE_AFTER_SECONDS, self._campaign.id, self._shape)
        ahead = 1 + int(AHEAD_SHARE * slots) if slots else AHEAD_WITHOUT_LAUNCHERS
        in_flight = by_state.get(State.READY, 0) + by_state.get(State.RUNNING, 0)
        wanted = slots + ahead - in_flight
        budget = self._campaign.definition.max_evaluations
        left = wanted if budget is None else budget - self._proposed
        return max(0, min(wanted, left))

    @property
    def _shape(self) -> Resources:
        """What one evaluation occupies."""
        return Resources(**cast("dict[str, Any]", self._campaign.definition.problem["resources"]))

    def _learn(self, finished: Sequence[Finished]) -> None:
        if not finished:
            return
        observed: list[Observation] = []
        cancelled: list[Configuration] = []
        for one in finished:
            carried = self._carried(one.id, one)
            if carried is None:
                self._uncounted.add(one.ordinal)
            elif one.state is State.CANCELLED:
                cancelled.append(carried)
            else:
                observed.append(Observation(carried, one.objective, one.metrics))
        self._searcher.tell(observed)
        if cancelled:
            self._searcher.discard(cancelled)
        self._cursor = finished[-1].sequence

    def _carried(self, evaluation_id: int, one: Finished | RungResult) -> Configuration | None:
        """Its configuration as one of the newest space; None where it does not count."""
        if one.ordinal in self._uncounted:
            return None
        return self._legal.carried(evaluation_id, one.configuration)

    def _propose(self, wanted: int) -> None:
        if self._exhausted:
            return
        try:
            self._unsaved = self._searcher.ask(wanted)
        except SpaceExhausted as error:
            logger.warning("%s", error)
            self._exhausted = True
        except NoLegalConfiguration as error:  # what runs still ends and counts
            logger.error("%s", error)
            self._exhausted, self._dead_end = True, str(error)
        else:
            self._save()

    def _save(self) -> None:
        """Enqueue the unsaved proposals; after a lost commit, only those that the database does not have."""
        new = [self._evaluation(index, proposal) for index, proposal in enumerate(self._unsaved)]
        with transaction(self._engine) as connection:
            own = self._ownership.check(connection, self._campaign, self._seen, says_it_lives=True)
            has_more = own > self._proposed
            rows = proposals_of(connection, self._campaign.id, self._proposed) if has_more else []
            stored = {row.ordinal for row in rows}
            enqueue(connection, self._campaign.id, [one for one in new if one.ordinal not in stored])
        self._proposed += len(new)
        self._unsaved = []

    def _evaluation(self, index: int, proposal: Proposal) -> NewEvaluation:
        problem = self._campaign.definition.problem
        ordered = in_stored_order(proposal.configuration, cast("dict[str, Any]", problem["space"]))
        return NewEvaluation(
            ordinal=self._proposed + index,
            proposal=replace(proposal, configuration=ordered),
            resources=self._shape,
            time_limit_seconds=cast("float | None", problem["time_limit_seconds"]),
            priority=self._campaign.definition.priority,
        )

    def _rebuild(self) -> None:
        """Take the campaign and begin again from what the database holds.

        No transaction is open while the searcher learns it: launchers would wait for that.

        Raises:
            CampaignConflict: another live search has it.
        """
        self._is_rebuilt = False  # until all of it is done: what follows may fail half-way
        with transaction(self._engine) as connection:
            self._ownership.take(connection, self._campaign)
        revision = self._campaign.revision
        with reading(self._engine) as connection:
            self._take_up(get_campaign(connection, self._campaign.id))
            rows = proposals_of(connection, self._campaign.id, with_metrics=self._has_goals)
            sources = sources_of(connection, self._campaign.id)
            self._rungs = RungFeed(self._campaign.id)
            rungs = self._rungs.read(connection)
        before, self._sources = self._first_endings, len(sources)
        self._searcher = searcher_for(self._campaign.definition, sources)
        self._legal = LegalRows(self._campaign)
        self._proposed, self._cursor, self._unsaved, self._exhausted = 0, 0, [], False
        self._added, self._uncounted = 0, set()
        self._dead_end = ""
        self._first_endings = FirstEndings(
            self._hopeless_after,
            [row.ordinal for row in rows if row.state.is_final],
            has_succeeded=any(row.state is State.DONE and row.proposal.kind != IMPORTED for row in rows),
        )
        if self._campaign.revision == revision:
            self._first_endings.keep_verdict_of(before)
        if rows:
            self._restore(rows)
            self._rungs.tell(self._searcher, rungs, self._carried)
        self._is_rebuilt = True

    def _take_up(self, campaign: Campaign) -> None:
        """Go on with the campaign as it is now, and find out what of it is to be read."""
        self._campaign = campaign
        self._has_goals = not goals_of_campaign(campaign.definition).is_plain
        self._has_rungs = campaign.definition.problem.get("fidelity") is not None

    def _restore(self, rows: Sequence[Proposed]) -> None:
        proposals = self._legal.of_proposals(rows)
        counted = {
            row.ordinal: one.configuration
            for row, one in zip(rows, proposals, strict=True)
            if one is not None
        }
        self._uncounted = {row.ordinal for row in rows} - counted.keys()
        ended = sorted((row for row in rows if row.state.is_final), key=lambda row: row.sequence)
        told = [row for row in ended if row.ordinal in counted]
        observations = [
            Observation(counted[row.ordinal], row.objective, row.metrics)
            for row in told
            if row.state is not State.CANCELLED
        ]
        proposed = [
            (row, one) for row, one in zip(rows, proposals, strict=True) if row.proposal.kind != IMPORTED
        ]
        self._searcher.restore([one for _, one in proposed], observations)
        cancelled = [counted[row.ordinal] for row in told if row.state is State.CANCELLED]
        if cancelled:
            self._searcher.discard(cancelled)
        self._proposed = max(0, rows[-1].ordinal + 1)
        self._added = sum(row.ordinal < 0 for row, _ in proposed)
        self._cursor = ended[-1].sequence if ended else 0
        logger.info("search rebuilt proposals=%d observations=%d", len(proposed), len(observations))
