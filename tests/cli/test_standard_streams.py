"""Closed, full or broken standard streams: one message and an exit code, and nothing else ends of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

AMBS = f"{sys.executable} -m ambs_hpc.cli.main"


def ended(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"{AMBS} {line}"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_full_device_as_stdout_is_one_message(tmp_path: Path) -> None:
    """A script that stores what a command says must see that it has not."""
    seen = ended(tmp_path, "site list > /dev/full")
    assert (seen.returncode, seen.stderr) == (
        1,
        "ambs: stdout cannot be written: No space left on device. Make room there, or send it elsewhere.\n",
    )


@pytest.mark.parametrize("lost", ["2> /dev/full", "2>&-"])
def test_what_stderr_cannot_take_ends_nothing(lost: str, tmp_path: Path) -> None:
    """A search whose log lies on a full file system goes on; stdout says the same as ever."""
    tmp_path.joinpath("problem.py").write_text(
        "import sys\n"
        "print('said')\n"
        "sys.stderr.write('said')\n"
        "from ambs_hpc import Problem\n"
        "problem = Problem(name='p', space={'x': (0.0, 1.0)}, objective='m:f')\n"
    )
    tmp_path.joinpath("m.py").write_text("def f(x):\n    return x\n")
    seen = ended(tmp_path, f"run problem.py --max-evaluations 1 --dry-run --json --no-check {lost}")
    assert (seen.returncode, seen.stdout[:1]) == (0, "{")


def test_closed_stdout_is_as_dev_null(tmp_path: Path) -> None:
    """Whoever closes it wants no words; a file that is opened next must not get them either."""
    seen = ended(tmp_path, "site list >&- <&-")
    assert (seen.returncode, seen.stderr) == (0, "")


def test_bytes_that_are_no_text_are_told_in_words(tmp_path: Path) -> None:
    """A path of an old file system comes with bytes that no database stores."""
    seen = ended(tmp_path, "status --db $'\\xff.db'")
    assert (seen.returncode, seen.stderr.count("\n")) == (1, 1)
    assert "\\udcff.db" in seen.stderr
    assert "UTF-8" in seen.stderr
