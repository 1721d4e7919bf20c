"""What a decision knows of its campaign's rungs: each row is read once, and all of them after a step back."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Engine, delete, insert, update

from ambs_hpc.fidelity import Fidelity, fidelity_to_json, keep_shares
from ambs_hpc.queue import reading, transaction
from ambs_hpc.queue.schema.rung_tables import rung_result
from ambs_hpc.queue.verbs.rungs.standings import standings_of
from tests.queue import stock

FIDELITY = Fidelity("epochs", 1, 9)  # rungs 1, 3, 9


class Climb:
    """A campaign of which evaluations have reached rungs."""

    def __init__(self, engine: Engine, direction: str = "minimize") -> None:
        self.engine = engine
        problem = {**stock.CAMPAIGN.problem, "fidelity": fidelity_to_json(FIDELITY)}
        with transaction(engine) as connection:
            self.id = stock.campaign(connection, problem=problem, direction=direction, uid="climb").id
            self.ids = stock.evaluations(connection, self.id, 12)

    def reach(self, place: int, rung: int, value: float) -> None:
        """An evaluation has this value on a rung."""
        row = {"evaluation_id": self.ids[place], "rung": rung, "step": rung, "attempt": 1, "value": value}
        with transaction(self.engine) as connection:
            connection.execute(
                insert(rung_result).values(**row, campaign_id=self.id, at=time.time(), kept=True, reason="")
            )

    def known(self) -> dict[int, dict[int, float | None]]:
        """What a decision knows."""
        with reading(self.engine) as connection:
            return standings_of(connection, self.id, FIDELITY).by_rung


def test_a_second_decision_reads_what_is_new(any_engine: Engine) -> None:
    """With all rows read under the campaign's lock, launchers of a large campaign wait for each other."""
    climb = Climb(any_engine)
    climb.reach(0, 1, 0.5)
    climb.reach(1, 1, 0.6)
    first, second, third, *_ = climb.ids
    assert climb.known() == {1: {first: 0.5, second: 0.6}, 3: {}, 9: {}}
    with transaction(any_engine) as connection:  # nobody ever does: it shows what is read again
        changed = update(rung_result).where(rung_result.c.evaluation_id == first)
        connection.execute(changed.values(value=7.0))
    climb.reach(2, 1, 0.7)
    assert climb.known() == {1: {first: 0.5, second: 0.6, third: 0.7}, 3: {}, 9: {}}


def test_all_are_read_anew_where_the_last_one_is_gone(any_engine: Engine) -> None:
    """A transaction was rolled back, or the database went back to an older copy."""
    climb = Climb(any_engine, direction="maximize")
    climb.reach(0, 1, 0.5)
    climb.reach(1, 1, 0.6)
    assert list(climb.known()[1].values()) == [-0.5, -0.6]
    with transaction(any_engine) as connection:
        connection.execute(delete(rung_result).where(rung_result.c.evaluation_id == climb.ids[1]))
    climb.reach(2, 1, 0.7)
    assert climb.known()[1] == {climb.ids[0]: -0.5, climb.ids[2]: -0.7}


def test_what_is_rolled_back_is_not_known_afterwards(any_engine: Engine) -> None:
    """A decision that is not committed has never been."""
    climb = Climb(any_engine)
    climb.reach(0, 1, 0.5)
    with pytest.raises(RuntimeError), transaction(any_engine) as connection:
        row = {"evaluation_id": climb.ids[1], "rung": 1, "step": 1, "attempt": 1, "value": 0.4}
        connection.execute(
            insert(rung_result).values(**row, campaign_id=climb.id, at=time.time(), kept=True, reason="")
        )
        assert len(standings_of(connection, climb.id, FIDELITY).by_rung[1]) == 2
        raise RuntimeError
    assert climb.known()[1] == {climb.ids[0]: 0.5}


def test_a_decision_changes_its_own_copy_alone(any_engine: Engine) -> None:
    """The shares of what it adds are its own as well."""
    climb = Climb(any_engine)
    for place in range(8):
        for rung in FIDELITY.rungs():
            climb.reach(place, rung, float(place if rung == 9 else -place))
    with reading(any_engine) as connection:
        found = standings_of(connection, climb.id, FIDELITY)
        assert found.shares() == (1.0, 1.0, pytest.approx(1 / 3))
        for place in range(8, 12):
            for rung in FIDELITY.rungs():
                found.by_rung[rung][climb.ids[place]] = float(place)
        mine = keep_shares(FIDELITY, list(found.by_rung.values()))
        assert found.shares() == mine
        again = standings_of(connection, climb.id, FIDELITY)
    assert len(again.by_rung[9]) == 8
    assert again.shares() == (1.0, 1.0, pytest.approx(1 / 3))
