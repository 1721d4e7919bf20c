"""What evaluations reported waits for the database, bounded, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.launcher.executors import report_log
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.supervisor.messages import Reported, StartRequest
from ambs_hpc.launcher.supervisor.process_tree import TOKEN_VARIABLE
from ambs_hpc.launcher.supervisor.progress.report_lines import REPORTS
from ambs_hpc.queue import claim, reading, reports_of, transaction
from ambs_hpc.records import Claim
from tests.queue import stock


def reported(one: Claim, *steps: int) -> Reported:
    return Reported(one.id, one.attempt, one.token, [[step, float(step), {}, 1.7e9, 0] for step in steps])


def request(one: Claim, folder: Path) -> StartRequest:
    environment = {TOKEN_VARIABLE: one.token}
    return StartRequest(one.id, one.attempt, {}, str(folder), ["true"], environment=environment)


@pytest.fixture
def held(any_engine: Engine) -> Claim:
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
        (one,) = claim(connection, stock.launcher(connection), 1)
    return one


def store(log: ReportLog, engine: Engine) -> None:
    reports = log.due()
    with transaction(engine) as connection:
        log.store(connection, reports)
    log.forget(reports)


def steps(engine: Engine, one: Claim) -> list[int]:
    with reading(engine) as connection:
        return [each.step for each in reports_of(connection, one.id)]


def test_reports_are_kept_until_they_are_stored(any_engine: Engine, held: Claim) -> None:
    """A transaction that fails is made again; what came meanwhile comes after it."""
    log = ReportLog()
    log.note(reported(held, 1))
    due = log.due()
    log.note(reported(held, 2))
    log.forget(due)
    store(log, any_engine)
    assert steps(any_engine, held) == [2]
    assert log.due() == []


def test_what_is_too_much_is_read_from_files_at_the_end(
    any_engine: Engine, held: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away for a night: memory is bounded, and the curves come all the same."""
    monkeypatch.setattr(report_log, "MOST_HELD", 2)
    lines = "".join(f'{{"step": {step}, "objective": {step}}}\n' for step in range(5))
    (tmp_path / REPORTS).write_text(lines)
    log = ReportLog()
    log.note(reported(held, 0, 1))
    log.note(reported(held, 2, 3))
    log.note_end(request(held, tmp_path), has_told_all=True)
    store(log, any_engine)
    assert steps(any_engine, held) == [0, 1, 2, 3, 4]


def test_reports_come_again_after_the_database_went_back(
    any_engine: Engine, held: Claim, tmp_path: Path
) -> None:
    """What an older copy does not have was stored, and forgotten here."""
    (tmp_path / REPORTS).write_text('{"step": 1, "objective": 1}\n{"step": 2, "objective": 1}\n')
    log = ReportLog()
    log.note(reported(held, 1))
    log.forget(log.due())
    log.note_older_database()
    log.note(reported(held, 2))
    log.note_end(request(held, tmp_path), has_told_all=True)
    store(log, any_engine)
    assert steps(any_engine, held) == [1, 2]


def test_odd_rows_and_odd_attempts_hold_nobody_up(any_engine: Engine, held: Claim) -> None:
    """Rows come over files and networks: one odd one must not keep outcomes from being stored."""
    log = ReportLog()
    rows: list[list[object]] = [[-1, 1.0, {}, 1.7e9, 0], [2**60, 1.0, {}, 1.7e9, 0], [1, "x", {}, 1.7e9, 0]]
    log.note(Reported(held.id, held.attempt, held.token, [*rows, [3, 1.0, {"w": "\0\udc80"}, 1.7e9, 0]]))
    for odd in (
        {"id": 2**70},
        {"id": "1"},
        {"attempt": 0},
        {"token": "\0"},
        {"reports": 5},
        {"trouble": None},
    ):
        log.note(replace(reported(held, 5), **odd))  # type: ignore[arg-type]  # as it comes over a file
    log.note(Reported(held.id, held.attempt, "of-another", [[4, 1.0, {}, 1.7e9, 0]]))
    store(log, any_engine)
    assert steps(any_engine, held) == [3]
