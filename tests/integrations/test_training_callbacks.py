"""A training that TERM ends is gone on with by the next attempt, with each framework.

Continuous integration has no room for the frameworks: there stand-ins call the callbacks as they do. With the
packages installed, the same tests run on them as well.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ambs_hpc.queue import list_evaluations, open_database, reading
from ambs_hpc.states import State
from tests.databases import wait_until
from tests.stories.commands import Shell

HERE = Path(__file__).parent
STEPS = 60
PROBLEM = """
import sys
from ambs_hpc import Command, Problem
problem = Problem(
    name="training",
    space={{"program": {programs!r}}},
    objective=Command([sys.executable, {folder!r} + "/{{program}}.py"]),
)
"""


def installed(*packages: str) -> pytest.MarkDecorator:
    missing = [one for one in packages if find_spec(one) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


class TrainingShell(Shell):
    """Programs find the stand-ins before what is installed, where they are meant for them."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "PYTHONPATH": os.environ.get("STAND_INS", "")}


@pytest.fixture
def shell(tmp_path: Path) -> TrainingShell:
    return TrainingShell(tmp_path, str(tmp_path / "ambs.db"))


def steps_of(shell: Shell, number: int, attempt: int) -> list[int]:
    files = list(shell.folder.glob(f"ambs-runs/training/*/000/{number:06d}-{attempt}/stdout"))
    return [int(one) for file in files for one in re.findall(r"^step (\d+)", file.read_text(), flags=re.M)]


@pytest.mark.parametrize(
    "programs",
    [
        ["with_lightning", "with_transformers"],
        pytest.param(
            ["with_installed_lightning", "with_installed_transformers"],
            marks=installed("lightning", "transformers", "torch"),
        ),
    ],
    ids=["stand-ins", "installed"],
)
def test_a_training_ended_by_term_goes_on_where_it_was(
    programs: list[str], shell: TrainingShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of training are not lost when an allocation ends, and half a training is no result."""
    is_installed = "installed" in programs[0]
    monkeypatch.setenv("STAND_INS", "" if is_installed else str(HERE / "stand_ins"))
    shell.write("problem.py", PROBLEM.format(programs=programs, folder=str(HERE / "programs")))
    command = ["run", "problem.py", "--max-evaluations", "2", "--slots", "2"]
    running = shell.start(*command)
    wait_until(
        lambda: all(len(steps_of(shell, number, 1)) > 2 for number in (0, 1)) or running.poll() is not None,
        100,
        0.02,
    )
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    engine = open_database(shell.database)
    with reading(engine) as connection:
        rows = list_evaluations(connection)
    assert [(row.state, row.interruptions, row.failures) for row in rows] == [(State.READY, 1, 0)] * 2
    shell.ambs(*command, timeout_seconds=110)
    with reading(engine) as connection:
        rows = list_evaluations(connection)
    engine.dispose()
    assert [(row.state, row.attempt) for row in rows] == [(State.DONE, 2)] * 2
    for number in (0, 1):
        assert steps_of(shell, number, 1) + steps_of(shell, number, 2) == list(range(STEPS))
    assert is_installed or [row.objective for row in rows] == [0.25] * 2
    reported = shell.rows("select evaluation_id, step, attempt, objective from v_reports order by step desc")
    last = [(row["step"], row["attempt"], row["objective"]) for row in reported]
    assert is_installed or last == [(20, 2, 0.25), (3, 2, 0.25)]


def run_by_hand(folder: Path, program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The text of a program, on the stand-ins and without a launcher."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AMBS_")}
    path = f"{HERE / 'stand_ins'}:{HERE.parent.parent}"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**kept, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def text_of(program: str) -> str:
    return (HERE / "programs" / f"{program}.py").read_text()


@pytest.mark.parametrize("program", ["with_lightning", "with_transformers"])
def test_outside_of_an_evaluation_nothing_is_left(program: str, tmp_path: Path) -> None:
    """The same program runs by hand, as before."""
    ended = run_by_hand(tmp_path, text_of(program))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


@pytest.fixture
def inside(tmp_path: Path) -> dict[str, str]:
    """The variables of an evaluation."""
    return {"AMBS_CHECKPOINT_DIR": str(tmp_path / "kept"), "AMBS_RESULT": str(tmp_path / "result")}


def test_a_metric_that_nobody_logged_is_named(tmp_path: Path, inside: dict[str, str]) -> None:
    """A wrong name of the metric is told with those that there are."""
    ended = run_by_hand(tmp_path, text_of("with_lightning").replace('"val_loss"', '"val_los"'), **inside)
    assert "AmbsCallback(monitor='val_los'): no such metric was logged. Logged: val_loss" in ended.stderr
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize("program", ["with_lightning", "with_transformers"])
def test_steps_of_reports_are_epochs_or_steps(program: str, tmp_path: Path, inside: dict[str, str]) -> None:
    """Whoever prunes by steps compares like with like; a wrong word is told at the desk."""
    text, inside["AMBS_REPORTS"] = text_of(program), str(tmp_path / "reports")
    for word in ("global_step", "epoch"):
        ended = run_by_hand(tmp_path, text.replace('")]', f'", step="{word}")]'), **inside)
        assert ended.returncode == 0, ended.stderr
    lines = [json.loads(one) for one in (tmp_path / "reports").read_text().splitlines()]
    assert [one["step"] for one in lines] == [STEPS, 3 if program == "with_transformers" else 20]
    assert {one["objective"] for one in lines} == {0.25}
    ended = run_by_hand(tmp_path, text.replace('")]', '", step="epochs")]'), **inside)
    assert "AmbsCallback(step='epochs'): accepted are 'epoch', 'global_step'" in ended.stderr


def test_a_folder_that_the_next_attempt_does_not_find_is_refused(
    tmp_path: Path, inside: dict[str, str]
) -> None:
    """Checkpoints in an attempt's own folder would be lost without a word."""
    text = text_of("with_transformers").replace('checkpoint_folder("out")', '"out"')
    ended = run_by_hand(tmp_path, text, **inside)
    assert "TrainingArguments.output_dir is 'out'" in ended.stderr
    assert "checkpoint_folder('out')" in ended.stderr


def test_a_training_ended_within_its_last_validation_is_scored_by_another(
    tmp_path: Path, inside: dict[str, str]
) -> None:
    """Lightning does not repeat a validation that TERM cut off: without a word there would be no result."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "ambs-000000000060.ckpt").write_text('{"global_step": 60}')
    ended = run_by_hand(tmp_path, text_of("with_lightning"), **inside)
    assert "nothing was validated in this attempt. Call Trainer.validate" in ended.stderr
    assert not (tmp_path / "result").exists()
    run_by_hand(tmp_path, text_of("with_lightning") + "trainer.validate(None, None)\n", **inside)
    assert json.loads((tmp_path / "result").read_text()) == {"objective": 0.25}


def test_a_checkpoint_that_was_being_written_is_passed_over(tmp_path: Path, inside: dict[str, str]) -> None:
    """An attempt that was killed while it saved leaves a folder that cannot be loaded."""
    for step in (9, 20):
        (tmp_path / "kept" / f"checkpoint-{step}").mkdir(parents=True)
    (tmp_path / "kept" / "checkpoint-9" / "trainer_state.json").write_text('{"global_step": 9}')
    (tmp_path / "kept" / "checkpoint-20" / "trainer_state.json").write_text('{"global_st')
    ended = run_by_hand(tmp_path, text_of("with_transformers"), **inside)
    assert ended.stdout.startswith("step 9\n")


@pytest.mark.parametrize("framework", ["lightning", "transformers"])
def test_without_the_framework_its_extra_is_named(framework: str, tmp_path: Path) -> None:
    """The import fails at the user's desk, not in an allocation."""
    missing = dict.fromkeys(("lightning", "pytorch_lightning", "transformers"))
    without = f"import sys\nsys.modules.update({missing})\n"
    ended = run_by_hand(tmp_path, f"{without}import ambs_hpc.integrations.{framework}")
    assert ended.stderr.endswith(f"Install it: pip install 'ambs-hpc[{framework}]'\n")


@pytest.mark.parametrize("framework", ["lightning", "transformers"])
def test_the_page_does_what_it_says(framework: str, tmp_path: Path, inside: dict[str, str]) -> None:
    """What people copy leaves the objective."""
    page = (HERE.parents[1] / "docs" / "integrations.md").read_text()
    (block,) = (
        one for one in re.findall(r"```python\n(.*?)```", page, flags=re.S) if f"from {framework}" in one
    )
    ended = run_by_hand(tmp_path, f"model = data = None\n{block}", **inside)
    assert ended.stderr == ""
    assert json.loads((tmp_path / "result").read_text()) == {"objective": 0.25}
