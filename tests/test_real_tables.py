"""benchmarks/real_tables.py on a table that is made up here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "real_tables.py"
TABLE = "sklearn-svr_diabetes"
SIZES = (3, 10, 10, 3, 6, 2)  # of its six parameters


def run(cache: Path, *words: str) -> str:
    command = [sys.executable, str(SCRIPT), "--cache", str(cache), "--problems", TABLE, *words]
    command += ["--seeds", "2", "--at", "4", "12"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def made_up_table(cache: Path) -> None:
    places = np.indices(SIZES).reshape(len(SIZES), -1).T / np.array(SIZES)
    values = ((places - 0.4) ** 2).sum(axis=1).reshape(*SIZES, 1)
    values[1, 0] = np.nan  # some fail
    np.savez(cache / f"{TABLE}.npz", values=values, seconds=np.full(SIZES, 2.0))


def test_campaigns_on_a_table_can_be_repeated(tmp_path: Path) -> None:
    """Two methods are compared on the same luck, so a difference is the methods' own."""
    made_up_table(tmp_path)
    words = ("--json", "--methods", "ambs", "random")
    runs, again = ([json.loads(line) for line in run(tmp_path, *words).splitlines()] for _ in range(2))
    assert [(one["method"], one["seed"]) for one in runs] == [
        ("ambs", 0),
        ("ambs", 1),
        ("random", 0),
        ("random", 1),
    ]
    assert [one["regret"] for one in runs] == [one["regret"] for one in again]
    assert all(early >= late >= 0 for early, late in (one["regret"] for one in runs))


def test_another_checkout_is_compared_pair_by_pair(tmp_path: Path) -> None:
    """The same code differs by nothing; what --out has is not run again."""
    made_up_table(tmp_path)
    words = ("--methods", "ambs", "--against", str(ROOT), "--out", str(tmp_path / "runs.jsonl"))
    told = run(tmp_path, *words)
    assert f"ambs@{ROOT.name} minus ambs" in told
    assert "at 12   +0.000 ± 0.000 ± nan   0 : 0" in told
    assert run(tmp_path, *words) == told
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 4
