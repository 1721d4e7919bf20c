"""Allocations whose id is unknown, or not known any more, are looked for by their name."""

from __future__ import annotations

import getpass
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.queue import (
    get_allocation,
    note_submitted,
    open_database,
    prepare_allocation,
    reading,
    transaction,
)
from ambs_hpc.records import Allocation
from ambs_hpc.sites import cancel_allocation, refresh, write_script
from tests.databases import fresh_database, wait_until
from tests.schedulers.fakes import FakeScheduler

ME = getpass.getuser()


@dataclass
class Machine:
    """A Cobalt on which nothing starts, and an allocation that this database has prepared."""

    fake: FakeScheduler
    engine: Engine
    folder: Path
    number: int

    def qsub(self, name: str) -> None:
        """What a client did whose answer was lost."""
        script = self.folder / "a.sh"
        write_script(script, "#!/bin/bash\n#COBALT -n 1 -t 10\nsleep 60\n")
        command = ["qsub", "--jobname", name, "--debuglog", f"{self.folder}/$jobid.log", str(script)]
        subprocess.run(command, check=True, capture_output=True, env=self.fake.environ())

    def stored(self) -> Allocation:
        with reading(self.engine) as connection:
            return get_allocation(connection, self.number)

    def refresh(self) -> Allocation:
        refresh(self.engine, ME, self.stored().created_at)
        return self.stored()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    with (
        fresh_database("sqlite", tmp_path) as url,
        FakeScheduler("cobalt", tmp_path / "fake", paused=True) as fake,
    ):
        for name, value in fake.environ({"PATH": "/usr/bin:/bin"}).items():
            monkeypatch.setenv(name, value)
        engine = open_database(url)
        asked = {"nodes": 1, "minutes": 10, "folder": str(tmp_path), "name": "ambs-7"}
        with transaction(engine) as connection:
            number = prepare_allocation(connection, "cooley", "cobalt", asked)
        yield Machine(fake, engine, tmp_path, number)
        engine.dispose()


def test_an_allocation_whose_answer_was_lost_can_be_cancelled(machine: Machine) -> None:
    """It is queued, and costs node-hours once it starts."""
    machine.qsub("ambs-7")
    assert machine.stored().state == "PREPARED"
    assert cancel_allocation(machine.engine, machine.number, ME) == ""
    assert machine.stored().scheduler_id == "1"
    wait_until(lambda: [one["state"] for one in machine.fake.allocations()] == ["ended"])


def test_the_oldest_of_several_is_followed_and_the_others_are_cancelled(machine: Machine) -> None:
    """Its client had submitted it again and again."""
    for name in ("ambs-7", "ambs-70", "ambs-7", "ambs-7"):
        machine.qsub(name)
    assert machine.refresh().scheduler_id == "1"
    wait_until(
        lambda: [one["state"] for one in machine.fake.allocations()] == ["queued", "queued", "ended", "ended"]
    )


def test_one_that_vanished_is_over_only_when_its_name_is_unknown_too(machine: Machine) -> None:
    """The other of two submissions lives, and runs our script."""
    with transaction(machine.engine) as connection:
        note_submitted(connection, machine.number, "99")
    machine.qsub("ambs-7")
    assert (machine.refresh().scheduler_id, machine.stored().state) == ("1", "QUEUED")
    assert machine.refresh().detail == "queued"
    assert cancel_allocation(machine.engine, machine.number, ME) == ""
    wait_until(lambda: machine.refresh().state == "ENDED")
    assert machine.stored().detail.startswith("cancelled")
    assert cancel_allocation(machine.engine, machine.number, ME).startswith("it has ended already (")


def test_a_scheduler_that_falls_silent_leaves_what_vanished_as_it_was(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its two answers it may be started anew, and know nothing yet."""
    with transaction(machine.engine) as connection:
        note_submitted(connection, machine.number, "99")
    qstat = machine.folder / "bin" / "qstat"
    qstat.parent.mkdir()
    qstat.write_text('#!/bin/sh\ncase "$*" in *-u*) echo "component error: down" >&2;; esac\nexit 1\n')
    qstat.chmod(0o755)
    monkeypatch.setenv("PATH", f"{qstat.parent}:/usr/bin:/bin")
    assert machine.refresh().state == "QUEUED"
