"""Of all that look, one tells, once; a restart tells nothing again; and a broken notifier hurts nobody."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Engine

from ambs_hpc.beside.companion import Companion
from ambs_hpc.beside.notice_delivery import Targets
from ambs_hpc.beside.notifier import Notifier, notifier_of
from ambs_hpc.beside.provenance_recorder import ProvenanceRecorder
from ambs_hpc.errors import SiteInvalid
from ambs_hpc.problem.allow_list import allow
from ambs_hpc.queue import (
    claim,
    complete,
    fail,
    notices_of,
    open_database,
    provenance_of,
    reading,
    transaction,
)
from ambs_hpc.sites import is_only_ours, read_folder
from ambs_hpc.sites.notify_settings import EVENTS
from tests.beside.loopback import posts
from tests.queue import stock


def ended(engine: Engine) -> int:
    """A campaign of three evaluations, all of which have ended; its id."""
    with transaction(engine) as connection:
        campaign = stock.campaign(connection, max_evaluations=3, max_failures=1)
        stock.evaluations(connection, campaign.id, 3)
        launcher = stock.launcher(connection)
        first, second, third = claim(connection, launcher, 3)
        complete(connection, launcher, [stock.success(first, 0.5), stock.success(second, 0.25)])
        fail(connection, launcher, [stock.failure(third)])
    return campaign.id


def test_many_that_look_at_once_tell_once(any_engine: Engine, tmp_path: Path) -> None:
    """The search, ten launchers and their successors all look."""
    campaign = ended(any_engine)
    with posts() as server:
        targets = Targets([], tmp_path, server.url)
        notifiers = [Notifier(any_engine, targets, EVENTS) for _ in range(4)]
        threads = [Thread(target=one.look, args=([campaign],)) for one in notifiers]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        Notifier(any_engine, targets, EVENTS).look([campaign, 999])  # another process, later
        assert sorted(body["kind"] for body in server.bodies) == ["best", "done", "failure"]
        best = next(body for body in server.bodies if body["kind"] == "best")
    assert best["objective"] == 0.25
    assert best["campaign"] == "digits"
    assert "password" not in best["database"]
    with reading(any_engine) as connection:
        told = notices_of(connection, campaign)
    assert all(one.sent_at is not None and not one.error for one in told)


def test_what_breaks_a_constraint_is_no_new_best(any_engine: Engine, tmp_path: Path) -> None:
    """`ambs best` says of it that it is infeasible; a notice that praises it wakes somebody for nothing."""
    with transaction(any_engine) as connection:
        problem = {**stock.CAMPAIGN.problem, "constraints": [["seconds", "<=", 2.0]]}
        campaign = stock.campaign(connection, problem=problem)
        stock.evaluations(connection, campaign.id, 2)
        launcher = stock.launcher(connection)
        slow, quick = claim(connection, launcher, 2)
        complete(connection, launcher, [stock.success(slow, 0.1, metrics={"seconds": 9.0})])
    with posts() as server:
        notifier = Notifier(any_engine, Targets([], tmp_path, server.url), EVENTS)
        notifier.look([campaign.id])
        assert server.bodies == []
        with transaction(any_engine) as connection:
            complete(connection, launcher, [stock.success(quick, 0.5, metrics={"seconds": 1.0})])
        notifier.look([campaign.id])
        assert [body["evaluation"] for body in server.bodies] == [quick.id]


def test_a_failure_to_tell_is_kept_and_told_once(
    any_engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A log of a thousand lines about a mail server hides what matters."""
    campaign = ended(any_engine)
    notifier = Notifier(any_engine, Targets(["./gone"], tmp_path), EVENTS)
    notifier.look([campaign])
    notifier.look([campaign])
    with reading(any_engine) as connection:
        told = notices_of(connection, campaign)
    assert [one.kind for one in told] == ["best", "failure", "done"]
    assert all("./gone could not be started" in one.error and one.sent_at is None for one in told)
    assert caplog.text.count("a notice was not sent") == 1


def test_only_a_file_that_nobody_else_can_write_is_believed(sqlite_url: str, tmp_path: Path) -> None:
    """Whoever could write it could run programs as its owner, wherever the owner's launchers live."""
    sqlite_engine = open_database(sqlite_url)
    warned: list[str] = []
    file = tmp_path / "ambs.yml"
    file.write_text("notify: {command: [./tell.sh]}\n")
    file.chmod(0o644)
    assert notifier_of(sqlite_engine, tmp_path, warned.append) is not None
    file.chmod(0o664)
    assert notifier_of(sqlite_engine, tmp_path, warned.append) is None
    assert "others can write this file" in warned.pop()
    file.chmod(0o600)
    file.write_text("notify: {webhook_file: secret}\n")
    (tmp_path / "secret").write_text("https://chat.example.org/hooks/t0ken\n")
    (tmp_path / "secret").chmod(0o644)
    assert notifier_of(sqlite_engine, tmp_path, warned.append) is None
    assert "chmod 600" in warned.pop()
    (tmp_path / "secret").chmod(0o600)
    assert notifier_of(sqlite_engine, tmp_path, warned.append) is not None
    file.write_text("project: mine\n")
    assert notifier_of(sqlite_engine, tmp_path, warned.append) is None
    assert warned == []
    sqlite_engine.dispose()


def test_what_is_checked_is_what_is_read(tmp_path: Path) -> None:
    """Whoever can write the folder could exchange the file between the two."""
    file = tmp_path / "ambs.yml"
    file.write_text("notify: {command: [./tell.sh]}\n")
    file.chmod(0o664)
    assert read_folder(tmp_path).notify.tells
    with pytest.raises(SiteInvalid, match="others can write it"):
        read_folder(tmp_path, only_ours=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes links of another user's")
def test_a_link_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    """In a folder of theirs it would run their ./tell.sh by an ambs.yml of ours from elsewhere."""
    file, link = tmp_path / "mine.yml", tmp_path / "ambs.yml"
    file.write_text("notify: {command: [./tell.sh]}\n")
    file.chmod(0o600)
    link.symlink_to(file)
    assert is_only_ours(link)
    os.chown(link, 4242, -1, follow_symlinks=False)
    assert not is_only_ours(link)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{comand: [x]}", "notify.comand: unknown key. Did you mean"),
        ("{events: [bst]}", "Accepted: best, failure, waiting, budget, done"),
        ("{webhook: ftp://example.org}", "notify.webhook: give an address that begins with https://"),
        ("{command: tell.sh}", "notify.command: Expected `array`"),
        ("{mail: 'me@example.org -x'}", "is not one address"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, line: str, words: str) -> None:
    """File, line, key, and what is accepted."""
    (tmp_path / "ambs.yml").write_text(f"project: mine\nnotify: {line}\n")
    with pytest.raises(SiteInvalid, match=r"ambs\.yml, line 2") as caught:
        read_folder(tmp_path)
    assert words in str(caught.value)


def test_a_companion_notes_provenance_and_outlives_a_database_that_is_away(
    any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks once more when its program ends, and looks only at folders that its user has registered."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path))
    (tmp_path / "model.py").write_text("x = 1\n")
    with transaction(any_engine) as connection:
        own = stock.campaign(connection, directory=str(tmp_path))
        foreign = stock.campaign(connection, name="foreign", directory="/etc")
        launcher = stock.launcher(connection)
    allow(own.definition.objective, str(tmp_path))
    ids = [own.id, foreign.id]
    companion = Companion(lambda: ids, ProvenanceRecorder(any_engine, launcher), None).start()
    companion.close(30.0)
    with reading(any_engine) as connection:
        (use,) = provenance_of(connection, own.id)
        assert provenance_of(connection, foreign.id) == []
    assert use.launcher_id == launcher
    assert list(use.facts["files"]) == ["model.py"]
