"""The example's notebook works as it stands, and a kernel leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook" / "digits.ipynb"


@pytest.fixture
def kernel_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a kernel runs, with a private allow-list and nothing of ours in the home folder."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("AMBS_DB", raising=False)
    for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    folder = tmp_path / "notebook"
    folder.mkdir()
    return folder


def test_the_notebook_runs_from_top_to_bottom(kernel_folder: Path) -> None:
    """It is what people copy; its table, its figure and its progress are what they see."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "store it without outputs"
    NotebookClient(notebook, timeout=90, resources={"metadata": {"path": str(kernel_folder)}}).execute()
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
    kinds = {kind for one in outputs for kind in one.get("data", {})}
    assert {"text/html", "image/png"} <= kinds
    said = "".join(str(one.get("data", {}).get("text/plain", "")) + one.get("text", "") for one in outputs)
    assert "digits: 16/16 ended" in said
    assert "'DONE': 16" in said
    assert (kernel_folder / "train_of_notebook.py").is_file()
