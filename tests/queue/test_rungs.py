"""Evaluations pause at rungs and are promoted, by rows alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, update

from ambs_hpc.api.evaluation_reasons import evaluation_reasons
from ambs_hpc.api.evaluation_words import followed, reason_lines
from ambs_hpc.fidelity import Fidelity, fidelity_to_json
from ambs_hpc.queue import (
    NO_CHECKPOINT,
    OUTSIDE_OF_SPACE,
    PROMOTED_AT_ONCE,
    Evidence,
    NewReport,
    NewRevision,
    add_reports,
    cancel,
    claim,
    complete,
    counts,
    end_launcher,
    fail,
    get_campaign,
    pause,
    promote,
    reading,
    release,
    rerun,
    revise_waiting,
    rung_results_since,
    rungs_of,
    show_evaluation,
    store_revision,
    sweep,
    to_be_paused,
    transaction,
)
from ambs_hpc.queue.schema.tables import evaluation
from ambs_hpc.queue.verbs.rungs import standings
from ambs_hpc.queue.verbs.rungs.standings import standings_of
from ambs_hpc.records import Claim
from ambs_hpc.states import Move, State
from tests.queue import stock

FIDELITY = Fidelity("epochs", 1, 9)  # rungs 1, 3, 9
EXEMPT = 8  # the first ones run to the end whatever their values are


class Trial:
    """A campaign with a fidelity of which `number` evaluations run, after the exempt ones."""

    def __init__(self, engine: Engine, number: int, **changes: object) -> None:
        self.engine = engine
        problem = {**stock.CAMPAIGN.problem, "fidelity": fidelity_to_json(FIDELITY)}
        with transaction(engine) as connection:
            self.campaign = stock.campaign(connection, problem=problem, **changes)
            self.launcher = stock.launcher(connection)
            stock.evaluations(connection, self.campaign.id, number, first=EXEMPT)
            self.claims = claim(connection, self.launcher, number)

    def report(self, one: Claim, values: Sequence[float], first: int = 1) -> None:
        """It reports these values after steps from `first` on."""
        told = [
            NewReport(one.id, one.attempt, one.token, step, value, time.time())
            for step, value in enumerate(values, first)
        ]
        with transaction(self.engine) as connection:
            add_reports(connection, told)

    def pause(self, *claims: Claim, note: str = "") -> None:
        """Its launcher has ended these."""
        with transaction(self.engine) as connection:
            pause(connection, self.launcher, [(one.id, one.attempt) for one in claims], note)

    def states(self) -> list[str]:
        """Of the evaluations, one letter each."""
        with reading(self.engine) as connection:
            return [show_evaluation(connection, one.id).row.state.value for one in self.claims]

    def to_end(self) -> set[int]:
        """Ids of what its launcher is to end."""
        with reading(self.engine) as connection:
            return {evaluation_id for evaluation_id, _ in to_be_paused(connection, self.launcher)}

    def moves(self, one: Claim) -> list[tuple[Move, str | None]]:
        """What happened to it after its claim, with the reasons."""
        with reading(self.engine) as connection:
            events = show_evaluation(connection, one.id).events
        return [(event.move, event.detail) for event in events][2:]


def test_what_is_not_among_the_best_pauses_and_is_promoted_later(any_engine: Engine) -> None:
    """The vertical slice: kept, paused, promoted by what others gave, claimed again, complete."""
    trial = Trial(any_engine, 4)
    first, second, third, fourth = trial.claims
    trial.report(first, [0.5])
    trial.report(second, [0.6])
    assert trial.to_end() == {second.id}
    trial.pause(second, note=NO_CHECKPOINT)
    assert trial.states() == ["RUNNING", "PAUSED", "RUNNING", "RUNNING"]
    with reading(any_engine) as connection:
        assert counts(connection, trial.campaign.id)[State.PAUSED] == 1
    for one, value in ((third, 0.8), (fourth, 0.9)):
        trial.report(one, [value])
        trial.pause(one)
    assert trial.states() == ["RUNNING", "PAUSED", "PAUSED", "PAUSED"]
    with transaction(any_engine) as connection:
        stock.evaluations(connection, trial.campaign.id, 2, first=EXEMPT + 4)
        more = claim(connection, trial.launcher, 2)
    trial.report(more[0], [0.95])
    trial.report(more[1], [0.97])
    assert trial.states() == ["RUNNING", "READY", "PAUSED", "PAUSED"]
    told = trial.moves(second)
    assert told == [
        (Move.PAUSE, f"paused: 2nd of 2 at step 1, of which 1 run on; {NO_CHECKPOINT}"),
        (
            Move.PROMOTE,
            "promoted: 2nd of 6 at step 1; from the start, it left no checkpoint",
        ),
    ]
    with transaction(any_engine) as connection:
        (again,) = claim(connection, trial.launcher, 1)
    assert (again.id, again.attempt) == (second.id, 2)
    trial.report(again, [0.99, 0.5])  # from the start: step 1 counts no more
    assert second.id not in trial.to_end()
    with transaction(any_engine) as connection:
        complete(connection, trial.launcher, [stock.success(again)])
        rows = rungs_of(connection, second.id)
        by_state = counts(connection, trial.campaign.id)
    assert [(row.rung, row.value, row.kept, row.promoted_at is not None) for row in rows] == [
        (1, 0.6, False, True),
        (9, 0.5, True, False),  # its result: it has not reported the last step
    ]
    assert (by_state[State.PAUSED], by_state[State.DONE], by_state[State.READY]) == (2, 1, 0)


def test_the_first_report_at_or_above_a_rung_is_its_value(any_engine: Engine) -> None:
    """A program that reports every fifth step has values on all rungs; later reports change nothing."""
    trial = Trial(any_engine, 1, direction="maximize")
    (one,) = trial.claims
    trial.report(one, [0.4], first=5)
    trial.report(one, [0.1], first=3)
    trial.report(one, [0.7], first=10)
    with reading(any_engine) as connection:
        rows = rung_results_since(connection, trial.campaign.id)
    assert [(row.rung, row.step, row.value, row.kept) for row in rows] == [
        (1, 5, 0.4, True),
        (3, 5, 0.4, True),
        (9, 10, 0.7, True),
    ]
    with reading(any_engine) as connection:
        assert rung_results_since(connection, trial.campaign.id, rows[-1].sequence) == []
    assert [move for move, _ in trial.moves(one)] == [Move.KEEP] * 3


def test_a_promotion_says_the_place_by_which_it_was_chosen(any_engine: Engine) -> None:
    """Of equals the first one is promoted: "2nd of 6", and not behind the others."""
    trial = Trial(any_engine, 6)
    for one, value in zip(trial.claims, (0.1, 0.5, 0.5, 0.5, 0.9, 0.9), strict=True):
        trial.report(one, [value])
    assert trial.moves(trial.claims[1]) == [(Move.KEEP, "promoted: 2nd of 6 at step 1, before it was ended")]


def test_what_runs_on_past_its_rung_while_it_is_ended_waits_for_its_promotion(any_engine: Engine) -> None:
    """Whatever the time a TERM takes, the rungs are the same; then what is known already counts at once."""
    trial = Trial(any_engine, 6)
    best, late, *others = trial.claims
    trial.report(best, [0.1, 0.1, 0.1])
    trial.report(late, [0.5, 0.5, 0.5])
    with reading(any_engine) as connection:
        assert [row.rung for row in rungs_of(connection, late.id)] == [1]
    trial.pause(late)
    for one in others:
        trial.report(one, [0.9])
    with reading(any_engine) as connection:
        rows = rungs_of(connection, late.id)
    assert [(row.rung, row.kept, row.promoted_at is None) for row in rows] == [
        (1, False, False),
        (3, False, True),
    ]
    assert trial.states()[1] == "PAUSED"
    told = list(reason_lines(evaluation_reasons(any_engine, late.id)))
    assert "paused: 2nd of 2 at step 3, of which 1 run on" in told


@pytest.mark.parametrize("ending", ["sweep", "release", "retry"])
def test_an_attempt_that_is_to_pause_pauses_however_it_ends(any_engine: Engine, ending: str) -> None:
    """A killed launcher, a walltime and a failure on the way leave what the pause would have left."""
    trial = Trial(any_engine, 2)
    best, other = trial.claims
    trial.report(best, [0.1])
    trial.report(other, [0.2])
    with transaction(any_engine) as connection:
        if ending == "sweep":
            end_launcher(connection, trial.launcher)
            sweep(connection, stale_after_seconds=1e9, is_gone=lambda one: Evidence.ALIVE)
        elif ending == "release":
            release(connection, trial.launcher, [(other.id, 1)], interrupted=True, reason="walltime")
        else:
            assert fail(connection, trial.launcher, [stock.failure(other)]) == [(other.id, State.PAUSED)]
        row = show_evaluation(connection, other.id).row
    assert (row.state, row.interruptions, row.failures) == (State.PAUSED, 0, int(ending == "retry"))
    assert trial.moves(other)[-1][0] is Move.PAUSE


def test_a_result_that_comes_while_it_is_paused_counts(any_engine: Engine) -> None:
    """It had finished by itself: nothing is thrown away, also where its launcher was given up before."""
    trial = Trial(any_engine, 3)
    best, second, third = trial.claims
    trial.report(best, [0.1])
    trial.report(second, [0.2, 0.2, 0.2])
    trial.report(third, [0.3])
    trial.pause(third)
    with transaction(any_engine) as connection:
        done = complete(connection, trial.launcher, [stock.success(second), stock.success(third)])
        by_state = counts(connection, trial.campaign.id)
        rungs = [
            (row.ordinal, row.rung, row.kept) for row in rung_results_since(connection, trial.campaign.id)
        ]
    assert done == [second.id, third.id]
    first_number = best.ordinal
    assert rungs == [
        *((first_number, 1, True), (first_number + 1, 1, False), (first_number + 2, 1, False)),
        (first_number + 1, 3, True),  # reported before its TERM came
        *((first_number + 1, 9, True), (first_number + 2, 9, True)),  # the results
    ]
    assert by_state == {**dict.fromkeys(State, 0), State.RUNNING: 1, State.DONE: 2}


def test_what_is_promoted_while_it_is_ended_waits_without_a_count(any_engine: Engine) -> None:
    """The TERM was sent for a reason that is none any more: it goes on from its checkpoint."""
    trial = Trial(any_engine, 6)
    for one, value in zip(trial.claims, (0.1, 0.2, 0.5, 0.6, 0.7, 0.8), strict=True):
        trial.report(one, [value])
    second = trial.claims[1]
    assert second.id not in trial.to_end()
    trial.pause(second)
    assert trial.states()[1] == "READY"
    with reading(any_engine) as connection:
        assert show_evaluation(connection, second.id).row.interruptions == 0
    assert [move for move, _ in trial.moves(second)] == [Move.KEEP, Move.RELEASE]


def test_people_cancel_and_promote_what_is_paused(any_engine: Engine) -> None:
    """By its id: a rerun of all that failed leaves paused ones alone."""
    trial = Trial(any_engine, 3)
    best, second, third = trial.claims
    trial.report(best, [0.1])
    for one in (second, third):
        trial.report(one, [0.2])
        trial.pause(one)
    with transaction(any_engine) as connection:
        assert rerun(connection, campaign_id=trial.campaign.id) == []
        assert rerun(connection, ids=[second.id]) == [second.id]
        assert cancel(connection, ids=[third.id]) == [third.id]
        by_state = counts(connection, trial.campaign.id)
        (again,) = claim(connection, trial.launcher, 1)
    assert (by_state[State.READY], by_state[State.CANCELLED], by_state[State.PAUSED]) == (1, 1, 0)
    trial.report(again, [0.9])
    assert trial.to_end() == set()


@pytest.mark.parametrize("ending", ["failed", "cancelled", "done", "paused"])
def test_show_says_what_became_of_an_evaluation_at_a_rung(any_engine: Engine, ending: str) -> None:
    """One that ended before its pause was never paused: a person would look for it in vain."""
    trial = Trial(any_engine, 2, max_failures=1)
    best, other = trial.claims

    def then() -> str:
        with reading(any_engine) as connection:
            return followed(rungs_of(connection, other.id)[0], show_evaluation(connection, other.id).events)

    trial.report(best, [0.1])
    trial.report(other, [0.2])
    assert then() == "is to pause"
    if ending == "paused":
        trial.pause(other)
        assert then() == "paused"
    with transaction(any_engine) as connection:
        if ending == "failed":
            fail(connection, trial.launcher, [stock.failure(other)])
        elif ending == "done":
            complete(connection, trial.launcher, [stock.success(other)])
        else:
            cancel(connection, ids=[other.id])
    assert then() == ending
    if ending != "done":
        with transaction(any_engine) as connection:
            rerun(connection, ids=[other.id])
        assert then() == "to be judged again"


@pytest.mark.parametrize("ending", ["failed", "cancelled", "cancelled_paused"])
def test_what_ended_while_it_was_held_is_judged_again(any_engine: Engine, ending: str) -> None:
    """A rerun of all that failed promotes nobody: it would run past its rung whatever its value is."""
    trial = Trial(any_engine, 3, max_failures=1)
    best, other, _ = trial.claims
    trial.report(best, [0.1])
    trial.report(other, [0.2])
    if ending == "cancelled_paused":
        trial.pause(other)
    with transaction(any_engine) as connection:
        if ending == "failed":
            assert fail(connection, trial.launcher, [stock.failure(other)]) == [(other.id, State.FAILED)]
        else:
            assert cancel(connection, ids=[other.id]) == [other.id]
        campaign_id = trial.campaign.id
        assert rerun(connection, campaign_id=campaign_id, failed=ending == "failed") == [other.id]
        (again,) = claim(connection, trial.launcher, 1)
    assert (again.id, again.attempt, trial.moves(other)[-2]) == (other.id, 2, (Move.RERUN, None))
    assert trial.to_end() == set()
    trial.report(again, [0.3])
    assert trial.to_end() == {other.id}
    trial.pause(again)
    assert trial.states()[1] == "PAUSED"
    with reading(any_engine) as connection:
        assert [(row.rung, row.kept, row.promoted_at) for row in rungs_of(connection, other.id)] == [
            (1, False, None)
        ]


def test_what_is_judged_again_is_so_where_others_came_to_the_rung_since(any_engine: Engine) -> None:
    """A process that remembers what was forgotten would let it run on past the rung, unjudged."""
    trial = Trial(any_engine, 3, max_failures=1)
    best, other, third = trial.claims
    trial.report(best, [0.1])
    trial.report(other, [0.2])
    trial.report(third, [0.5])
    trial.report(best, [0.1, 0.1], first=2)
    with transaction(any_engine) as connection:
        fail(connection, trial.launcher, [stock.failure(other)])
        rerun(connection, campaign_id=trial.campaign.id, failed=True)
        (again,) = claim(connection, trial.launcher, 1)
    trial.report(again, [0.3])
    assert trial.to_end() == {other.id, third.id}


def test_other_processes_know_the_values_that_are_there_after_a_rerun(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Launchers decide by what they have read once: a value that was gone would count in some of them."""
    trial = Trial(any_engine, 3, max_failures=1)
    best, other, third = trial.claims
    elsewhere: dict[object, object] = {}

    def known(memory: dict[object, object]) -> list[tuple[int, tuple[int, float | None]]]:
        monkeypatch.setattr(standings, "_known", memory)
        with reading(any_engine) as connection:
            by_rung = standings_of(connection, trial.campaign.id, FIDELITY).by_rung
        return [(rung, one) for rung in by_rung for one in by_rung[rung].items()]

    for one, value in ((best, 0.1), (other, 0.2), (third, 0.5)):
        trial.report(one, [value])
    assert len(known(elsewhere)) == 3
    monkeypatch.setattr(standings, "_known", {})
    with transaction(any_engine) as connection:
        fail(connection, trial.launcher, [stock.failure(other)])
        rerun(connection, campaign_id=trial.campaign.id, failed=True)
        (again,) = claim(connection, trial.launcher, 1)
    assert known(elsewhere) == known({})
    trial.report(again, [0.3])
    assert known(elsewhere) == known({})
    with reading(any_engine) as connection:
        assert [row.value for row in rungs_of(connection, other.id)] == [0.2]  # as the first attempt told


def test_what_lies_outside_of_a_revised_space_is_not_promoted(any_engine: Engine) -> None:
    """It was running when the space was revised, and nothing that it gives would count."""
    trial = Trial(any_engine, 3)
    best, second, third = trial.claims
    with transaction(any_engine) as connection:
        revise_waiting(connection, {second.id: OUTSIDE_OF_SPACE})
    for one, value in ((best, 0.1), (second, 0.2), (third, 0.3)):
        trial.report(one, [value])
    trial.pause(second, third)
    with transaction(any_engine) as connection:
        stock.evaluations(connection, trial.campaign.id, 6, first=EXEMPT + 3)
        more = claim(connection, trial.launcher, 6)
    for one in more:
        trial.report(one, [0.9])
    assert trial.states()[:3] == ["RUNNING", "PAUSED", "READY"]


def test_a_repeated_decision_changes_nothing(any_engine: Engine) -> None:
    """Whoever does not know whether a commit went through may do it again, and searches ask anew."""
    trial = Trial(any_engine, 3)
    for one, value in zip(trial.claims, (0.1, 0.2, 0.3), strict=True):
        trial.report(one, [value])
        trial.report(one, [value])
    trial.pause(*trial.claims[1:])
    with transaction(any_engine) as connection:
        before = rung_results_since(connection, trial.campaign.id)
        assert promote(connection, trial.campaign.id) == 0
        assert rung_results_since(connection, trial.campaign.id) == before
    assert [len(trial.moves(one)) for one in trial.claims] == [1, 1, 1]


def test_what_is_paused_is_judged_by_the_rungs_of_a_revision(any_engine: Engine) -> None:
    """Not all of it runs on because its rung is none any more: it waits at the one below."""
    trial = Trial(any_engine, 4)
    best, second, third, fourth = trial.claims
    for one, value in zip(trial.claims, (0.1, 0.2, 0.3, 0.4), strict=True):
        trial.report(one, [value, value])
    trial.pause(second, third, fourth)
    revised = fidelity_to_json(Fidelity("epochs", 2, 9, eta=2))
    with transaction(any_engine) as connection:
        before = trial.campaign.definition
        after = replace(before, problem={**before.problem, "fidelity": revised})
        store_revision(connection, NewRevision(trial.campaign, after, "me@here", []), {})
        connection.execute(update(evaluation).values(paused_rung=3).where(evaluation.c.id != best.id))
        assert promote(connection, trial.campaign.id) == 1
        rungs = [(row.rung, row.value, row.kept, row.is_held) for row in rungs_of(connection, third.id)]
        promoted = [(row.rung, row.promoted_at is not None) for row in rungs_of(connection, second.id)]
    assert trial.states() == ["RUNNING", "READY", "PAUSED", "PAUSED"]
    assert rungs == [(1, 0.3, False, False), (2, 0.3, False, True)]
    assert promoted == [(1, False), (2, True)]
    told = list(reason_lines(evaluation_reasons(any_engine, third.id)))
    assert told[-3] == "paused: 2nd of 2 at step 2, where it waits: rung 3 is none any more"


def test_what_waits_at_a_lower_rung_is_not_said_to_have_run_on_there(any_engine: Engine) -> None:
    """It had, and its rung is none any more; where that is one again, it is judged there again."""
    trial = Trial(any_engine, 7)
    best, held, *others = trial.claims
    trial.report(best, [0.1, 0.1, 0.1])
    trial.report(held, [0.2, 0.2, 0.2])
    trial.pause(held)
    for one in others[:4]:
        trial.report(one, [0.9])  # promotes it from rung 1; at rung 3 it is held by what it had reported
    definition = trial.campaign.definition

    def revise(fidelity: Fidelity) -> None:
        with transaction(any_engine) as connection:
            before = get_campaign(connection, trial.campaign.id)
            problem = {**definition.problem, "fidelity": fidelity_to_json(fidelity)}
            after = replace(definition, problem=problem)
            store_revision(connection, NewRevision(before, after, "me@here", []), {})
            promote(connection, trial.campaign.id)

    def told() -> list[tuple[int, bool, bool, bool]]:
        with reading(any_engine) as connection:
            rows = rungs_of(connection, held.id)
        return [(row.rung, row.kept, row.promoted_at is not None, row.is_held) for row in rows]

    assert told() == [(1, False, True, False), (3, False, False, True)]
    revise(replace(FIDELITY, eta=9))  # rungs 1, 9
    assert told() == [(1, False, False, True), (3, False, False, False)]
    revise(FIDELITY)
    assert told() == [(1, False, True, False), (3, False, False, True)]
    assert trial.states()[1] == "PAUSED"


def test_a_result_is_the_value_on_the_last_rung_where_none_was_reported(any_engine: Engine) -> None:
    """A program that counts its epochs from 0 never reports the last step: no end was known of it."""
    trial = Trial(any_engine, 2)
    for one, result in zip(trial.claims, (0.4, 0.3), strict=True):
        trial.report(one, [0.5])
        with transaction(any_engine) as connection:
            complete(connection, trial.launcher, [stock.success(one, result)])
            complete(connection, trial.launcher, [stock.success(one, result)])
    with reading(any_engine) as connection:
        found = rung_results_since(connection, trial.campaign.id)
    told = [(one.evaluation_id, one.rung, one.step, one.value, one.kept) for one in found]
    first, second = trial.claims
    assert [one for one in told if one[1] == 9] == [(first.id, 9, 9, 0.4, True), (second.id, 9, 9, 0.3, True)]
    assert [one.reason for one in found if one.rung == 9] == [
        "1st of 1 at step 9, the last",
        "1st of 2 at step 9, the last",
    ]


def test_a_value_reported_on_the_last_rung_stays(any_engine: Engine) -> None:
    """What was decided with is never changed by a result that is another one."""
    trial = Trial(any_engine, 1)
    (one,) = trial.claims
    trial.report(one, [0.5] * 8 + [0.2])
    with transaction(any_engine) as connection:
        complete(connection, trial.launcher, [stock.success(one, 0.7)])
        rows = rungs_of(connection, one.id)
    assert [(row.rung, row.value) for row in rows] == [(1, 0.5), (3, 0.5), (9, 0.2)]


def test_a_revision_that_promotes_many_does_so_in_steps(any_engine: Engine) -> None:
    """Thousands at once would hold the lock for which all launchers of the campaign wait."""
    trial = Trial(any_engine, 2 * PROMOTED_AT_ONCE)
    with transaction(any_engine) as connection:
        told = [NewReport(one.id, 1, one.token, 1, 0.5, time.time()) for one in trial.claims]
        add_reports(connection, told)
        pause(connection, trial.launcher, [(one.id, 1) for one in trial.claims])
        paused = counts(connection, trial.campaign.id)[State.PAUSED]
        before = trial.campaign
        fidelity = fidelity_to_json(replace(FIDELITY, minimum=3))
        problem = {**before.definition.problem, "fidelity": fidelity}
        after = replace(before.definition, problem=problem)
        store_revision(connection, NewRevision(before, after, "me@host", []), {})
    steps = []
    for _ in range(3):
        with transaction(any_engine) as connection:
            steps.append(promote(connection, before.id))
    assert steps == [PROMOTED_AT_ONCE, paused - PROMOTED_AT_ONCE, 0]
    with reading(any_engine) as connection:
        assert counts(connection, before.id)[State.PAUSED] == 0
