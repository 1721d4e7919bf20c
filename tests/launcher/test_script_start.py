"""A script's start is an allocation's start, until the scheduler tells its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.identity import running_seconds
from ambs_hpc.launcher import allocation
from ambs_hpc.queue import (
    get_allocation,
    note_allocation_state,
    note_submitted,
    prepare_allocation,
    reading,
    transaction,
)


def started_at(engine: Engine, number: int) -> float | None:
    with reading(engine) as connection:
        return get_allocation(connection, number).started_at


def test_what_the_script_did_before_its_launcher_was_paid_for(
    any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules are loaded for half a minute; Slurm has forgotten the allocation when somebody asks it."""
    with transaction(any_engine) as connection:
        number = prepare_allocation(connection, "slurm", "slurm", {"nodes": 1, "minutes": 5})
        note_submitted(connection, number, "4711")
        begin = get_allocation(connection, number).created_at
    environ = {"AMBS_ALLOCATION": str(number), "AMBS_SITE": "slurm", "AMBS_FOLDER": str(tmp_path)}
    monkeypatch.setattr(allocation, "running_seconds", lambda _pid: 30.0)
    allocation.current_node_pool(any_engine, environ, begin + 20.0)  # that is of an older process
    assert started_at(any_engine, number) is None
    allocation.current_node_pool(any_engine, environ, begin + 90.0)
    assert started_at(any_engine, number) == begin + 60.0
    with transaction(any_engine) as connection:
        note_allocation_state(connection, number, "RUNNING", started_at=begin + 55.0)
    allocation.current_node_pool(any_engine, environ, begin + 95.0)
    assert started_at(any_engine, number) == begin + 55.0


def test_a_process_knows_its_age() -> None:
    """Since its start, not since its last program: the shell of a script becomes the launcher."""
    mine, first = running_seconds(os.getpid()), running_seconds(1)
    assert mine is not None
    assert first is not None
    assert 0.0 < mine <= first


def test_a_launcher_beside_the_script_is_of_its_allocation(any_engine: Engine) -> None:
    """`srun --jobid=4711 --overlap ambs launch`: its node is paid for once, and it is gone with the nodes."""
    with transaction(any_engine) as connection:
        others = prepare_allocation(connection, "slurm", "slurm", {"nodes": 1})
        note_submitted(connection, others, "4710")
        number = prepare_allocation(connection, "slurm", "slurm", {"nodes": 2})
        note_submitted(connection, number, "4711")
    step = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "n[1-2]"}
    assert allocation.allocation_around(any_engine, step) == number
    assert allocation.allocation_around(any_engine, {**step, "SLURM_JOB_ID": "4712"}) is None
    assert allocation.allocation_around(any_engine, {"SLURM_JOB_ID": "4711"}) is None
    assert allocation.allocation_around(any_engine, {}) is None
