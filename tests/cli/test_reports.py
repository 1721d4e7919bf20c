"""What people and scripts read: every report as text and as JSON, exports, the picture."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet
import pytest

from ambs_hpc.cli.commands.report import pause_seconds
from ambs_hpc.errors import UsageError
from tests.stories.commands import Shell

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="p", space={"x": (0.0, 1.0), "kind": ["good", "bad"]}, objective="model:train")
"""
MODEL = """
def train(configuration):
    print("training", configuration["kind"])
    if configuration["kind"] == "bad":
        raise ValueError("bad is bad")
    return {"objective": configuration["x"], "epochs": 3}
"""
NUMBER = 12


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("reports")
    made = Shell(folder, str(folder / "ambs.db"))
    made.write("problem.py", PROBLEM)
    made.write("model.py", MODEL)
    made.ambs("run", "problem.py", "--max-evaluations", str(NUMBER), "--slots", "1", "--method", "random")
    return made


def told(shell: Shell, *arguments: str) -> object:
    return json.loads(shell.ambs(*arguments, "--json"))


def test_list_best_and_status_agree(campaign: Shell) -> None:
    """Three views of the same rows."""
    rows = told(campaign, "list")
    assert isinstance(rows, list)
    assert [row["ordinal"] for row in rows] == list(range(NUMBER))
    done = [row for row in rows if row["state"] == "DONE"]
    failed = told(campaign, "list", "--state", "FAILED")
    assert isinstance(failed, list)
    assert len(done) + len(failed) == NUMBER
    assert all("bad is bad" in row["error"] for row in failed)
    best = told(campaign, "best")
    assert isinstance(best, list)
    assert best[0]["objective"] == min(row["objective"] for row in done)
    status = told(campaign, "status")
    assert isinstance(status, dict)
    assert status["campaigns"][0]["best"]["id"] == best[0]["id"]
    assert status["campaigns"][0]["counts"]["FAILED"] == len(failed)
    assert status["campaigns"][0]["failures"][0]["number"] == len(failed)
    text = campaign.ambs("status")
    assert "ERROR" in text
    assert "ambs logs" in text


def test_show_tells_the_whole_story(campaign: Shell) -> None:
    """Configuration, proposal, attempts, events and the folder, from one id."""
    story = told(campaign, "show", "1")
    assert isinstance(story, dict)
    assert story["configuration"].keys() == {"x", "kind"}
    assert [event["move"] for event in story["events"]][:2] == ["enqueue", "claim"]
    assert story["proposal"]["kind"] in {"design", "random"}
    assert "/000/000000-1" in campaign.ambs("show", "1")


def test_logs_are_found_by_id(campaign: Shell) -> None:
    """stdout by default, stderr with its traceback where it failed."""
    assert campaign.ambs("logs", "1").startswith("training")
    failed = told(campaign, "list", "--state", "FAILED")
    assert isinstance(failed, list)
    assert "ValueError: bad is bad" in campaign.ambs("logs", str(failed[0]["id"]), "--stderr")


def test_exports_hold_the_same_table(campaign: Shell) -> None:
    """One column for each parameter and metric, in three formats."""
    table = list(csv.DictReader(io.StringIO(campaign.ambs("export", "csv"))))
    assert len(table) == NUMBER
    assert {row["p:kind"] for row in table} == {"good", "bad"}
    assert all(row["m:epochs"] == "3" for row in table if row["state"] == "DONE")
    plain = json.loads(campaign.ambs("export", "json"))
    assert [row["id"] for row in plain] == [int(row["id"]) for row in table]
    campaign.ambs("export", "parquet", "--output", "all.parquet")
    columns = pyarrow.parquet.read_table(campaign.folder / "all.parquet").to_pydict()
    assert columns["objective"] == [row["objective"] for row in plain]


def test_picture_is_drawn(campaign: Shell) -> None:
    """People would rather look than read."""
    campaign.ambs("plot", "--output", "p.png")
    assert (campaign.folder / "p.png").read_bytes().startswith(b"\x89PNG")


def test_long_lists_say_that_they_are_cut(campaign: Shell) -> None:
    """A page that looks complete and is not misleads."""
    assert campaign.start("list", "-n", "5").communicate()[1] == "Only the first 5; more with -n.\n"
    assert campaign.start("list", "-n", str(NUMBER)).communicate()[1] == ""


def test_cancelled_evaluations_can_be_rerun(campaign: Shell) -> None:
    """The campaign goes on with them, and ends with the same number."""
    failed = told(campaign, "list", "--state", "FAILED")
    assert isinstance(failed, list)
    first = str(failed[0]["id"])
    assert told(campaign, "rerun", first) == {"rerun": [int(first)], "left": [], "dry_run": False}
    assert told(campaign, "cancel", first) == {"cancelled": [int(first)], "left": [], "dry_run": False}
    assert told(campaign, "rerun", first) == {"rerun": [int(first)], "left": [], "dry_run": False}
    campaign.write("model.py", "def train(configuration):\n    return 0.5\n")
    campaign.ambs("run", "problem.py", "--max-evaluations", str(NUMBER), "--slots", "1")
    row = told(campaign, "show", first)
    assert isinstance(row, dict)
    assert (row["state"], row["objective"], row["attempt"]) == ("DONE", 0.5, 2)


def test_the_report_is_one_file(campaign: Shell) -> None:
    """People copy it to their own machine and open it there."""
    written = told(campaign, "report", "-o", "r.html")
    page = (campaign.folder / "r.html").read_text()
    assert written == {"file": "r.html", "campaign": "p", "evaluations": NUMBER, "bytes": len(page.encode())}
    assert f"<dd id=n-best>{told_best(campaign):.6g}</dd>" in page
    assert "ValueError: bad is bad" in page
    said = campaign.ambs("report")
    assert "Wrote p.html" in said
    assert said.endswith(f"{(campaign.folder / 'p.html').resolve().as_uri()}\n")


def told_best(shell: Shell) -> float:
    """The best objective, as `ambs best` tells it."""
    rows = told(shell, "best")
    assert isinstance(rows, list)
    return float(rows[0]["objective"])


@pytest.mark.parametrize("wrong", ["1s", "5", "m", "-5m", "inf", "200h", "\u0665m"])
def test_a_wrong_pause_is_told(wrong: str) -> None:
    """Nothing is written, and the message says what is accepted."""
    with pytest.raises(UsageError, match="from 5s to 168h"):
        pause_seconds(wrong)


def test_a_pause_has_a_unit() -> None:
    """Seconds, minutes, hours."""
    assert [pause_seconds(text) for text in ("5s", "5m", "2h")] == [5.0, 300.0, 7200.0]
