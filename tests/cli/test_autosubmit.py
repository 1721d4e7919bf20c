"""A pass of `ambs autosubmit` against what the database remembers."""

from __future__ import annotations

import errno
import fcntl
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ambs_hpc import queue
from ambs_hpc.cli.commands.autosubmit import alone, one_pass
from ambs_hpc.cli.main import app
from ambs_hpc.cli.shared.allocation_request import Wanted
from ambs_hpc.errors import AmbsError
from ambs_hpc.records import Resources
from ambs_hpc.sites import Policy, ScriptSettings
from tests.databases import fresh_database
from tests.queue import stock


def test_two_passes_do_not_meet_and_no_locks_are_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lustre may be mounted without locks; that every pass from cron ends at once would be seen by nobody."""
    with alone(tmp_path), pytest.raises(AmbsError, match="at work in this folder"), alone(tmp_path):
        pass

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone(tmp_path):
        assert "no locks here (Function not implemented)" in capsys.readouterr().err


def test_a_pass_that_could_ask_nobody_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From cron, where PATH is another one: its status is what a person's script looks at."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with fresh_database("sqlite", tmp_path) as url:
        engine = queue.open_database(url)
        with queue.transaction(engine) as connection:
            request = {"nodes": 1, "minutes": 5, "folder": str(tmp_path), "name": "ambs-1"}
            number = queue.prepare_allocation(connection, "slurm", "slurm", request)
            queue.note_submitted(connection, number, "41")
        engine.dispose()
        result = CliRunner().invoke(app, ["autosubmit", "-t", "5", "-s", "slurm", "--db", url])
    assert result.exit_code == 1
    assert isinstance(result.exception, AmbsError)
    assert str(result.exception).startswith("squeue could not be asked")


SITE = """
scheduler: local
as_of: 2026-01-01
source: a test
node: {cores: 2}
"""


def test_what_cannot_run_there_asks_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a search that is alive, each pass would ask for nodes that leave it waiting."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yml").write_text(SITE)
    asked = (Wanted(1, "5", site="mine"), Policy(9, 1, 4, 1), None, ScriptSettings(["true"], [], {}))
    large, slow = Resources(cores=4), {"time_limit_seconds": 301.0}
    with fresh_database("sqlite", tmp_path) as url:
        engine = queue.open_database(url)
        with queue.transaction(engine) as connection:
            alive = stock.campaign(connection, problem={"resources": asdict(Resources())})
            assert queue.take_search(
                connection, alive.id, "me", stale_after_seconds=600.0, is_gone=lambda _: False
            )
            wide = stock.campaign(connection, name="wide", problem={"resources": asdict(large)})
            queue.enqueue(connection, wide.id, [stock.new(one, large) for one in range(5)])
            long = stock.campaign(connection, name="long", problem=slow)
            queue.enqueue(connection, long.id, [stock.new(one, **slow) for one in range(5)])
        words, _ = one_pass(engine, *asked, retry=False)
        assert words.startswith("nothing submitted: 10 evaluations wait, and none can run on 4 nodes in 5 ")
        with queue.transaction(engine) as connection:
            stock.evaluations(connection, alive.id, 2)
        words, _ = one_pass(engine, *asked, retry=False)
        assert words.startswith("allocation 1 of 2 nodes submitted: 2 evaluations wait,")
        engine.dispose()


def test_a_pass_stops_after_launchers_that_ran_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them costs node-hours, and the next one would do no better."""
    monkeypatch.chdir(tmp_path)
    asked = (Wanted(1, "5", site="local"), Policy(1, 1, 1, 1), None, ScriptSettings(["ambs"], [], {}))
    with fresh_database("sqlite", tmp_path) as url:
        engine = queue.open_database(url)
        with queue.transaction(engine) as connection:
            stock.evaluations(connection, stock.campaign(connection).id, 1)
            began = queue.read_now(connection) + 1.0
            for _ in range(3):
                number = queue.prepare_allocation(connection, "local", "local", {"nodes": 1})
                queue.note_submitted(connection, number, str(number))
                queue.note_allocation_state(connection, number, "ENDED", started_at=began)
                stock.launcher(connection, pid=number, allocation_id=number)
        words, gave_up = one_pass(engine, *asked, retry=False)
        assert gave_up
        assert "the last 3 allocations ran nothing of what waits" in words
        with queue.reading(engine) as connection:
            assert len(queue.list_allocations(connection)) == 3
        engine.dispose()
