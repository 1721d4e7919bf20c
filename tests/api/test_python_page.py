"""The page on Python does what it says."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import ambs_hpc
from ambs_hpc import Campaign, open_campaign
from ambs_hpc.api import results_table

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text()


def test_blocks_run_from_top_to_bottom(tmp_path: Path) -> None:
    """What people copy works as it stands, with smaller numbers."""
    model, *blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "model.py").write_text(model)
    script = "\n".join(blocks)
    for large, small in (("max_evaluations=200", "max_evaluations=3"), ("n_iter=40", "n_iter=2")):
        assert large in script
        script = script.replace(large, small)
    (tmp_path / "script.py").write_text(script.replace("(images, labels)", "(images[:200], labels[:200])"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AMBS_")}
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**environment, "AMBS_CONFIG_DIR": str(tmp_path / "config")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "'DONE': 3" in done.stdout
    assert "SVC-" in done.stdout


def test_methods_arguments_and_columns_are_those_of_the_page() -> None:
    """A renamed argument or column is renamed here too."""
    rows = re.findall(r"^\| (`.*?) \| ", PAGE, flags=re.MULTILINE)
    told = {
        name: set(re.findall(r"(\w+)=?(?:, |\))", arguments))
        for row in rows
        for name, arguments in re.findall(r"`\.?(\w+)(\([^`]*\))`", row)
    }
    real = {name: one for name, one in inspect.getmembers(Campaign, inspect.isfunction) if name[0] != "_"}
    real |= {"Campaign": Campaign.__init__, "open_campaign": open_campaign}
    del real["close"]
    assert {name: set(inspect.signature(one).parameters) - {"self"} for name, one in real.items()} == told
    for column in (*results_table.FIRST, *results_table.LAST):
        assert f"`{column}`" in PAGE
    assert set(ambs_hpc.__all__) == {
        "Campaign",
        "Command",
        "Container",
        "Fidelity",
        "Problem",
        "Resources",
        "open_campaign",
        "report",
    }
