"""`ambs autosubmit` outlives searches and launchers, so it tells, too: of what goes on, and nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine
from typer.testing import CliRunner

from ambs_hpc.beside.companion import begin_notices
from ambs_hpc.beside.followed_campaigns import FollowedCampaigns
from ambs_hpc.beside.notice_delivery import Targets
from ambs_hpc.beside.notifier import Notifier
from ambs_hpc.cli.main import app
from ambs_hpc.problem.allow_list import allow
from ambs_hpc.queue import (
    claim,
    complete,
    note_refused,
    notices_of,
    open_database,
    prepare_allocation,
    reading,
    transaction,
)
from ambs_hpc.records import Campaign
from ambs_hpc.sites.notify_settings import EVENTS
from tests.beside.loopback import posts
from tests.queue import stock


@pytest.fixture(autouse=True)
def _registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an allow-list of the test's own."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    allow(stock.CAMPAIGN.objective, str(tmp_path))


def enqueued(connection: Connection, folder: Path, name: str, number: int) -> Campaign:
    made = stock.campaign(connection, name=name, directory=str(folder), max_evaluations=number)
    stock.evaluations(connection, made.id, number)
    return made


def end_all(connection: Connection) -> None:
    launcher = stock.launcher(connection)
    complete(connection, launcher, stock.successes(claim(connection, launcher, 9)))


def test_history_and_campaigns_of_others_are_nobodys_news(any_engine: Engine, tmp_path: Path) -> None:
    """A first pass over an old database must not send a message for all that ever was."""
    with transaction(any_engine) as connection:
        enqueued(connection, tmp_path, "old", 2)
        end_all(connection)
        enqueued(connection, Path("/etc"), "foreign", 2)
        own = enqueued(connection, tmp_path, "own", 2)
    assert FollowedCampaigns(any_engine).ids() == [own.id]
    assert FollowedCampaigns(any_engine, "own").ids() == [own.id]
    assert FollowedCampaigns(any_engine, "old").ids() == []


def test_the_end_is_told_by_a_later_pass_and_not_again_by_the_search(
    any_engine: Engine, tmp_path: Path
) -> None:
    """The search is gone, and the launcher was killed: a campaign that was told of is followed to its end."""
    with transaction(any_engine) as connection:
        own = enqueued(connection, tmp_path, "own", 3)
        launcher = stock.launcher(connection)
        first, *_ = claim(connection, launcher, 1)
        complete(connection, launcher, [stock.success(first, 0.5)])
    with posts() as server:
        targets = Targets([], tmp_path, server.url)
        Notifier(any_engine, targets, EVENTS).look([own.id])  # a search, which is killed then
        with transaction(any_engine) as connection:
            end_all(connection)
        (tmp_path / "ambs.yml").write_text(f"notify: {{webhook: '{server.url}'}}\n")
        (tmp_path / "ambs.yml").chmod(0o600)
        for _ in range(2):
            companion = begin_notices(any_engine, tmp_path, None)
            assert companion is not None
            companion.close(30.0)
        Notifier(any_engine, targets, EVENTS).look([own.id])
        assert [body["kind"] for body in server.bodies] == ["best", "done"]


def test_without_notify_nothing_looks(any_engine: Engine, tmp_path: Path) -> None:
    """Its database is not asked for what nobody is told."""
    (tmp_path / "ambs.yml").write_text("project: mine\n")
    assert begin_notices(any_engine, tmp_path, None) is None


def test_autosubmit_that_gives_up_tells_it_once(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pass for cron, in the words that it prints, and not again by every pass of the night."""
    engine = open_database(sqlite_url)
    with transaction(engine) as connection:
        own = enqueued(connection, tmp_path, "own", 2)
        for _ in range(3):
            number = prepare_allocation(connection, "slurm", "slurm", {"nodes": 1})
            note_refused(connection, number, "invalid partition")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMBS_DB", sqlite_url)
    with posts() as server:
        (tmp_path / "ambs.yml").write_text(f"site: slurm\nnotify: {{webhook: '{server.url}'}}\n")
        (tmp_path / "ambs.yml").chmod(0o600)
        for _ in range(2):
            done = CliRunner().invoke(app, ["autosubmit", "-t", "5"])
            assert done.exit_code == 1, done.output
        (body,) = server.bodies
    why = "the last 3 allocations ran no launcher; the newest, 3: invalid partition"
    assert why in done.output
    assert (body["kind"], body["ready"]) == ("waiting", 2)
    assert f"own: 2 evaluations wait, and no more allocations are asked for: {why}" in body["text"]
    with reading(engine) as connection:
        assert [one.error for one in notices_of(connection, own.id)] == [""]
    engine.dispose()
