"""What cannot be imported is refused, and tried again: its file system may have failed for a moment."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.clock import ManualClock
from ambs_hpc.launcher import campaigns as campaigns_module
from ambs_hpc.launcher.campaigns import Campaigns
from ambs_hpc.launcher.executors.protocol import Unloadable
from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.queue import (
    NewRevision,
    create_campaign,
    get_campaign,
    lock_for_revision,
    open_database,
    store_revision,
    transaction,
)
from ambs_hpc.records import Claim, NewCampaign, Resources
from tests.databases import wait_until

BROKEN = "ModuleNotFoundError: No module named 'x'"
HICCUP = f"OSError: [Errno 5] {os.strerror(errno.EIO)}: '/home/me/model.py'"


class Stage:
    """A launcher's view of one campaign, whose function is model:measure."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        objective = {"function": "model:measure", "warm": True}
        allow(objective, str(folder))
        allow_runs(f"{folder}/runs")
        self.engine, self.folder, self.clock = engine, folder, ManualClock()
        new = NewCampaign(
            "c", {}, objective, "minimize", str(folder), f"{folder}/runs", "random", {}, 0, 9, 1, 3
        )
        with transaction(engine) as connection:
            self.id = create_campaign(connection, new).id
            self.claim = Claim(1, 1, "c", 1, self.id, "t", {}, Resources(), None)
            self.campaigns = Campaigns([self.id], self.clock)
            self.campaigns.meet(connection, [self.claim])

    def fail(self, error: str = BROKEN) -> None:
        self.campaigns.refuse_function(Unloadable("model:measure", str(self.folder), error))

    def move_to(self, folder: Path) -> None:
        """Somebody runs the campaign from another folder, and its evaluations may take a minute at most."""
        with transaction(self.engine) as connection:
            found = get_campaign(connection, self.id)
            after = replace(found.definition, directory=str(folder), problem={"time_limit_seconds": 60.0})
            new = NewRevision(found, after, "me@here", [])
            lock_for_revision(connection, new)
            store_revision(connection, new, {})

    def meet(self) -> None:
        with transaction(self.engine) as connection:
            self.campaigns.meet(connection, [self.claim])

    @property
    def is_served(self) -> bool:
        with transaction(self.engine) as connection:
            return self.campaigns.served(connection) == [self.id]

    def seconds_until_retry(self) -> float:
        """Passes them."""
        begun = self.clock.time
        while not self.is_served:
            self.clock.time += 10.0
        return self.clock.time - begun


@pytest.fixture
def stage(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr(campaigns_module, "LOOK_SECONDS", 0.02)
    engine = open_database(sqlite_url)
    yield Stage(engine, tmp_path)
    engine.dispose()


def test_an_import_that_failed_is_tried_again_and_again(stage: Stage) -> None:
    """After a minute, then after twice as long each time, up to ten minutes."""
    pauses = []
    for _ in range(6):
        stage.fail()
        assert stage.campaigns.is_refused(stage.claim)
        assert stage.campaigns.refused == {"c": f"cannot be imported:\n{BROKEN}"}
        pauses.append(stage.seconds_until_retry())
        assert stage.campaigns.refused == {}
    assert pauses == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0]


def test_many_nodes_that_fail_at_once_have_failed_once(stage: Stage) -> None:
    """Each node says that it cannot import the module."""
    for _ in range(5):
        stage.fail()
    assert stage.seconds_until_retry() == 60.0


def test_a_value_ends_the_pauses(stage: Stage) -> None:
    """The next failure is a new one."""
    stage.fail()
    stage.seconds_until_retry()
    stage.campaigns.note_run(stage.claim, 1.0)
    stage.fail()
    assert stage.seconds_until_retry() == 60.0


@pytest.mark.parametrize("file", ["model.py", "model/__init__.py"])
def test_a_module_that_was_changed_is_tried_at_once(stage: Stage, file: str) -> None:
    """A person has mended it."""
    path = stage.folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("import x")
    stage.fail()
    change = stage.campaigns._failed_imports[stage.id].change
    wait_until(lambda: not change._thread.is_alive())  # it has seen the file as it was
    assert not stage.is_served
    path.write_text("import math")
    wait_until(lambda: stage.is_served)


def test_a_broken_module_leaves_nothing_to_serve(stage: Stage) -> None:
    """A person waits for the error, and nothing gets better by itself."""
    stage.fail()
    assert stage.campaigns.has_refused_all
    assert not stage.campaigns.awaits_import


def test_a_file_system_that_failed_is_waited_for(stage: Stage) -> None:
    """Some minutes, not for ever."""
    for _ in range(campaigns_module.MOST_TRIES - 1):
        stage.fail(HICCUP)
        assert stage.campaigns.awaits_import
        assert not stage.campaigns.has_refused_all
        stage.seconds_until_retry()
    stage.fail(HICCUP)
    assert stage.campaigns.has_refused_all


def test_a_module_that_has_worked_here_is_waited_for(stage: Stage) -> None:
    """It was not broken when this launcher began."""
    stage.campaigns.note_run(stage.claim, 1.0)
    stage.fail()
    assert not stage.campaigns.has_refused_all


def test_a_moved_campaign_is_run_from_its_new_folder(stage: Stage) -> None:
    """A launcher lives longer than a folder's name."""
    there = stage.folder / "there"
    allow({"function": "model:measure", "warm": True}, str(there))
    stage.move_to(there)
    assert stage.campaigns.start_request(stage.claim).module_directory == str(stage.folder)
    stage.meet()
    assert stage.campaigns.start_request(stage.claim).module_directory == str(there)


def test_a_refused_campaign_is_looked_at_again_when_it_was_revised(stage: Stage) -> None:
    """Its folder was not allowed here, and it has moved to one that is."""
    stage.move_to(Path("/elsewhere"))
    stage.meet()
    assert not stage.is_served
    assert "ambs allow" in stage.campaigns.refused["c"]
    stage.move_to(stage.folder)
    assert stage.is_served
    assert stage.campaigns.refused == {}


def test_what_is_allowed_now_is_served_now(stage: Stage) -> None:
    """`ambs why idle` says "ambs allow": a person must not have to end an allocation for it."""
    there = stage.folder / "there"
    stage.move_to(there)
    stage.meet()
    assert not stage.is_served
    allow({"function": "model:other", "warm": True}, str(there))  # something else
    look = stage.campaigns._unregistered[stage.id]
    wait_until(lambda: not stage.is_served and stage.campaigns._unregistered[stage.id] is not look)
    allow({"function": "model:measure", "warm": True}, str(there))
    wait_until(lambda: stage.is_served)
    assert stage.campaigns.refused == {}
