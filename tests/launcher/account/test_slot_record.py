"""A launcher tells its nodes once, and why slots are idle whenever that changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.launcher.account.slot_record import SlotRecord
from ambs_hpc.launcher.packing import Node
from ambs_hpc.queue import SlotAccount, reading, slot_account
from ambs_hpc.records import Resources
from tests.launcher.test_loop import Stage, rounds

NODES = [Node("n1", (0, 1), ("0",), 4.0), Node("n2", (0, 1))]


def account(stage: Stage) -> SlotAccount:
    with reading(stage.engine) as connection:
        return slot_account(connection)


def test_the_loop_stores_what_the_ledger_needs(
    any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full, then one of two slots idle without a search, then draining; each reason is stored once."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    stage = Stage(any_engine, tmp_path, 2)
    loop, executor = stage.launcher()
    loop.database.slot_record = SlotRecord(NODES, slots=3)
    rounds(loop, 12)
    found = account(stage)
    assert [one[1:] for one in found.nodes] == [("n1", 2, 1, 4.0, 1.5), ("n2", 2, 0, None, 1.5)]
    assert [one.reason for one in found.idleness] == ["busy"]
    executor.end(stage.ids[0])
    rounds(loop, 12)
    loop.drain()
    rounds(loop, 12)
    assert [one.reason for one in account(stage).idleness] == ["busy", "no_search", "draining"]


def test_what_does_not_fit_is_a_reason_of_its_own(
    any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is kept for the one that is next; it keeps the slot idle."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    stage = Stage(any_engine, tmp_path, 2, Resources(cores=2))
    loop, _ = stage.launcher(cores=3)
    rounds(loop, 12)
    assert account(stage).idleness[-1].reason in ("does_not_fit", "room_kept")


def test_an_older_database_is_told_again(any_engine: Engine, tmp_path: Path) -> None:
    """What was stored is told once; a database that went back has forgotten it."""
    from ambs_hpc.queue import transaction
    from ambs_hpc.states import IdleReason
    from tests.queue import stock

    record = SlotRecord(NODES)
    with transaction(any_engine) as connection:
        first, second = stock.launcher(connection), stock.launcher(connection, pid=2)
        for _ in range(2):
            record.store(connection, first, IdleReason.BUSY)
            record.note_stored()
        record.note_older_database()
        record.store(connection, second, IdleReason.BUSY)
        found = slot_account(connection)
    assert [one.launcher_id for one in found.idleness] == [first, second]
    assert [one.launcher_id for one in found.nodes] == [first, first, second, second]
