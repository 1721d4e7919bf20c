"""Sweeps with `hydra/sweeper=ambs`: no idle slot, nothing twice after a kill, errors before anything."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import hydra_plugins.hydra_ambs_sweeper as installed_plugin
import pytest
import yaml

from ambs_hpc import open_campaign
from ambs_hpc.errors import AmbsError
from ambs_hpc.integrations.hydra.settings import SweeperSettings
from ambs_hpc.queue import list_allocations, list_evaluations, open_database, reading
from ambs_hpc.states import State
from tests.databases import wait_until

ROOT = Path(__file__).parent.parent.parent
SLOTS, BUDGET = 4, 14


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example."""
    shutil.copytree(ROOT / "examples" / "hydra", tmp_path / "example")
    return tmp_path / "example"


def start(folder: Path, *arguments: str, script: str = "sphere.py") -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMBS_")}
    return subprocess.Popen(
        [sys.executable, script, "--multirun", *arguments],
        cwd=folder,
        env={**kept, "AMBS_CONFIG_DIR": str(folder / "config")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(folder: Path, *arguments: str, status: int = 0, script: str = "sphere.py") -> str:
    running = start(folder, *arguments, script=script)
    out, _ = running.communicate(timeout=100)
    assert running.returncode == status, out
    return out


def done_in(folder: Path) -> int:
    try:
        with open_campaign(folder / "ambs.db", "sphere") as campaign:
            return campaign.status().counts["DONE"]
    except AmbsError:  # the sweep is making it
        return 0


def busy_share(spans: list[tuple[float, float]]) -> float:
    """The share of the slots' time that was used, from when all were first taken to the last start."""
    begun = sorted(start for start, _ in spans)
    first, last = begun[SLOTS - 1], begun[-1]
    return sum(max(0.0, min(end, last) - max(start, first)) for start, end in spans) / SLOTS / (last - first)


def test_installed_plugin_is_this_one() -> None:
    """An editable installation has a copy: `make install-test` renews it."""
    ours = ROOT / "ambs_hpc" / "integrations" / "hydra" / "plugin.py"
    assert Path(installed_plugin.__file__).read_text() == ours.read_text()


def test_a_killed_sweep_goes_on_and_keeps_its_slots_busy(folder: Path) -> None:
    """The next evaluation starts when one ends, not when all do; the same command goes on after a kill."""
    command = [f"hydra.sweeper.max_evaluations={BUDGET}", "seconds=2"]
    sweep = start(folder, *command)
    wait_until(lambda: sweep.poll() is not None or done_in(folder) >= 2, 100, 0.3)
    sweep.send_signal(signal.SIGKILL)
    sweep.communicate()
    before = done_in(folder)
    assert 2 <= before < BUDGET
    said(folder, *command)
    with open_campaign(folder / "ambs.db", "sphere") as campaign:
        rows = campaign.results(as_frame=False)
        best = campaign.best()
    assert [row["state"] for row in rows] == ["DONE"] * BUDGET
    assert len({(row["p:x"], row["p:y"], row["p:scale"], row["p:shape"]) for row in rows}) == BUDGET
    for row in rows:
        offset = {"flat": 0.0, "high": 1.0}[row["p:shape"]]
        assert row["objective"] == pytest.approx(row["p:x"] ** 2 + row["p:scale"] * row["p:y"] ** 2 + offset)
    spans = sorted((row["started_at"].timestamp(), row["finished_at"].timestamp()) for row in rows)
    later = spans[before:]
    for began, _ in later[SLOTS:]:  # waves would begin with idle slots
        assert any(other < began < end for other, end in later)
    assert busy_share(later) > 0.75
    (file,) = folder.glob("multirun/*/*/optimization_results.yaml")
    written = yaml.safe_load(file.read_text())
    assert (written["best_value"], written["best_params"]) == (best.objective, best.configuration)


PROGRAM = """
import os, pathlib, hydra
from hydra.core.hydra_config import HydraConfig

@hydra.main(version_base=None, config_path=None)
def program(cfg):
    of_hydra = HydraConfig.get()
    print("cwd", os.getcwd(), "number", of_hydra.job.num, flush=True)
    if cfg.x == 2:
        raise ValueError("two")
    pathlib.Path(of_hydra.runtime.output_dir, "own").touch()
    return {"objective": cfg.x, "words": list(cfg.words)} if cfg.x != 3 else None

if __name__ == "__main__":
    program()
"""


def test_each_evaluation_is_a_run_of_its_own(folder: Path) -> None:
    """In the folder of the sweep, with its output in its own; failures are failures, with their words."""
    (folder / "program.py").write_text(PROGRAM)
    chosen = ["hydra/sweeper=ambs", "hydra.sweeper.max_evaluations=3", "hydra.sweeper.direction=maximize"]
    said(folder, *chosen, "+x=1,2,3", "+words=[a,b]", "hydra.mode=MULTIRUN", script="program.py")
    with open_campaign(folder / "ambs.db", "program") as campaign:
        rows = {row["p:x"]: row for row in campaign.results(as_frame=False)}
        assert campaign.best().metrics == {"words": ["a", "b"]}
    assert {x: row["state"] for x, row in rows.items()} == {1: "DONE", 2: "FAILED", 3: "FAILED"}
    assert "ValueError: two" in rows[2]["error"]
    assert "The function under @hydra.main returns the objective" in rows[3]["error"]
    for file in folder.glob("ambs-runs/program/*/000/*/stdout"):
        number = int(file.parent.name.partition("-")[0])
        assert file.read_text() == f"cwd {folder} number {number}\n"
        assert (file.parent / ".hydra" / "overrides.yaml").is_file()


def test_a_sweep_in_an_allocation_is_waited_for(folder: Path) -> None:
    """Search and launcher run in it; the command that is given again submits nothing while one is alive."""
    (folder / "ambs.yml").write_text("site: local\n")
    submit = [
        "hydra.sweeper.submit.nodes=1",
        "hydra.sweeper.submit.time=10m",
        "hydra.sweeper.max_evaluations=4",
    ]
    assert "submitted to local" in said(folder, *submit, "seconds=0")
    again = said(folder, *submit, "seconds=0", "hydra.sweeper.submit.wait=true")
    assert "submitted" not in again.replace("none are submitted", "")
    assert "best objective" in said(folder, *submit, "seconds=0")
    engine = open_database(str(folder / "ambs.db"))
    with reading(engine) as connection:
        assert len(list_allocations(connection)) == 1
        assert [row.state for row in list_evaluations(connection)] == [State.DONE] * 4
    engine.dispose()
    assert len(list(folder.glob("multirun/*/*/optimization_results.yaml"))) == 2


PAGE = (ROOT / "docs" / "integrations.md").read_text()


def test_the_page_names_every_setting() -> None:
    """A renamed setting is renamed there too."""
    told = {
        name for row in re.findall(r"^\| (`.*?) \|", PAGE, flags=re.M) for name in re.findall(r"`(\w+)`", row)
    }
    assert told >= {one.name for one in fields(SweeperSettings)} - {"_target_"}


def test_the_pages_program_is_swept(tmp_path: Path) -> None:
    """What people copy works, with a smaller number; the command line's sweep is another campaign's."""
    for language, name in (("python", "train.py"), ("yaml", "train.yaml")):
        (block,) = re.findall(rf"```{language}\n(# {name}\n.*?)```", PAGE, flags=re.S)
        (tmp_path / name).write_text(block.replace("max_evaluations: 100", "max_evaluations: 3"))
    said(tmp_path, "lr=interval(0.001, 0.01)", "hydra.sweeper.name=narrow", script="train.py")
    with open_campaign(tmp_path / "ambs.db", "narrow") as campaign:
        rows = campaign.results(as_frame=False)
    assert [row["state"] for row in rows] == ["DONE"] * 3
    assert all(0.001 <= row["p:lr"] <= 0.01 and 1 <= row["p:layers"] <= 8 for row in rows)


WRONG = {
    "xx=interval(0,1)": "Could not override 'xx'",
    "hydra.sweeper.max_evaluations=null": "ambs: hydra.sweeper.max_evaluations: say how many evaluations",
    "hydra.sweeper.db='postgresql://me:secret@host/db'": "ambs: hydra.sweeper.db: has a password",
    "hydra.sweeper.slot=3": "Key 'slot' not in 'SweeperSettings'",
    "hydra.sweeper.starting_points=[{x: 0.1}]": "ambs: problem: starting_points[0]",
}


@pytest.mark.parametrize("argument", WRONG)
def test_what_is_wrong_is_told_before_anything_is_stored(argument: str, folder: Path) -> None:
    """In Hydra's own short form, without a traceback."""
    out = said(folder, argument, status=1)
    assert WRONG[argument] in out
    assert "Traceback" not in out
    assert not (folder / "ambs.db").exists()
