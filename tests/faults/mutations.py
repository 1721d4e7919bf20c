"""Bugs put in on purpose, each with the faults that bring it to light: they prove that the checks see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

from sqlalchemy import or_

from ambs_hpc.campaign.loop import SearchLoop
from ambs_hpc.launcher import recovery
from ambs_hpc.launcher.executors.attempt_ends import outcome_of
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.queue.schema.tables import is_ready, is_running
from ambs_hpc.queue.verbs import claim, event_log, late_results, release, results
from ambs_hpc.queue.verbs.counters import CounterChanges
from ambs_hpc.simulate.faults import FaultKind, FaultSettings, settings_of
from ambs_hpc.states import Move, State

RUNNING = State.RUNNING.value
K = FaultKind
DEATHS = frozenset({K.KILL, K.KILL_ALONE, K.KILL_BEFORE_COMMIT, K.KILL_AFTER_COMMIT})
PEOPLE = frozenset({K.CANCEL, K.RERUN})


@dataclass(frozen=True)
class Mutation:
    """A bug.

    Args:
        name: what the program does with it.
        patch: puts it in.
        kinds: the faults that are injected.
        caught_by: the seed that caught it when it was written; it is tried first.
        told: a part of what the check says.
        settings: what else differs from the settings of a seed, so that fewer seeds are needed.
    """

    name: str
    patch: Callable[[], Any]
    kinds: frozenset[FaultKind]
    caught_by: int
    told: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def settings_of(self, seed: int) -> FaultSettings:
        """The settings of a seed for this bug."""
        changes = {"kinds": self.kinds, "rate": 0.1, "bound_seconds": 900.0, **self.settings}
        return replace(settings_of(seed), **changes)


def complete_ignores_the_token() -> Any:
    def is_running(row: Any, outcome: Any) -> bool:
        return bool((row.state, row.attempt) == (RUNNING, outcome.attempt))

    return mock.patch.object(results, "_is_running", is_running)


def complete_ignores_the_attempt() -> Any:
    return mock.patch.object(results, "_is_running", lambda row, outcome: row.state == RUNNING)


def a_rerun_is_not_counted() -> Any:
    return mock.patch.object(CounterChanges, "reopen", lambda self, campaign_id, before: None)


def the_living_are_swept() -> Any:
    def is_dead(one: Any, stale_after_seconds: float, is_gone: object) -> bool:
        return bool(one.ended or one.heartbeat_age_seconds > stale_after_seconds / 10)

    return mock.patch("ambs_hpc.queue.verbs.sweep._is_dead", is_dead)


def release_gives_back_what_others_hold() -> Any:
    def released(connection: Any, launcher_id: int, held: Any, *, interrupted: bool, reason: str) -> int:
        ids = [evaluation_id for evaluation_id, _ in held]
        counters = CounterChanges.of_evaluations(connection, ids)
        rows = [row for row in release.lock_rows_of(connection, ids) if row.claimed_at is not None]
        ends = [release.Interruption(row, row.claimed_at, interrupted) for row in rows]
        release.release_rows(connection, ends, counters, Move.RELEASE, reason)
        return len(rows)

    return mock.patch("ambs_hpc.launcher.exchange.release", released)


def late_results_count_after_a_rerun() -> Any:
    def was_taken(story: Any, outcome: Any) -> bool:
        return any(event.claim_token == outcome.token for event in story)

    return mock.patch.object(late_results, "_was_taken", was_taken)


def a_sweep_leaves_no_event() -> Any:
    def record(connection: Any, events: Any) -> None:
        event_log.record(connection, [one for one in events if one.move is not Move.SWEEP])

    return mock.patch.object(release, "record", record)


@contextmanager
def a_restarted_search_begins_its_budget_anew() -> Iterator[None]:
    restore, missing = SearchLoop._restore, SearchLoop._missing

    def remembering(self: Any, *arguments: Any) -> None:
        restore(self, *arguments)
        self.restored = self._proposed

    def forgetting(self: Any, connection: Any, by_state: Any) -> int:
        before = self._proposed
        self._proposed = before - getattr(self, "restored", 0)
        try:
            return missing(self, connection, by_state)
        finally:
            self._proposed = before

    with (
        mock.patch.object(SearchLoop, "_restore", remembering),
        mock.patch.object(SearchLoop, "_missing", forgetting),
    ):
        yield


def a_lost_answer_is_taken_for_a_failure() -> Any:
    from ambs_hpc.campaign import loop

    asked = loop.proposals_of

    def none_of_the_new(connection: Any, campaign_id: int, *first: int) -> Any:
        return [] if first else asked(connection, campaign_id)

    return mock.patch.object(loop, "proposals_of", none_of_the_new)


def recovery_ignores_the_token() -> Any:
    def outcome_on_disk(held: Any) -> Any:
        folder = attempt_folder(held.run_directory, held.ordinal, held.attempt)
        report = recovery.read_outcome(folder, held.attempt, None)
        return None if report is None else replace(outcome_of(report), id=held.id, token=held.token)

    return mock.patch.object(recovery, "outcome_on_disk", outcome_on_disk)


def the_sweep_does_not_look_on_disk() -> Any:
    return mock.patch.object(recovery, "outcome_on_disk", lambda held: None)


def a_retry_is_not_counted() -> Any:
    counted = results._after_failure

    def uncounted(row: Any, outcome: Any) -> dict[str, Any]:
        return {**counted(row, outcome), "failures": row.failures}

    return mock.patch.object(results, "_after_failure", uncounted)


@contextmanager
def what_runs_is_claimed_again() -> Iterator[None]:
    claim._claim_statement.cache_clear()
    with mock.patch.object(claim, "is_ready", or_(is_ready, is_running)):
        yield
    claim._claim_statement.cache_clear()


def endings_share_a_number() -> Any:
    number = CounterChanges.number

    def same(self: Any, campaign_id: int, state: State, before: State) -> int:
        given = number(self, campaign_id, state, before)
        if state is State.FAILED:
            self._last[campaign_id] -= 1
        return given

    return mock.patch.object(CounterChanges, "number", same)


MUTATIONS = [
    Mutation(
        "complete ignores the token",
        complete_ignores_the_token,
        frozenset({K.DATABASE_BACK, K.REPORT_LATE, K.DATABASE_AWAY}),
        0,
        "ends the lease",
        {"run_seconds": 60.0, "slots": 3},
    ),
    Mutation(
        "complete ignores the attempt",
        complete_ignores_the_attempt,
        frozenset({K.PAUSE, K.TOLD_EARLY}),
        33,
        "ends the lease",
        # Long evaluations of launchers that often stop: those that come back find a successor at work.
        {"seconds_between": 10.0, "run_seconds": 60.0, "faulty_seconds": 500.0, "failing": 0.0},
    ),
    Mutation("a rerun is not counted", a_rerun_is_not_counted, PEOPLE, 1, "CHECK constraint failed"),
    Mutation("the living are swept", the_living_are_swept, frozenset({K.PAUSE}), 1, "was alive"),
    Mutation(
        "release gives back what others hold",
        release_gives_back_what_others_hold,
        frozenset({K.ANSWER_LOST, K.NODE_FAILURE, K.PAUSE, K.TOLD_EARLY}),
        13,
        "CHECK constraint failed",
    ),
    Mutation(
        "late results count after a rerun",
        late_results_count_after_a_rerun,
        PEOPLE | {K.REPORT_LATE, K.REPORT_TWICE},
        2,
        "was not taken from",
        {"intervention_seconds": 10.0, "intervention_share": 0.6},
    ),
    Mutation("a sweep leaves no event", a_sweep_leaves_no_event, DEATHS, 0, "claim from"),
    Mutation(
        "a restarted search begins its budget anew",
        a_restarted_search_begins_its_budget_anew,
        DEATHS,
        0,
        "budget",
    ),
    Mutation(
        "a lost answer is taken for a failure",
        a_lost_answer_is_taken_for_a_failure,
        frozenset({K.ANSWER_LOST}),
        6,
        "crashed",
    ),
    Mutation(
        "recovery ignores the token",
        recovery_ignores_the_token,
        DEATHS | {K.DATABASE_BACK},
        19,
        "objective",
    ),
    Mutation("the sweep does not look on disk", the_sweep_does_not_look_on_disk, DEATHS, 0, "nobody looked"),
    Mutation("a retry is not counted", a_retry_is_not_counted, frozenset({K.KILL}), 0, "failures"),
    Mutation(
        "what runs is claimed again",
        what_runs_is_claimed_again,
        frozenset(),
        3,
        "claim from",
        # Launchers then take from each other without end: without faults a short run shows it.
        {"bound_seconds": 30.0, "faulty_seconds": 0.0, "budget": 4, "run_seconds": 5.0, "failing": 0.0},
    ),
    Mutation("endings share a number", endings_share_a_number, frozenset({K.KILL}), 0, "finish_sequence"),
]
