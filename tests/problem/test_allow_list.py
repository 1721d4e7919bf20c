"""A launcher runs what its own user registered, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.errors import ObjectiveNotAllowed
from ambs_hpc.problem.allow_list import (
    allow,
    allow_list_file,
    allow_runs,
    is_allowed,
    is_run_directory_allowed,
)

OBJECTIVE = {"function": "model:train", "warm": True}


@pytest.fixture(autouse=True)
def own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path))


def test_only_registered_objectives_are_allowed() -> None:
    """Neither another function nor another folder passes."""
    assert not is_allowed(OBJECTIVE, "/a")
    allow(OBJECTIVE, "/a")
    assert is_allowed(OBJECTIVE, "/a")
    assert not is_allowed(OBJECTIVE, "/b")
    assert not is_allowed({"function": "os:system", "warm": True}, "/a")


def test_registering_twice_writes_once() -> None:
    """The file grows with objectives, not with runs."""
    allow(OBJECTIVE, "/a")
    allow(OBJECTIVE, "/a")
    assert len(allow_list_file().read_text().splitlines()) == 1
    assert allow_list_file().stat().st_mode & 0o777 == 0o600


def test_list_that_others_can_write_is_refused() -> None:
    """Otherwise anybody could have code run as this user."""
    allow(OBJECTIVE, "/a")
    allow_list_file().chmod(0o666)
    with pytest.raises(ObjectiveNotAllowed, match="chmod 600"):
        is_allowed(OBJECTIVE, "/a")


def test_run_directory_is_registered_with_all_below_it() -> None:
    """A row may not send what evaluations print anywhere else."""
    assert not is_run_directory_allowed("/a/runs/p/0f")
    allow_runs("/a/runs/p")
    assert is_run_directory_allowed("/a/runs/p")
    assert is_run_directory_allowed("/a/runs/p/0f")
    assert not is_run_directory_allowed("/a/runs/q")
    assert not is_run_directory_allowed("/a/runs/p/../q")
    assert not is_allowed({"function": "runs", "warm": True}, "/a/runs/p")
