"""A supervisor gathers reports at a bounded cost, whatever its attempts write and its file system does."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor.messages import Reported, StartRequest, encoded
from ambs_hpc.launcher.supervisor.progress import report_gatherer
from ambs_hpc.launcher.supervisor.progress.report_gatherer import ReportGatherer
from ambs_hpc.launcher.supervisor.progress.report_lines import MARK, REPORTS
from ambs_hpc.launcher.supervisor.supervisor import LONGEST_REPORT_BYTES
from tests.databases import wait_until


def request(folder: Path, number: int) -> StartRequest:
    attempt = folder / str(number)
    attempt.mkdir()
    return StartRequest(number, 1, {}, str(attempt), ["true"])


def write(one: StartRequest, *steps: int, **metrics: object) -> None:
    lines = (json.dumps({"step": step, "objective": 0.5, **metrics}) for step in steps)
    with Path(one.folder, REPORTS).open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def steps(messages: list[Reported]) -> list[tuple[int, int]]:
    return [(message.id, row[0]) for message in messages for row in message.reports]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(report_gatherer, "LOOK_SECONDS", 0.01)
    return


@pytest.mark.usefixtures("quick")
def test_each_report_is_found_once(tmp_path: Path) -> None:
    """While the attempt runs, or at its end, and its descriptor says so."""
    gatherer, one = ReportGatherer(), request(tmp_path, 1)
    gatherer.begin(one)
    write(one, 1, 2)
    assert select.select([gatherer], [], [], 10)[0]
    found = gatherer.take()
    write(one, 3)
    Path(one.folder, "stdout").write_bytes(MARK + b' {"step": 4, "objective": 1}')
    found += gatherer.end(one)
    assert sorted(steps(found)) == [(1, 1), (1, 2), (1, 3), (1, 4)]
    assert gatherer.end(one) == []


@pytest.mark.usefixtures("quick")
def test_all_attempts_have_their_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one go is too short for all of them, the next goes on with the others."""
    monkeypatch.setattr(report_gatherer, "SPELL_SECONDS", 0.0005)
    gatherer = ReportGatherer()
    requests = [request(tmp_path, number) for number in range(1, 201)]
    found: list[tuple[int, int]] = []
    for one in requests:
        write(one, 1)
        gatherer.begin(one)
    wait_until(lambda: found.extend(steps(gatherer.take())) or len(found) == 200, 20)
    assert sorted(found) == [(number, 1) for number in range(1, 201)]


def test_messages_are_bounded(tmp_path: Path) -> None:
    """Other attempts' ends wait behind them."""
    gatherer, one = ReportGatherer(), request(tmp_path, 1)
    write(one, *range(300), words="ö" * 190, more="\U0001f600" * 190)
    gatherer.begin(one)
    messages = gatherer.end(one)
    assert steps(messages) == [(1, step) for step in range(300)]
    assert max(len(encoded(message)) for message in messages) < LONGEST_REPORT_BYTES


def test_what_is_wrong_is_told_once(tmp_path: Path) -> None:
    """A training that prints NaN a thousand times must not fill the launcher's log."""
    gatherer, one = ReportGatherer(), request(tmp_path, 1)
    write(one, -1, -2)
    gatherer.begin(one)
    (message,) = gatherer.end(one)
    assert message.reports == []
    assert "step is -1" in message.trouble


def test_a_file_system_that_hangs_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of all attempts are kept by the thread that asks for an attempt's rest."""
    monkeypatch.setattr(report_gatherer, "LOCK_SECONDS", 0.01)
    gatherer, one = ReportGatherer(), request(tmp_path, 1)
    write(one, 1)
    gatherer.begin(one)
    with gatherer._lock:  # as a look that does not come back
        assert gatherer.end(one) == []
        with gatherer.at_rest():
            pass
    assert steps(gatherer.end(one)) == [(1, 1)]
