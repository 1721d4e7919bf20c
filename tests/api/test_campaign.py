"""A campaign driven from Python: what `ambs run` does, without a command line."""

from __future__ import annotations

import importlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc import Campaign, Problem, open_campaign
from ambs_hpc.api.interrupts import RunInterrupted
from ambs_hpc.errors import CampaignConflict, DatabaseRefused, NotFound, ProblemError, UsageError
from tests.databases import wait_until
from tests.stories.kill_story import orphans_in

MODEL = """
import os, pathlib, time
HERE = pathlib.Path(__file__).parent
def train(configuration):
    if configuration["x"] > 0.9 and not (HERE / "mended").exists():
        raise ValueError("too large")
    return {"objective": configuration["x"], "twice": 2 * configuration["x"]}
def wait(configuration):
    with open(HERE / "begun", "a") as file: file.write("x")
    for _ in range(600):
        if (HERE / "go").exists(): break
        time.sleep(0.05)
    return configuration["x"]
"""
STARTS = [{"x": 0.95, "kind": "a"}, {"x": 0.5, "kind": "b"}]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the objective's module, in which everything happens."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("AMBS_DB", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "python_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("python_model", None)


def problem(function: str = "train", **changes: object) -> Problem:
    objective = getattr(importlib.import_module("python_model"), function)
    fields = {"space": {"x": (0.0, 1.0), "kind": ["a", "b"]}, "starting_points": STARTS, **changes}
    return Problem(name="p", objective=objective, **fields)  # type: ignore[arg-type]  # as given above


def test_a_campaign_runs_is_read_rerun_and_gone_on_with(any_url: str, folder: Path) -> None:
    """The whole of it: results and best after a run, a failure mended, a larger budget, another program."""
    campaign = Campaign(problem(), any_url, method="random")
    assert campaign.status().counts["READY"] == 0, "nothing starts by itself"
    with pytest.raises(NotFound, match="No evaluation"):
        campaign.best()
    assert campaign.run(max_evaluations=4, slots=2, progress=False) is campaign
    status = campaign.status()
    assert (status.ended, status.in_flight, status.search_alive, status.launchers) == (4, 0, False, 0)
    assert [group.signature for group in status.failures] == ["ValueError: too large"]
    assert status.best == campaign.best().objective <= 0.5
    table = campaign.results()
    assert list(table.columns)[:7] == ["id", "ordinal", "state", "objective", "p:x", "p:kind", "m:twice"]
    assert table["m:twice"].dropna().tolist() == (2 * table["objective"].dropna()).tolist()
    assert str(table["finished_at"].dtype).startswith("datetime64[") and "UTC" in str(
        table["finished_at"].dtype
    )
    (folder / "mended").touch()
    failed = [row["id"] for row in campaign.results(state="FAILED", as_frame=False)]
    assert campaign.rerun(failed=True) == failed
    again = Campaign(problem(), any_url).run(max_evaluations=5, slots=2, progress=False)
    states = {"READY": 0, "RUNNING": 0, "PAUSED": 0, "DONE": 5, "FAILED": 0, "CANCELLED": 0}
    assert again.status().counts == states
    with open_campaign(any_url) as reader:
        assert reader.best() == again.best()
        assert reader.wait(timeout=0)
        assert len(reader.results(as_frame=False)) == 5


def test_differences_are_told_as_on_the_command_line(folder: Path) -> None:
    """A name belongs to one problem."""
    Campaign(problem(), "x.db", seed=1).close()
    with pytest.raises(CampaignConflict, match=r"has the seed 1: .*--seed 2"):
        Campaign(problem(), "x.db", seed=2)
    with pytest.raises(CampaignConflict, match="direction minimize -> maximize"):
        Campaign(problem(direction="maximize"), "x.db")
    assert Campaign(problem(direction="maximize"), "x.db", name="other").name == "other"


WRONG = {
    "no problem": (lambda: Campaign({"x": 1}), "got a dict"),  # type: ignore[arg-type]  # on purpose
    "budget": (lambda: Campaign(problem(), "x.db").run(max_evaluations=0), "max_evaluations: is 0"),
    "half": (lambda: Campaign(problem(), "x.db").run(max_evaluations=2.5), "max_evaluations: is 2.5"),  # type: ignore[arg-type]
    "slots": (lambda: Campaign(problem(), "x.db").run(slots=True), "slots: is True"),
    "minutes": (lambda: Campaign(problem(), "x.db").run(max_minutes=float("nan")), "max_minutes: is nan"),
    "name": (lambda: Campaign(problem(), "x.db", name="../p"), "name: is '../p'"),
    "method": (lambda: Campaign(problem(), "x.db", method="amb"), "Did you mean 'ambs'"),
    "state": (lambda: Campaign(problem(), "x.db").results(state="OK"), "Accepted: READY"),
    "kind": (lambda: Campaign(problem(), "x.db").rerun(kind="TIME"), "Did you mean 'TIMEOUT'"),
    "rerun what": (lambda: Campaign(problem(), "x.db").rerun(), "rerun: say which"),
    "cancel what": (lambda: Campaign(problem(), "x.db").cancel(), "cancel: say which"),
    "no budget": (lambda: Campaign(problem(), "x.db").submit(1, site="local"), "give max_evaluations"),
    "no site": (lambda: Campaign(problem(), "x.db").submit(1, max_evaluations=2), "Which site?"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_argument_is_named(name: str) -> None:
    """With its value and what is accepted, before anything is started."""
    call, words = WRONG[name]
    with pytest.raises(Exception, match="(?i)" + words.replace("?", r"\?")) as caught:
        call()
    assert caught.type.__module__ == "ambs_hpc.errors"


def test_reading_starts_and_writes_nothing(folder: Path) -> None:
    """A campaign can be looked at while it runs, by whoever may read the file."""
    with pytest.raises(DatabaseRefused):
        open_campaign("x.db")
    assert not (folder / "x.db").exists()
    Campaign(problem(), "x.db").close()
    with sqlite3.connect("x.db") as connection:
        before = list(connection.iterdump())
    with open_campaign("x.db", "p") as reader:
        assert reader.status().counts["READY"] == len(reader.results(as_frame=False)) == 0
    with sqlite3.connect("x.db") as connection:
        assert list(connection.iterdump()) == before
    Campaign(problem(), "x.db", name="q").close()
    with pytest.raises(NotFound, match=r"Which campaign\? There are 'p', 'q'"):
        open_campaign("x.db")


def is_draining(folder: Path) -> bool:
    return "draining" in next(folder.glob("ambs-runs/p/*/launcher.log")).read_text()


def in_thread(campaign: Campaign) -> tuple[threading.Thread, list[BaseException]]:
    """The campaign, run in another thread, and what that raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            campaign.run(max_evaluations=4, slots=2, progress=False)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    begun = Path("begun")
    wait_until(lambda: raised or (begun.exists() and len(begun.read_text()) >= 2), 30)
    return thread, raised


def test_a_run_in_another_thread_is_interrupted_as_by_ctrl_c(folder: Path) -> None:
    """Dashboards run campaigns beside themselves: no signal comes there, and running work still ends."""
    campaign = Campaign(problem("wait"), "x.db")
    thread, raised = in_thread(campaign)
    with pytest.raises(CampaignConflict, match="Another thread"):
        Campaign(problem("wait"), "x.db").run(max_evaluations=4)
    assert not campaign.wait(timeout=0.1)
    campaign.interrupt()
    wait_until(lambda: is_draining(folder))
    (folder / "go").touch()
    thread.join(30)
    assert [type(one) for one in raised] == [RunInterrupted]
    counts = campaign.status().counts
    assert (counts["DONE"], counts["RUNNING"]) == (2, 0)
    with pytest.warns(UserWarning, match="no launcher is alive"):
        assert not campaign.wait(timeout=0)
    assert len(campaign.cancel(every=True)) == counts["READY"]
    assert campaign.wait(timeout=0)


def test_two_interrupts_of_the_main_thread_give_evaluations_back(folder: Path) -> None:
    """As Ctrl-C twice on the terminal; handlers are as before afterwards."""
    campaign = Campaign(problem("wait"), "x.db")
    before = signal.getsignal(signal.SIGINT)

    def interrupt() -> None:
        begun = folder / "begun"
        wait_until(lambda: begun.exists() and len(begun.read_text()) >= 2, 30)
        os.kill(os.getpid(), signal.SIGINT)
        wait_until(lambda: is_draining(folder))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt, match="goes on"):
        campaign.run(max_evaluations=4, slots=2, progress=False)
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    rows = campaign.results(as_frame=False)
    assert {row["state"] for row in rows} == {"READY"}
    assert sum(row["interruptions"] for row in rows) == 2


SCRIPT = """
def train(configuration):
    import python_model
    return python_model.wait(configuration)
if __name__ == "__main__":
    from ambs_hpc import Campaign, Problem
    problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective=train)
    Campaign(problem, "x.db").run(max_evaluations=4, slots=2)
"""


def test_a_killed_program_leaves_no_process_and_its_campaign_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a kernel that is restarted: nobody is there to clean up, and nothing that was proposed is lost."""
    (folder / "script.py").write_text(SCRIPT)
    program = subprocess.Popen([sys.executable, "script.py"], cwd=folder)
    wait_until(lambda: (folder / "begun").exists() and len((folder / "begun").read_text()) >= 2, 60)
    program.kill()
    program.wait()
    assert orphans_in(folder, within_seconds=30) == []
    (folder / "go").touch()
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert "p: " in done.stderr
    rows = open_campaign("x.db").results(as_frame=False)
    assert [row["state"] for row in rows] == ["DONE"] * 4
    assert sum(row["interruptions"] for row in rows) == 2


def test_a_module_that_begins_a_campaign_on_import_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every launcher would start another campaign for ever."""
    monkeypatch.setenv("AMBS_LAUNCHER", "host:1:2")
    with pytest.raises(UsageError, match="__main__"):
        Campaign(problem(), "x.db")
    monkeypatch.setenv("AMBS_EVALUATION", "17")
    Campaign(problem(), "x.db").close()


def test_a_module_is_tried_before_anything_is_spent(folder: Path) -> None:
    """In a process of its own, as evaluations have it: here it was imported, there it cannot be."""
    objective = problem()
    text = MODEL + "if os.environ.get('AMBS_TRIAL'): import a_library_of_elsewhere\n"
    (folder / "python_model.py").write_text(text)
    with Campaign(objective, "x.db") as campaign:
        with pytest.raises(ProblemError, match=r"a_library_of_elsewhere[\s\S]*check=False skips this trial"):
            campaign.run(max_evaluations=2, progress=False)
        assert campaign.status().in_flight == 0


def test_a_script_that_runs_a_campaign_on_import_is_told_at_once(folder: Path) -> None:
    """Its trial would begin the campaign again, and the trial of that one too."""
    (folder / "script.py").write_text(
        "from ambs_hpc import Campaign, Problem\n"
        "def train(configuration): return 1.0\n"
        "if __name__ != 'importing':\n"
        "    problem = Problem(name='p', space={'x': (0.0, 1.0)}, objective='script:train')\n"
        "    Campaign(problem, 'x.db').run(max_evaluations=2, progress=False)\n"
    )
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "makes a Campaign" in done.stderr
    assert "Nothing was started" in done.stderr


def test_submitted_campaign_runs_where_it_was_submitted(folder: Path) -> None:
    """The search goes with it, from a file that says what was said in Python."""
    (folder / "mended").touch()
    campaign = Campaign(problem(), "x.db")
    plan = campaign.submit(1, "0:30:00", site="local", max_evaluations=3, dry_run=True)
    assert f"--with-search {folder / 'p_problem.py'} --max-evaluations 3 --campaign p" in plan.script
    assert (plan.allocations, (folder / "p_problem.py").exists()) == ((), False)
    submitted = campaign.submit(1, "0:30:00", site="local", max_evaluations=3)
    assert [one.site for one in submitted.allocations] == ["local"]
    assert campaign.wait(timeout=60)
    assert campaign.status().counts["DONE"] == 3
    with pytest.raises(UsageError, match=r"would refuse it, so nothing was submitted: nodes 2"):
        campaign.submit(2, "0:30:00", site="local")
