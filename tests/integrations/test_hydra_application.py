"""An evaluation starts the program again as the sweep was started, with the values of its configuration."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.integrations.hydra.app_main import CALLBACK, program_arguments
from ambs_hpc.integrations.hydra.application import evaluation_command
from ambs_hpc.launcher.command_line import anchored, filled


def module(file: Path | None = None, spec: str = "") -> ModuleType:
    made = ModuleType("__main__")
    made.__spec__ = ModuleSpec(spec, None) if spec else None
    if file is not None:
        file.touch()
        made.__file__ = str(file)
    return made


def started(command: list[str], folder: Path, lr: float = 0.5) -> list[str]:
    """What the evaluation of `lr` in the attempt's folder /runs/it's/7 becomes."""
    entries = filled(anchored(command, str(folder)), {"lr": lr})
    assert entries[:3] == [sys.executable, "-m", "ambs_hpc.integrations.hydra.app_main"]
    variables = {"AMBS_ORDINAL": "6", "AMBS_EVALUATION": "7", "AMBS_ATTEMPT": "2"}
    return program_arguments(entries[3:], "/runs/it's/7", variables)


OURS = [
    "hydra.mode=RUN",
    r"hydra.run.dir='/runs/it\'s/7'",
    "hydra.job.num=6",
    "hydra.job.id=ambs-7-2",
    f"++hydra.callbacks.ambs._target_={CALLBACK}",
]


def test_a_script_is_started_with_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra's own options that choose the configuration are kept, those of the sweep are not."""
    monkeypatch.chdir(tmp_path)
    argv = ["-m", "--config-name", "other", "-cd", "more", "lr=interval(0,1)"]
    of_hydra = ["hydra/sweeper=ambs", "hydra.sweeper.slots=4", "hydra.job.chdir=true", "hydra.sweep.dir=x"]
    command = evaluation_command(module(tmp_path / "app.py"), argv, of_hydra, ["epochs=3", "lr={lr}"])
    assert started(command, tmp_path) == [
        str(tmp_path / "app.py"),
        *("--config-name", "other", "--config-dir", "more"),
        *("hydra.job.chdir=true", "epochs=3", "lr=0.5"),
        *OURS,
    ]


def test_a_moved_folder_has_the_same_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign is recognised there, and its evaluations run there."""
    commands = []
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        commands.append(evaluation_command(module(tmp_path / name / "app.py"), [], [], ["lr={lr}"]))
    assert commands[0] == commands[1]
    assert started(commands[1], tmp_path / "after")[0] == str(tmp_path / "after" / "app.py")


@pytest.mark.parametrize("spec", ["package.app", "package.app.__main__"])
def test_a_module_is_started_as_a_module(spec: str, tmp_path: Path) -> None:
    """`python -m package.app` finds its relative imports again, beside a folder of its name too."""
    (tmp_path / "package.app").mkdir()
    command = evaluation_command(module(spec=spec), [], [], ["lr={lr}"])
    assert started(command, tmp_path) == ["-m", "package.app", "lr=0.5", *OURS]


def test_a_program_without_a_file_is_refused() -> None:
    """A notebook's cell cannot be started anew."""
    with pytest.raises(UsageError, match="not started from a file"):
        evaluation_command(module(), [], [], [])
