"""A launcher that lost its power holds evaluations: people are told, and what becomes of them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from ambs_hpc import identity
from ambs_hpc.api.evaluation_reasons import evaluation_reasons
from ambs_hpc.api.evaluation_words import reason_lines
from ambs_hpc.cli.commands.status import status
from ambs_hpc.cli.top.shown_rows import shown_table
from ambs_hpc.cli.top.snapshot import ViewQuery, read_snapshot
from ambs_hpc.queue import claim, open_database, take_search, transaction
from tests.queue import stock


def test_silence_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing else said why two evaluations ran for ever."""
    url = f"sqlite:///{tmp_path}/ambs.db"
    with transaction(open_database(url)) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 2)
        claim(connection, stock.launcher(connection, host="nid00012"), 2)
        connection.execute(text("UPDATE launcher SET heartbeat_at = heartbeat_at - 600"))
    status(db=url)
    said = capsys.readouterr().out
    assert "launcher 1 on nid00012 holds 2 evaluations and has been silent for 10 min" in said
    assert "given up after 15 min" in said


def test_who_has_died_on_this_host_is_not_called_alive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A minute in which nothing runs and all is said to be well is long for who has just killed it."""
    child = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(child, 0)
    gone = replace(identity.this_process(), pid=child, started=1)
    engine = open_database(url := f"sqlite:///{tmp_path}/ambs.db")
    with transaction(engine) as connection:
        campaign = stock.campaign(connection)
        stock.evaluations(connection, campaign.id, 3)
        launcher = stock.launcher(
            connection, host=gone.host, pid=child, process_started=1, namespace=gone.namespace
        )
        claim(connection, launcher, 2)
        take_search(connection, campaign.id, str(gone), stale_after_seconds=60.0, is_gone=lambda _: False)
    status(db=url)
    said = capsys.readouterr().out
    assert "  search not running\nlaunchers alive: 0, slots: 0\n" in said
    assert f"launcher 1 on {gone.host} holds 2 evaluations and is dead: they go back to the queue" in said
    assert "1 evaluations wait and no launcher is alive" in said
    assert "last launcher" not in said
    for number, words in ((1, "attempt 1, perhaps lost: launcher 1 on "), (3, "no launcher is alive")):
        assert words in "\n".join(reason_lines(evaluation_reasons(engine, number)))
    status(db=url, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["launchers"], told["silent"][0]["dead"]) == ([], True)
    assert shown_table(read_snapshot(engine, ViewQuery("launchers"))).rows[0].cells[4] == "DEAD"
