"""A launcher that lost its power holds evaluations: people are told, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from ambs_hpc.cli.commands.status import status
from ambs_hpc.queue import claim, open_database, transaction
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
