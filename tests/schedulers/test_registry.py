"""Schedulers are found by being there: a further one is one file, and its script template."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc import schedulers
from ambs_hpc.schedulers import SCHEDULERS
from ambs_hpc.schedulers.registry import REGISTRY, found_schedulers

FILE = """
from ambs_hpc.schedulers.protocol import RegisteredScheduler
REGISTERED = RegisteredScheduler(lambda user, folder: f"{user} of yours", script_suffix="yours")
"""


def test_a_further_scheduler_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name of its module; modules that state nothing are no schedulers."""
    (tmp_path / "yours.py").write_text(FILE)
    (tmp_path / "unrelated.py").write_text("X = 1\n")
    folders = [*schedulers.__path__, str(tmp_path)]
    monkeypatch.setattr(schedulers, "__path__", folders)
    found = found_schedulers(folders)
    assert found.keys() - REGISTRY.keys() == {"yours"}
    assert found["yours"].create("alice", tmp_path) == "alice of yours"  # type: ignore[comparison-overlap]


def test_all_that_come_with_the_program_are_found() -> None:
    """Packages too, and only those that a site file may name are offered to people."""
    assert SCHEDULERS == ("cobalt", "local", "lsf", "pbs", "slurm")
    assert REGISTRY.keys() - set(SCHEDULERS) == {"balsam"}
