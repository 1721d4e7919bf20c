"""The trial import: in a process of its own, with an end, and with what the module said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ambs_hpc.launcher.trial.trial_import import Trial, try_import


def tried(folder: Path, text: str, seconds: float = 60.0) -> Trial:
    (folder / "tried.py").write_text(text)
    return try_import("tried:train", str(folder), seconds=seconds)


def test_it_tells_of_the_function_and_calls_nothing(tmp_path: Path) -> None:
    """What the module prints, or starts, is neither taken for the answer nor waited for."""
    trial = tried(
        tmp_path,
        "import threading, time\n"
        'print(\'{"what": "hello"}\')\n'
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "def train(lr, units=3) -> float:\n    raise SystemExit(3)\n",
    )
    assert trial.trouble == ""
    assert trial.told["what"] == "function"
    assert trial.told["arguments"]["by_name"] == ["lr", "units"]
    assert trial.told["returns"] == "float"
    assert "tried" not in sys.modules


@pytest.mark.parametrize(
    ("text", "error", "is_mistake"),
    [
        ("import absent_library\n", "ModuleNotFoundError: No module named 'absent_library'", False),
        ("raise RuntimeError('no GPU here')\n", "RuntimeError: no GPU here", False),
        ("open('absent.csv')\n", "No such file or directory: 'absent.csv'", False),
        ("def train(:\n", "SyntaxError", True),
        ("learning_rate = lr\n", "NameError: name 'lr' is not defined", True),
        ("import sys\nsys.exit('usage')\n", "SystemExit: usage", False),
    ],
)
def test_what_an_import_raises_is_told(tmp_path: Path, text: str, error: str, *, is_mistake: bool) -> None:
    """With the lines of the person's own file, and whether another machine could help."""
    trial = tried(tmp_path, text)
    assert trial.told["what"] == "import failed"
    assert error in trial.told["error"]
    assert trial.told["is_mistake"] is is_mistake
    assert "tried.py" in trial.printed
    assert "ambs_hpc" not in trial.printed
    assert "importlib" not in trial.printed


def test_an_import_without_end_is_ended(tmp_path: Path) -> None:
    """A module that trains when it is imported would keep the command for hours."""
    text = "import sys, time\nprint('epoch 1', file=sys.stderr, flush=True)\ntime.sleep(600)\n"
    trial = tried(tmp_path, text, seconds=2.0)
    assert "has not ended after 2 s" in trial.trouble
    assert trial.printed == "epoch 1"


def test_an_import_that_kills_its_process_is_told(tmp_path: Path) -> None:
    """As extensions do that were built for other processors."""
    trial = tried(tmp_path, "import os\nos.kill(os.getpid(), 4)\n")
    assert trial.trouble == "was killed by signal 4"
