"""The table of legal moves is the one source: verbs, schema and documentation follow it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from ambs_hpc.fidelity import Fidelity, fidelity_to_json
from ambs_hpc.queue import (
    Evidence,
    NewReport,
    add_reports,
    adopt,
    cancel,
    claim,
    complete,
    end_launcher,
    fail,
    pause,
    promote,
    release,
    rerun,
    sweep,
    transaction,
)
from ambs_hpc.queue.schema.tables import evaluation, evaluation_event
from ambs_hpc.records import Claim
from ambs_hpc.states import FINAL, MOVES, FailureKind, Move, State, is_legal
from tests.queue import stock
from tests.queue.histories import illegal_histories

PAGE = (Path(__file__).parents[2] / "docs" / "states.md").read_text()
SITE = "balsam theta"


@dataclass(frozen=True, slots=True)
class Situation:
    """One evaluation, the claim of its last attempt, the launcher that made it, and another launcher."""

    claim: Claim
    holder: int
    other: int

    @property
    def id(self) -> int:
        return self.claim.id


def complete_it(connection: Connection, at: Situation) -> None:
    complete(connection, at.holder, [stock.success(at.claim)])


def fail_it(connection: Connection, at: Situation) -> None:
    fail(connection, at.holder, [stock.failure(at.claim)])


def release_it(connection: Connection, at: Situation) -> None:
    held = [(at.id, at.claim.attempt)]
    release(connection, at.holder, held, interrupted=True, reason="walltime")


def sweep_it(connection: Connection, at: Situation) -> None:
    end_launcher(connection, at.holder)
    sweep(connection, stale_after_seconds=1e9, is_gone=lambda one: Evidence.ALIVE)


def adopt_it(connection: Connection, at: Situation) -> None:
    adopt(connection, at.other, stale_after_seconds=1e9, is_gone=lambda one: Evidence.GONE_FOR_CERTAIN)


def cancel_it(connection: Connection, at: Situation) -> None:
    cancel(connection, ids=[at.id], states=State)


def keep_it(connection: Connection, at: Situation) -> None:
    """It comes to the first rung, as the first of all."""
    add_reports(connection, [NewReport(at.id, at.claim.attempt, at.claim.token, 1, 0.5, at=1.0)])


def pause_it(connection: Connection, at: Situation) -> None:
    """Its launcher ends it at a rung, which a revision has removed since."""
    held = evaluation.c.state == State.RUNNING.value
    connection.execute(update(evaluation).where(evaluation.c.id == at.id, held).values(paused_rung=2))
    pause(connection, at.holder, [(at.id, at.claim.attempt)])


def promote_it(connection: Connection, at: Situation) -> None:
    of = select(evaluation.c.campaign_id).where(evaluation.c.id == at.id)
    promote(connection, connection.execute(of).scalar_one())


def deliver_late(connection: Connection, at: Situation) -> None:
    """The holder completes its attempt, which was taken from it before."""
    complete(connection, at.holder, [stock.success(at.claim)])


# The verb, the move that it records while the budgets allow another attempt, and the one when they are spent.
VERBS: list[tuple[Callable[[Connection, Situation], object], Move, Move]] = [
    (lambda c, at: claim(c, at.other, 1), Move.CLAIM, Move.CLAIM),
    (adopt_it, Move.ADOPT, Move.ADOPT),
    (complete_it, Move.COMPLETE, Move.COMPLETE),
    (fail_it, Move.RETRY, Move.FAIL),
    (release_it, Move.RELEASE, Move.LOSE),
    (sweep_it, Move.SWEEP, Move.LOSE),
    (keep_it, Move.KEEP, Move.KEEP),
    (pause_it, Move.PAUSE, Move.PAUSE),
    (promote_it, Move.PROMOTE, Move.PROMOTE),
    (cancel_it, Move.CANCEL, Move.CANCEL),
    (lambda c, at: rerun(c, ids=[at.id]), Move.RERUN, Move.RERUN),
]


def bring_to(connection: Connection, state: State, at: Situation) -> None:
    """Lead a RUNNING evaluation to another state."""
    if state is State.READY:
        release(connection, at.holder, [(at.id, at.claim.attempt)], interrupted=False, reason="drain")
    elif state is State.DONE:
        complete_it(connection, at)
    elif state is State.FAILED:
        fail_it(connection, at)
    elif state is State.CANCELLED:
        cancel_it(connection, at)
    elif state is State.PAUSED:
        pause_it(connection, at)


def recorded_by(
    connection: Connection, verb: Callable[[Connection, Situation], object], at: Situation
) -> list[Move]:
    """The moves that the verb records; everything that it did is undone."""
    event = evaluation_event.c
    last = connection.execute(select(func.max(event.id))).scalar_one()
    savepoint = connection.begin_nested()
    verb(connection, at)
    moves = [Move(move) for move in connection.execute(select(event.move).where(event.id > last)).scalars()]
    assert illegal_histories(connection) == []
    savepoint.rollback()
    return moves


@pytest.mark.parametrize("state", State)
def test_each_verb_moves_only_from_where_it_may(any_engine: Engine, state: State) -> None:
    """From every other state it changes nothing, whatever its caller asks for."""
    for is_spent in (False, True):
        budgets = {"max_failures": 1, "max_interruptions": 0} if is_spent or state is State.FAILED else {}
        with transaction(any_engine) as connection:
            problem = {**stock.CAMPAIGN.problem, "fidelity": fidelity_to_json(Fidelity("epochs", 1, 9))}
            name = f"spent {is_spent}"
            campaign_id = stock.campaign(connection, name=name, problem=problem, **budgets).id
            stock.evaluations(connection, campaign_id, 1)
            holder, other = (stock.launcher(connection, survives_in=SITE) for _ in range(2))
            (one,) = claim(connection, holder, 1, campaign_ids=[campaign_id])
            at = Situation(one, holder, other)
            bring_to(connection, state, at)
            for verb, unspent_move, spent_move in VERBS:
                move = spent_move if is_spent else unspent_move
                if state in (State.READY, State.PAUSED) and move is Move.COMPLETE:
                    move = Move.ACCEPT_LATE  # the holder released or paused it, and completes it after all
                expected = [move] if is_legal(move, state) else []
                assert recorded_by(connection, verb, at) == expected, (state, move)
            cancel_it(connection, at)


@pytest.mark.parametrize("state", State)
def test_late_results_are_accepted_only_from_where_they_may(any_engine: Engine, state: State) -> None:
    """The table says FAILED; of those only LOST, which a test of late results covers."""
    budgets = {"max_interruptions": 0} if state is State.FAILED else {}
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection, **budgets).id, 1)
        holder, other = stock.launcher(connection), stock.launcher(connection)
        (one,) = claim(connection, holder, 1)
        at = Situation(one, holder, other)
        sweep_it(connection, at)
        if state is not State.FAILED:
            again = claim(connection, other, 1)
            bring_to(connection, state, Situation(again[0], other, holder))
        expected = [Move.ACCEPT_LATE] if is_legal(Move.ACCEPT_LATE, state) else []
        assert recorded_by(connection, deliver_late, at) == expected


def test_every_move_is_tried() -> None:
    """A new move needs its line above."""
    beginnings = {Move.ENQUEUE, Move.IMPORT, Move.IMPORT_FAILURE}
    tried = {move for _, *moves in VERBS for move in moves} | beginnings | {Move.ACCEPT_LATE}
    assert tried == set(Move) == set(MOVES)


def test_a_wrong_history_is_noticed(any_engine: Engine) -> None:
    """The check that runs after each test of the queue really finds contradictions."""
    with transaction(any_engine) as connection:
        (first, second) = stock.evaluations(connection, stock.campaign(connection).id, 2)
        savepoint = connection.begin_nested()
        connection.execute(
            insert(evaluation_event).values(evaluation_id=first, at=1.0, move="complete", attempt=0)
        )
        connection.execute(update(evaluation).where(evaluation.c.id == second).values(attempt=1))
        connection.execute(delete(evaluation_event).where(evaluation_event.c.evaluation_id == second))
        assert illegal_histories(connection) == [
            f"evaluation {first}: complete from READY",
            f"evaluation {first} is READY, but [enqueue, complete] leads to DONE",
            f"evaluation {second} is READY, but [] leads to None",
        ]
        savepoint.rollback()


def test_the_stored_states_are_those_of_the_table() -> None:
    """The constraints of `evaluation` list the states; moves lead to all of them, and from all but DONE."""
    reached = {after for _, after in MOVES.values()}
    left = {before for sources, _ in MOVES.values() for before in sources}
    assert reached == set(State)
    assert set(State) - left == {State.DONE}  # the only state that nothing changes
    assert {state for state in State if state.is_final} == FINAL


def test_the_page_shows_the_table() -> None:
    """docs/states.md is what people read instead of the code."""
    rows = re.findall(r"^\| (\w+) \| ([A-Z, ]*?) ?\| ([A-Z]+) \| .+ \|$", PAGE, re.MULTILINE)
    shown = [(move, {name for name in sources.split(", ") if name}, after) for move, sources, after in rows]
    assert shown == [
        (move.value, {state.value for state in sources}, after.value)
        for move, (sources, after) in MOVES.items()
    ]


def test_the_page_explains_every_kind_of_failure() -> None:
    """A person looks there first."""
    assert re.findall(r"^\| ([A-Z_]+) \|", PAGE, re.MULTILINE) == [kind.value for kind in FailureKind]
