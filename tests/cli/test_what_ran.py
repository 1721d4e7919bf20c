"""What commands say of provenance, notices, logs and exported runs, in words and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.queue import (
    NewNotice,
    claim_notice,
    get_campaign,
    import_results,
    note_provenance,
    note_sent,
    open_database,
    reading,
    transaction,
)
from ambs_hpc.records import ImportedResult
from tests.bridges import campaigns
from tests.queue import stock

FACTS = {"git": {"commit": "a" * 40, "diff": ""}, "python": "3.11.7", "ambs_hpc": "0.1.0"}


@pytest.fixture
def engine(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("AMBS_DB", sqlite_url)
    monkeypatch.chdir(tmp_path)
    opened = open_database(sqlite_url)
    yield opened
    opened.dispose()


def said(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_status_and_show_say_with_what_it_ran(engine: Engine) -> None:
    """Somebody who wonders at a result looks here first."""
    campaign, launcher = campaigns.ended(engine)
    with transaction(engine) as connection:
        other = stock.launcher(connection)
        note_provenance(connection, campaign.id, launcher, FACTS, "node1")
        note_provenance(connection, campaign.id, other, {**FACTS, "python": "3.12.1"}, "node2")
        told = claim_notice(connection, NewNotice(campaign.id, "ada", "done/4", "done", "done"))
        assert told is not None
        note_sent(connection, told, "notify.webhook at chat answered 500")
    status = said("status")
    assert f"launcher {other} differs from launcher {launcher}: Python 3.11.7 -> 3.12.1" in status
    assert "1 notices were not sent, the last: notify.webhook at chat answered 500" in status
    (one,) = json.loads(said("status", "--json"))["campaigns"]
    assert one["notices"] == {
        "sent": 0,
        "not_sent": 1,
        "last_error": "notify.webhook at chat answered 500",
    }
    assert len(one["launchers_differ"]) == 1
    assert "earlier launchers" not in status
    assert "ran with       git aaaaaaaaaa; Python 3.11.7; ambs_hpc 0.1.0" in said("show", "1")
    shown = json.loads(said("show", "1", "--json"))["provenance"]
    assert (shown["launcher_id"], shown["host"], shown["facts"]) == (launcher, "node1", FACTS)


def test_status_counts_earlier_changes_of_what_ran(engine: Engine) -> None:
    """The newest is told; a person who sees no more would take it for the only one."""
    campaign, launcher = campaigns.ended(engine)
    with transaction(engine) as connection:
        for number in range(4):
            note_provenance(connection, campaign.id, launcher, {**FACTS, "python": f"3.1{number}"}, "node1")
            launcher = stock.launcher(connection)
    told = [line for line in said("status").splitlines() if "differ" in line]
    assert told == [
        f"  launcher {launcher - 1} differs from launcher {launcher - 2}: Python 3.12 -> 3.13",
        "  2 earlier launchers differed from the one before: ambs status --json",
    ]


def test_export_says_what_is_new_and_how_to_look_at_it(engine: Engine, tmp_path: Path) -> None:
    """The command that shows it is what one needs next."""
    campaigns.ended(engine)
    assert said("export", "mlflow") == (
        "digits: 3 new runs, 0 were there\n"
        "In mlruns. Look at it: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri mlruns\n"
    )
    assert json.loads(said("export", "mlflow", "--json")) == {
        "format": "mlflow",
        "output": "mlruns",
        "campaigns": [{"campaign": "digits", "added": 0, "present": 3}],
    }
    for words, message in (
        (["export", "mflow"], "Did you mean 'mlflow'"),
        (["export", "csv", "--json"], "ambs export json"),
    ):
        with pytest.raises(UsageError, match=message):
            said(*words)


def test_an_empty_log_names_the_other_one(engine: Engine, tmp_path: Path) -> None:
    """A silent answer looks like a lost log."""
    campaign, _ = campaigns.ended(engine)
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"UPDATE campaign SET run_directory = '{tmp_path}/runs'")
    with reading(engine) as connection:
        runs = get_campaign(connection, campaign.id).definition.run_directory
    folder = Path(attempt_folder(runs, 2, 1))
    folder.mkdir(parents=True)
    (folder / "stdout").touch()
    (folder / "stderr").write_text("ValueError: 3\n")
    assert said("logs", "3") == "Its stdout is empty; its stderr is not: ambs logs 3 --stderr\n"
    assert said("logs", "3", "--stderr") == "ValueError: 3\n"


def test_a_log_that_nobody_will_write_is_not_followed(engine: Engine, tmp_path: Path) -> None:
    """Neither for ever nor with an end that looks like an empty log."""
    campaign, _ = campaigns.ended(engine)
    with transaction(engine) as connection:
        (imported,) = import_results(connection, campaign.id, [ImportedResult({"lr": 0.1}, 0.25)])
    for words in ([], ["-f"]):
        with pytest.raises(NotFound, match="it was imported and ran elsewhere"):
            said("logs", str(imported), *words)
        with pytest.raises(NotFound, match=r"or the files were removed; .* where its folder was moved"):
            said("logs", "3", *words)
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"UPDATE campaign SET run_directory = '{tmp_path}'")
    with pytest.raises(NotFound, match=r"nothing was started, or the files were removed\."):
        said("logs", "3")
