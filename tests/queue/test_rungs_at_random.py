"""Whatever happens in whatever order, rungs, states and counters agree."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from sqlalchemy import Connection, Engine, func, select

from ambs_hpc.fidelity import Fidelity, fidelity_to_json
from ambs_hpc.queue import (
    Evidence,
    NewReport,
    add_reports,
    cancel,
    claim,
    complete,
    counts,
    end_launcher,
    fail,
    pause,
    promote,
    release,
    rerun,
    sweep,
    to_be_paused,
    transaction,
)
from ambs_hpc.queue.schema.rung_tables import rung_result
from ambs_hpc.queue.schema.tables import evaluation, evaluation_event
from ambs_hpc.queue.verbs.rungs.standings import standings_of
from ambs_hpc.records import Claim
from ambs_hpc.states import Move
from tests.queue import stock

FIDELITY = Fidelity("epochs", 1, 9, eta=2)
STEPS_PER_REPORT = 3
OPERATIONS = 100


class Players:
    """Two launchers that report, pause, die and come back, and people who cancel and rerun."""

    def __init__(self, connection: Connection, seed: int, rule: str) -> None:
        self.chance, self.connection = random.Random(seed), connection
        plain = {**(fidelity_to_json(FIDELITY) or {}), "rule": rule}
        problem = {**stock.CAMPAIGN.problem, "fidelity": plain}
        self.campaign = stock.campaign(connection, problem=problem, max_interruptions=100)
        self.launchers = [stock.launcher(connection), stock.launcher(connection)]
        self.held: dict[int, tuple[int, Claim]] = {}  # launcher and claim by evaluation, as they believe
        self.steps: Counter[int] = Counter()
        self.made = 0

    def play(self) -> None:
        """One thing happens."""
        name = self.chance.choice(["enqueue", *["take", "report", "pause"] * 4, "finish", "lose", "person"])
        getattr(self, f"_{name}")()

    def _enqueue(self) -> None:
        stock.evaluations(self.connection, self.campaign.id, 3, first=self.made)
        self.made += 3

    def _take(self) -> None:
        launcher = self.chance.choice(self.launchers)
        for one in claim(self.connection, launcher, 2):
            self.held[one.id] = (launcher, one)

    def _report(self) -> None:
        for _, one in self.chance.sample(list(self.held.values()), min(3, len(self.held))):
            first = self.steps[one.id]
            self.steps[one.id] += self.chance.randint(1, STEPS_PER_REPORT)
            value = self.chance.random()
            told = [
                NewReport(one.id, one.attempt, one.token, step, value, at=1.0)
                for step in range(first + 1, self.steps[one.id] + 1)
            ]
            add_reports(self.connection, told)

    def _pause(self) -> None:
        for launcher in self.launchers:
            for pair in to_be_paused(self.connection, launcher):
                if self.chance.random() < 0.6:
                    pause(self.connection, launcher, [pair])
                    self.held.pop(pair[0], None)

    def _finish(self) -> None:
        if self.held:
            launcher, one = self.held.pop(self.chance.choice(sorted(self.held)))
            verb = self.chance.choice([complete, complete, fail])
            outcome = stock.success(one) if verb is complete else stock.failure(one)
            verb(self.connection, launcher, [outcome])

    def _lose(self) -> None:
        """A launcher dies and is swept, or returns what it has; what it has done may come late."""
        index = self.chance.randrange(2)
        launcher = self.launchers[index]
        if self.chance.random() < 0.5:
            end_launcher(self.connection, launcher)
            sweep(self.connection, stale_after_seconds=1e9, is_gone=lambda _: Evidence.ALIVE)
            self.launchers[index] = stock.launcher(self.connection)
        else:
            pairs = [(one.id, one.attempt) for of, one in self.held.values() if of == launcher]
            release(self.connection, launcher, pairs, interrupted=True, reason="walltime")
        lost = [one for of, one in self.held.values() if of == launcher]
        self.held = {one: held for one, held in self.held.items() if held[0] != launcher}
        if lost and self.chance.random() < 0.3:
            complete(self.connection, launcher, [stock.success(self.chance.choice(lost))])

    def _person(self) -> None:
        some = self.chance.randint(1, max(1, self.made))
        self.chance.choice([cancel, rerun, rerun])(self.connection, ids=[some])
        promote(self.connection, self.campaign.id)


def contradictions(connection: Connection, campaign_id: int) -> list[str]:
    """What the rows say that cannot be."""
    column, event = evaluation.c, evaluation_event.c
    rows = connection.execute(select(column.id, column.state, column.paused_rung)).all()
    by_state = Counter(row.state for row in rows)
    told = {state.value: number for state, number in counts(connection, campaign_id).items() if number}
    wrong = [] if told == dict(by_state) else [f"counted {told}, stored {dict(by_state)}"]
    kept = {(row.evaluation_id, row.rung): row for row in connection.execute(select(rung_result))}
    known = standings_of(connection, campaign_id, FIDELITY).by_rung
    if {(one, rung): value for rung in known for one, value in known[rung].items()} != {
        place: row.value for place, row in kept.items()
    }:
        wrong.append(f"known are {known}, stored {kept}")
    for row in rows:
        if row.state == "READY" and row.paused_rung is not None:
            wrong.append(f"{row.id} waits and may not run")
        if row.state == "PAUSED" and (at := kept.get((row.id, row.paused_rung))) is None:
            wrong.append(f"{row.id} is paused where it has not been")
        elif row.state == "PAUSED" and (at.kept or at.promoted_at is not None):
            wrong.append(f"{row.id} is paused where it was let run on")
        above = [rung for of, rung in kept if of == row.id and rung > (row.paused_rung or 1e9)]
        if row.state in ("PAUSED", "RUNNING") and above:
            wrong.append(f"{row.id} is held at {row.paused_rung} and has been judged at {above}")
    promoted = select(event.evaluation_id, func.count()).where(event.move == Move.PROMOTE.value)
    for one, number in connection.execute(promoted.group_by(event.evaluation_id)):
        if number > len(FIDELITY.rungs()) - 1:
            wrong.append(f"{one} was promoted {number} times")
    return wrong


@pytest.mark.parametrize(("seed", "rule"), [(108, "asha"), (113, "median")])
def test_whatever_happens_rungs_states_and_counters_agree(any_engine: Engine, seed: int, rule: str) -> None:
    """A pause that meets a sweep, a late result or a person loses nothing, and nothing is decided twice."""
    with transaction(any_engine) as connection:
        players = Players(connection, seed, rule)
        players._enqueue()
    for number in range(OPERATIONS):
        with transaction(any_engine) as connection:
            players.connection = connection
            players.play()
            if number % 5 == 0:
                assert contradictions(connection, players.campaign.id) == []
    with transaction(any_engine) as connection:
        moves = Counter(connection.execute(select(evaluation_event.c.move)).scalars())
    assert {Move.PAUSE.value, Move.KEEP.value} <= set(moves)
