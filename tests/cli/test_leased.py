"""What a launcher has leased and nobody knows to run is not called running."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine, text

from ambs_hpc.api.evaluation_reasons import evaluation_reasons
from ambs_hpc.api.evaluation_words import reason_lines
from ambs_hpc.cli.commands.status import status
from ambs_hpc.cli.top.shown_rows import shown_table, totals_line
from ambs_hpc.cli.top.snapshot import ViewQuery, read_snapshot
from ambs_hpc.queue import claim, note_nodes, reading, transaction
from tests.queue import stock


@pytest.fixture
def leased(any_engine: Engine) -> Engine:
    """Of eight evaluations a launcher of four slots holds six, of which it has said that two run."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 8)
        taken = claim(connection, (one := stock.launcher(connection)), 6)
        note_nodes(connection, one, [(each.id, each.attempt, "n1") for each in taken[:2]])
    return any_engine


def test_status_tells_leased_from_running(
    leased: Engine, any_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person who sees six running waits for six results."""
    status(db=any_url)
    said = capsys.readouterr().out
    assert "digits (ambs) of 100: 2 ready, 2 running, 4 leased\n" in said
    assert "launcher 1 on node1: 4 slots, holds 6 evaluations, 2 of them known to run" in said
    status(db=any_url, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["campaigns"][0]["counts"]["RUNNING"], told["campaigns"][0]["running"]) == (6, 2)
    assert (told["launchers"][0]["held"], told["launchers"][0]["running"]) == (6, 2)


def test_top_tells_leased_from_running(leased: Engine) -> None:
    """In all views, and no time is counted for what has not begun."""
    campaigns, evaluations, launchers = (
        read_snapshot(leased, ViewQuery(view)) for view in ("campaigns", "evaluations", "launchers")
    )
    assert totals_line(campaigns) == "2 ready, 2 running, 4 leased"
    told = dict(zip(shown_table(campaigns).columns, shown_table(campaigns).rows[0].cells, strict=True))
    assert (told["run"], told["leased"], told["wait"]) == ("2", "4", "2")
    rows = [row.cells for row in shown_table(evaluations).rows]
    assert [row[2] for row in rows] == ["READY"] * 2 + ["RUNNING (leased)"] * 4 + ["RUNNING"] * 2
    assert [bool(row[4]) for row in rows] == [False] * 6 + [True] * 2
    assert shown_table(launchers).rows[0].cells[2] == "2 of 4, 4 leased"


def test_why_tells_leased_from_running(leased: Engine) -> None:
    """What is not known to run has no log to follow."""
    running, held = (list(reason_lines(evaluation_reasons(leased, number))) for number in (1, 6))
    assert running[-2:] == ["running: attempt 1, on n1", "  ambs logs 1 --follow"]
    assert held[-2:] == ["leased: attempt 1, by launcher 1; not known to run yet", "  ambs show 6"]


def test_the_view_of_launchers_tells_leased_from_running(leased: Engine) -> None:
    """Scripts that add up what runs count what `ambs status` does."""
    with reading(leased) as connection:
        (row,) = connection.execute(text("SELECT running, leased FROM v_utilisation"))
    assert tuple(row) == (2, 4)
