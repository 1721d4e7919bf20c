"""The database does not answer: the launcher hears TERM and its time limit all the same, within seconds."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import URL, create_engine, make_url, text

from ambs_hpc.campaign import SearchSettings, define_campaign, open_campaign
from ambs_hpc.postgres_server.server import ServerOptions, start_server, stop_server
from ambs_hpc.problem import load_problem
from ambs_hpc.queue import enqueue, open_database, transaction
from ambs_hpc.records import NewEvaluation, Proposal, Resources
from tests.databases import let_others_enter, wait_until
from tests.stories.commands import Shell

PROBLEM = """
from ambs_hpc import Command, Problem
problem = Problem(name="deaf", space={"x": (0.0, 1.0)}, objective=Command(["./work.sh"]))
"""
WORK = """#!/bin/bash
trap 'echo told >> ../../../../../told; exit 1' TERM
echo begun >> ../../../../../begun
sleep 300 & wait
"""
HEARS_WITHIN_SECONDS = 2.0
SLACK_SECONDS = 1.5  # of a machine that runs other tests


class Server(NamedTuple):
    folder: Path
    url: URL

    def database(self, name: str) -> str:
        """A new database on it."""
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        return self.url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One of our own: the session's must not be stopped under other tests."""
    folder = tmp_path_factory.mktemp("deaf")
    let_others_enter(folder)
    options = ServerOptions(folder / "server", listen="127.0.0.1", host="127.0.0.1")
    url = make_url(start_server(options, os.environ).url).set(drivername="postgresql+psycopg2")
    yield Server(folder / "server", url)
    stop_server(folder / "server", None, os.environ)


class SwallowingProxy:
    """Passes bytes to a server, until it swallows them, as a network does that drops packets."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._target, self._pairs = port, dict[socket.socket, socket.socket]()
        self.port = int(self._listener.getsockname()[1])
        self.swallows = False
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener, *self._pairs], [], [], 0.05)
            for one in ready:
                if one is self._listener:
                    here, there = one.accept()[0], socket.create_connection(("127.0.0.1", self._target))
                    self._pairs |= {here: there, there: here}
                elif not self.swallows:
                    self._pass_on(one)

    def _pass_on(self, one: socket.socket) -> None:
        try:
            passed = one.recv(1 << 16)
            if passed:
                self._pairs[one].sendall(passed)
                return
        except OSError:
            pass
        other = self._pairs.pop(one)
        self._pairs.pop(other, None)
        one.close()
        other.close()


@contextmanager
def holding(url: str, *statements: str) -> Iterator[None]:
    """Somebody's forgotten transaction."""
    engine = create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.connection.driver_connection.isolation_level = None  # type: ignore[union-attr]
        for statement in statements:
            connection.exec_driver_sql(statement)
        yield
    engine.dispose()


@contextmanager
def stopped(server_folder: Path) -> Iterator[None]:
    """SIGSTOP to every process of the server: connections stay, and nobody answers."""
    postmaster = int((server_folder / "data" / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    pids = [postmaster, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def prepared(folder: Path, database: str) -> Shell:
    """A campaign of two evaluations that wait for a launcher."""
    shell = Shell(folder, database)
    shell.write("problem.py", PROBLEM)
    shell.write("work.sh", WORK)
    (folder / "work.sh").chmod(0o755)
    settings = SearchSettings(run_root=folder / "ambs-runs")
    engine = open_database(database)
    campaign = open_campaign(engine, define_campaign(load_problem(folder / "problem.py"), settings), settings)
    waiting = [NewEvaluation(n, Proposal({"x": 0.1 * n}, "random"), Resources()) for n in range(2)]
    with transaction(engine) as connection:
        enqueue(connection, campaign.id, waiting)
    engine.dispose()
    return shell


def lines(file: Path) -> int:
    return file.read_text().count("\n") if file.exists() else 0


def begun(shell: Shell, *options: str) -> subprocess.Popen[str]:
    launcher = shell.start("launch", "--slots", "2", "--grace", "3", *options)
    wait_until(lambda: lines(shell.folder / "begun") == 2 or launcher.poll() is not None, 60)
    assert launcher.poll() is None, launcher.communicate()
    return launcher


@pytest.fixture
def own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))


@pytest.mark.parametrize("trouble", ["row", "table", "black hole", "stopped server", "sqlite"])
def test_term_is_heard(trouble: str, tmp_path: Path, server: Server, own_config: None) -> None:
    """Evaluations get their TERM in time to write a checkpoint, before the scheduler kills all."""
    url = f"sqlite:///{tmp_path}/ambs.db" if trouble == "sqlite" else server.database(f"test {trouble}")
    proxy = SwallowingProxy(make_url(url).port or 0) if trouble == "black hole" else None
    shell = prepared(tmp_path, url)
    reached = (
        url if proxy is None else make_url(url).set(port=proxy.port).render_as_string(hide_password=False)
    )
    launcher = begun(Shell(tmp_path, reached))
    with troubled(trouble, url, proxy, server.folder):
        time.sleep(2.5)  # a heartbeat is under way
        asked_at = time.monotonic()
        launcher.terminate()
        wait_until(lambda: lines(tmp_path / "told") == 2, 30)
        heard = time.monotonic() - asked_at
    launcher.communicate(timeout=60)
    assert heard < HEARS_WITHIN_SECONDS + SLACK_SECONDS
    assert [row["state"] for row in shell.rows("select state from v_evaluations")] in (
        ["READY"] * 2,
        ["RUNNING"] * 2,  # the next launcher takes them up
    )


def test_walltime_is_kept(tmp_path: Path, server: Server, own_config: None) -> None:
    """The end of an allocation comes whatever the database does."""
    url = server.database("test walltime")
    shell = prepared(tmp_path, url)
    started_at = time.monotonic()
    launcher = begun(shell, "--max-minutes", "0.1")
    with troubled("table", url, None, server.folder):
        wait_until(lambda: lines(tmp_path / "told") == 2, 30)
        heard = time.monotonic() - started_at
    launcher.communicate(timeout=60)
    assert heard < 6.0 - 3.0 + HEARS_WITHIN_SECONDS + SLACK_SECONDS + 2.0  # it began after we started it


@contextmanager
def troubled(trouble: str, url: str, proxy: SwallowingProxy | None, server_folder: Path) -> Iterator[None]:
    if trouble == "black hole":
        assert proxy is not None
        proxy.swallows = True
        yield
        proxy.swallows = False
    elif trouble == "stopped server":
        with stopped(server_folder):
            yield
    elif trouble == "sqlite":
        with holding(url, "BEGIN IMMEDIATE"):
            yield
    else:
        lock = "SELECT * FROM launcher FOR UPDATE" if trouble == "row" else "LOCK TABLE evaluation"
        with holding(url, lock):
            yield
