"""Architectures from the page to the ensemble."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from ambs_hpc import open_campaign
from ambs_hpc.api.kept_files.predictions_file import read_predictions
from tests.stories.commands import Shell

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "architectures.md").read_text(), flags=re.DOTALL)


def test_the_example_leaves_an_ensemble(tmp_path: Path) -> None:
    """Searched, run and put together as the page says."""
    shell = Shell(tmp_path, str(tmp_path / "ambs.db"))
    problem = str(ROOT / "examples" / "architecture_digits" / "problem.py")
    shell.ambs("run", problem, "--max-evaluations", "4", "--method", "random", "--slots", "2")
    found = json.loads(shell.ambs("ensemble", "-k", "3", "--json"))
    assert (found["candidates"], found["left_out"], found["metric"]) == (4, {}, "log_loss")
    assert found["validation"] <= found["best"]["validation"]
    assert 0.0 < found["test"] < 2.3
    with open_campaign(shell.database) as campaign:
        again = campaign.ensemble(3, metric="log_loss")
    assert [(one.id, one.weight) for one in again.members] == [
        (one["id"], one["weight"]) for one in found["members"]
    ]


def test_the_page_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code runs as it stands, in a folder with the files that it names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "model", raising=False)
    model, problem, blocks, predictions, _reading = BLOCKS
    Path("model.py").write_text(model)
    stated: dict[str, object] = {}
    try:
        exec(problem, stated)
    finally:
        sys.modules.pop("model", None)
    (start,) = stated["problem"].starting_points  # type: ignore[attr-defined]
    assert start["body_count"] == 2
    exec(blocks, {})
    exec(predictions, {})
    assert read_predictions(Path("predictions.npz")).test is not None
