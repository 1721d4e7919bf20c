"""Who runs on from a rung, who pauses there, and who is promoted, decided from rows and under their lock.

Whoever stores reports decides what follows from them in the same transaction: whichever program is killed
next, what was decided stands, and nothing that was to be decided is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, or_, select, update

from ambs_hpc.fidelity import Fidelity, Rule, fidelity_from_json, place_of, rule_of
from ambs_hpc.queue.reads.campaigns import get_campaign
from ambs_hpc.queue.schema.rung_tables import rung_result
from ambs_hpc.queue.schema.tables import (
    campaign,
    evaluation,
    is_outside,
    is_paused,
    is_running,
)
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.notify import NotifyChannel, notify
from ambs_hpc.queue.sql.row_mapping import DatabaseRow, text_value
from ambs_hpc.queue.verbs.counters import CounterChanges
from ambs_hpc.queue.verbs.event_log import NewEvent, record
from ambs_hpc.queue.verbs.release import lock_rows, lock_rows_of
from ambs_hpc.queue.verbs.revisions import renew_waiting
from ambs_hpc.queue.verbs.rungs.rung_rows import (
    RungRow,
    add_rung,
    beginning,
    decide_again,
    first_report_from,
    note_promotions,
    open_rungs,
    passed,
)
from ambs_hpc.queue.verbs.rungs.standings import standings_of
from ambs_hpc.states import Move, State

# What a campaign's fidelity is, by its uid and revision: asked at every exchange of every launcher.
_known: dict[tuple[str, int], Fidelity | None] = {}
MOST_KNOWN = 1000
# A revised fidelity may promote thousands: all at once would hold the campaign's lock for many seconds.
PROMOTED_AT_ONCE = 100
_NO_RESULTS: Mapping[int, float] = {}


class _Campaign(NamedTuple):
    id: int
    fidelity: Fidelity


def at_new_rungs(connection: Connection, steps: Mapping[int, int]) -> list[int]:
    """Ids of evaluations that have come to a rung; nothing is locked.

    Args:
        steps: the highest step that was just reported, by the evaluations' ids.
    """
    found: list[int] = []
    for of, ids in _with_fidelity(connection, steps).items():
        result = rung_result.c
        highest = (
            select(evaluation.c.id, evaluation.c.paused_rung, func.max(result.rung).label("rung"))
            .outerjoin(rung_result, and_(result.evaluation_id == evaluation.c.id, passed))
            .where(id_in(connection, evaluation.c.id, ids))
            .group_by(evaluation.c.id, evaluation.c.paused_rung)
        )
        rungs = of.fidelity.rungs()
        for row in connection.execute(highest):
            following = next((one for one in rungs if row.rung is None or one > row.rung), None)
            if row.paused_rung is None and following is not None and steps[row.id] >= following:
                found.append(row.id)
    return sorted(found)


def judge(connection: Connection, ids: Iterable[int]) -> None:
    """Store what these evaluations have reached at rungs, and decide who runs on, pauses, is promoted.

    Campaigns are locked, in the order that all take; other evaluations of them may be promoted.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return
    counters = CounterChanges.of_evaluations(connection, wanted)
    for of, mine in _with_fidelity(connection, wanted).items():
        _Bench(connection, of, counters).judge(lock_rows_of(connection, sorted(mine)))
    counters.save(connection)


def judge_ends(connection: Connection, rows: Sequence[DatabaseRow], results: Mapping[int, float]) -> None:
    """As `judge`, of evaluations that are DONE with these results; without a fidelity it asks for nothing.

    One that has not reported the last step has its result there: whether rungs say what the end will be is
    judged by ends, whether programs count their steps from 0 or end before the last one.

    Args:
        rows: of `lock_rows_of`.
        results: their objectives by ids.
    """
    found = _by_fidelity(connection, rows)
    if not found:
        return
    counters = CounterChanges.of_evaluations(connection, results)
    for of, mine in found.items():
        _Bench(connection, of, counters).judge(lock_rows_of(connection, sorted(mine)), results)
    counters.save(connection)


def promote(connection: Connection, campaign_id: int) -> int:
    """Decide again about all that is paused in a campaign; returns how many are READY by it.

    Where these are PROMOTED_AT_ONCE, more may be left for the next call.

    As rungs gain values this happens by itself: it is for what changes otherwise, such as a revised fidelity.
    """
    fidelity = _fidelity_of(connection, campaign_id)
    if fidelity is None:
        return 0
    counters = CounterChanges.of_campaign(connection, campaign_id)
    bench = _Bench(connection, _Campaign(campaign_id, fidelity), counters)
    promoted = bench.judge_again()
    counters.save(connection)
    return promoted


class _Bench:
    """One decision of one campaign, whose lock the transaction has."""

    def __init__(self, connection: Connection, of: _Campaign, counters: CounterChanges) -> None:
        self._connection, self._campaign, self._counters = connection, of, counters
        self._rungs = of.fidelity.rungs()
        direction = select(campaign.c.direction).where(campaign.c.id == of.id)
        self._sign = 1.0 if connection.execute(direction).scalar_one() == "minimize" else -1.0
        self._known = standings_of(connection, of.id, of.fidelity)
        self._standings = self._known.by_rung
        self._held_back: set[int] = set()  # by this decision
        self._open: set[tuple[int, int]] = set()  # (id, rung) of those from which nothing let them run on
        self._known_rule: Rule | None = None
        self._promoted = 0
        self._events: list[NewEvent] = []

    def judge(self, rows: Sequence[DatabaseRow], results: Mapping[int, float] = _NO_RESULTS) -> None:
        """What has reported goes on, or is to be paused; others are promoted by what it gave."""
        gained: set[int] = set()
        last = len(self._rungs) - 1
        self._open |= open_rungs(self._connection, [row.id for row in rows])
        for row in rows:
            gained |= self._advance(row, row.paused_rung, is_live=row.state == State.RUNNING.value)
            if row.id in results and row.id not in self._standings[self._rungs[last]]:
                end = self._rungs[last]
                self._enter(row, last, RungRow(row.id, end, end, row.attempt, results[row.id]), is_live=False)
        self._promote_from(gained)
        self._finish()

    def judge_again(self) -> int:
        """All that is paused is judged by the rungs that there are now."""
        mine = evaluation.c.campaign_id == self._campaign.id
        for row in lock_rows(self._connection, is_paused, mine, evaluation.c.paused_rung.not_in(self._rungs)):
            if self._promoted < PROMOTED_AT_ONCE:
                self._move_down(row)
        self._promote_from(set(self._rungs))
        self._finish()
        return self._promoted

    def _move_down(self, row: DatabaseRow) -> None:
        """Its rung is none any more: it waits at the one below, or goes on where it has come to none."""
        below = max((rung for rung in self._rungs if rung < row.paused_rung), default=None)
        if below is not None:
            self._advance(row, below, is_live=False)
        if below is not None and row.id in self._standings[below]:
            self._set(row, paused_rung=below)
            place = place_of(row.id, below, self._standings[below])
            words = f"{place}, where it waits: rung {row.paused_rung} is none any more"
            decide_again(self._connection, row.id, below, kept=False, reason=words)
        else:
            self._go_on(row, f"rung {row.paused_rung} is none any more")

    def _advance(self, row: DatabaseRow, held_at: int | None, *, is_live: bool) -> set[int]:
        """Store what an evaluation has reached, as far as it may run; returns the rungs that gained a value.

        Args:
            held_at: the rung at which it is paused.
            is_live: whether it runs, or would: one that has ended, or waits, is not judged.
        """
        gained: set[int] = set()
        if row.state == State.READY.value and not is_live:
            return gained  # once it runs
        for index, rung in enumerate(self._rungs):
            has_value = row.id in self._standings[rung]
            if has_value and not (is_live and self._is_judged_again(row, rung)):
                continue
            if held_at is not None and rung > held_at:
                break
            reached = None if has_value else first_report_from(self._connection, row.id, rung)
            if reached is None and not has_value:
                break
            kept = self._enter(row, index, reached, is_live=is_live)
            gained.add(rung)
            if not kept:
                held_at = rung
        return gained

    def _is_judged_again(self, row: DatabaseRow, rung: int) -> bool:
        """Whether it has a value there, may not run on from it, and is not held there: it was run again."""
        return (row.id, rung) in self._open and rung != row.paused_rung

    def _enter(self, row: DatabaseRow, index: int, reached: RungRow | None, *, is_live: bool) -> bool:
        """Store a value on a rung; whether it runs on from there.

        Args:
            reached: None for the value that it has there, by which it is judged again.
        """
        rung, rule = self._rungs[index], self._rule()
        others = dict(self._standings[rung])  # in the order in which they came
        before = others.pop(row.id, None)
        value = before if reached is None else self._sign * reached.value
        verdict = rule.keeps(index, list(others.values()), value)
        is_exempt = not is_live or index < rule.first_rung(row.ordinal)
        kept = verdict.keep or is_exempt
        reason = verdict.reason
        if not is_live and index < len(self._rungs) - 1:
            reason += "; not judged there, it did not run any more"
        elif is_exempt and not verdict.keep:
            reason += "; it runs on there whatever its value is"
        if reached is None:
            decide_again(self._connection, row.id, rung, kept=kept, reason=reason)
        else:
            add_rung(self._connection, self._campaign.id, reached, kept=kept, reason=reason)
        self._standings[rung][row.id] = value
        if index == len(self._rungs) - 1:
            self._known_rule = None  # how far rungs say what the end will be is judged by ends
        if not kept:
            self._held_back.add(row.id)
            self._set(row, paused_rung=rung)
        elif is_live and row.state == State.RUNNING.value:
            self._note(row, Move.KEEP, f"runs on: {reason}")
        return kept

    def _promote_from(self, gained: set[int]) -> None:
        """Promote what is among those that run on by now; what had gone further gives values above."""
        for index, rung in enumerate(self._rungs):  # upwards: promotions fill the rungs above
            if rung not in gained:
                continue
            held = self._held_at(rung)
            self._held_back.difference_update(held)
            chosen = self._rule().promotable(index, self._standings[rung], held) if held else ()
            rows = {row.id: row for row in lock_rows_of(self._connection, chosen)} if chosen else {}
            for one in chosen:
                if self._promoted >= PROMOTED_AT_ONCE:
                    return
                gained |= self._go_on(rows[one], place_of(one, rung, self._standings[rung]))

    def _go_on(self, row: DatabaseRow, reason: str) -> set[int]:
        """Promote one; returns the rungs above that gained its value, from what it had reported already."""
        note_promotions(self._connection, {row.id: row.paused_rung}, reason)
        self._open |= open_rungs(self._connection, [row.id])
        gained = self._advance(row, None, is_live=True)
        is_held_above = row.id in self._held_back
        words = f"promoted: {reason}"
        if row.state == State.RUNNING.value:
            if not is_held_above:
                self._set(row, paused_rung=None)
            self._note(row, Move.KEEP, f"{words}, before it was ended")
        elif not is_held_above:  # else it had come further, and waits there
            self._wake(row, words)
        return gained

    def _wake(self, row: DatabaseRow, words: str) -> None:
        self._set(row, paused_rung=None, state=State.READY.value)
        self._counters.reopen(row.campaign_id, State.PAUSED)
        self._note(row, Move.PROMOTE, words + beginning(self._connection, row.id, row.attempt))
        self._promoted += 1
        if row.is_of_old_revision:
            renew_waiting(self._connection, [row.campaign_id])

    def _held_at(self, rung: int) -> list[int]:
        """Ids of those that are paused there, or to be: that changes under the campaign's lock alone.

        What lies outside of a space that was revised is left out: no result of it would count.
        """
        at = (
            evaluation.c.campaign_id == self._campaign.id,
            evaluation.c.paused_rung == rung,
            or_(evaluation.c.next_configuration.is_(None), ~is_outside),
        )
        statements = [select(evaluation.c.id).where(state, *at) for state in (is_paused, is_running)]
        return [one for each in statements for one in self._connection.execute(each).scalars()]

    def _set(self, row: DatabaseRow, **values: object) -> None:
        self._connection.execute(update(evaluation).where(evaluation.c.id == row.id).values(values))

    def _rule(self) -> Rule:
        if self._known_rule is None:
            self._known_rule = rule_of(self._campaign.fidelity, self._known.shares())
        return self._known_rule

    def _note(self, row: DatabaseRow, move: Move, detail: str) -> None:
        launcher_id = row.launcher_id if move is Move.KEEP else None
        self._events.append(NewEvent(row.id, move, row.attempt, launcher_id, detail=text_value(detail)))

    def _finish(self) -> None:
        record(self._connection, self._events)
        if self._promoted:
            notify(self._connection, NotifyChannel.READY)


def _with_fidelity(connection: Connection, ids: Iterable[int]) -> dict[_Campaign, list[int]]:
    """The evaluations of campaigns with a fidelity, by campaign in the order of ids."""
    statement = (
        select(
            *(evaluation.c.id, evaluation.c.campaign_id, campaign.c.uid),
            campaign.c.revision.label("campaign_revision"),
        )
        .join(campaign, campaign.c.id == evaluation.c.campaign_id)
        .where(id_in(connection, evaluation.c.id, ids))
    )
    return _by_fidelity(connection, connection.execute(statement).all())


def _by_fidelity(connection: Connection, rows: Sequence[DatabaseRow]) -> dict[_Campaign, list[int]]:
    """The same from rows that say of which campaign they are, and of which revision that is."""
    found: dict[_Campaign, list[int]] = {}
    for row in sorted(rows, key=lambda one: (one.campaign_id, one.id)):
        fidelity = _known_fidelity(connection, row)
        if fidelity is not None:
            found.setdefault(_Campaign(row.campaign_id, fidelity), []).append(row.id)
    return found


def _known_fidelity(connection: Connection, row: DatabaseRow) -> Fidelity | None:
    key = (str(row.uid), int(row.campaign_revision))
    if key not in _known or not row.uid:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[key] = _fidelity_of(connection, row.campaign_id)
    return _known[key]


def _fidelity_of(connection: Connection, campaign_id: int) -> Fidelity | None:
    return fidelity_from_json(get_campaign(connection, campaign_id).definition.problem.get("fidelity"))
