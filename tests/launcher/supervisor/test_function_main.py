"""One evaluation of a function in a fresh interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor import function_main
from ambs_hpc.launcher.supervisor.messages import StartRequest, to_json
from ambs_hpc.launcher.supervisor.outcome import read_outcome


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "called.py").write_text("def f(configuration):\n    return configuration['x']\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("has_ranks", "rank", "has_outcome"), [(False, "3", True), (True, "3", False), (True, "0", True)]
)
def test_only_ranks_of_its_own_leave_the_result_to_the_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, has_ranks: bool, rank: str, has_outcome: bool
) -> None:
    """A launcher that is itself rank 3 of something has that in the environment of all that it starts."""
    request = StartRequest(1, 1, {"x": 0.5}, str(folder), None, has_ranks=has_ranks)
    (folder / ".ambs-request.json").write_text(to_json(request))
    monkeypatch.setenv("SLURM_PROCID", rank)
    assert function_main.main(["called:f", str(folder)]) == 0
    assert (read_outcome(folder, 1) is not None) is has_outcome
