"""Reads the events of every evaluation as a walk through the table of legal moves."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, select

from ambs_hpc.queue.schema.tables import evaluation, evaluation_event
from ambs_hpc.states import MOVES, Move, State, is_legal


def illegal_histories(connection: Connection) -> list[str]:
    """What contradicts `MOVES`: moves from a state that forbids them, and states that no move led to."""
    histories = _histories(connection)
    wrong: list[str] = []
    for evaluation_id, stored in connection.execute(select(evaluation.c.id, evaluation.c.state)):
        moves = histories[evaluation_id]
        state: State | None = None
        for move in moves:
            if not is_legal(move, state):
                wrong.append(f"evaluation {evaluation_id}: {move.value} from {state and state.value}")
            _, state = MOVES[move]
        if state is None or state.value != stored:
            walked = ", ".join(move.value for move in moves)
            end = state and state.value
            wrong.append(f"evaluation {evaluation_id} is {stored}, but [{walked}] leads to {end}")
    return wrong


def _histories(connection: Connection) -> dict[int, list[Move]]:
    event = evaluation_event.c
    found: dict[int, list[Move]] = defaultdict(list)
    for evaluation_id, move in connection.execute(select(event.evaluation_id, event.move).order_by(event.id)):
        found[evaluation_id].append(Move(move))
    return found
