"""Fixtures that several units share: databases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc import hints
from ambs_hpc.queue import close_waits, forget_left_out, open_database
from tests import databases

# When processes share the files, the longest go first, lest one wait for it at the end.
LONGEST = (
    "test_many_nodes.py",
    "test_slurm.py",
    "test_pool_many_nodes.py",
    "test_allocations.py",
    "test_pool.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, the others in their order."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def _stop_servers() -> Iterator[None]:
    yield
    databases.stop_servers()


@pytest.fixture(autouse=True)
def _as_a_new_process() -> None:
    """Hints name the database of a process, and its end tells what it left out: here one runs many tests."""
    hints.call_with(None)
    forget_left_out()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> Iterator[str]:
    """A new SQLite database."""
    with databases.fresh_database("sqlite", tmp_path) as url:
        yield url


@pytest.fixture
def postgresql_url(tmp_path: Path) -> Iterator[str]:
    """A new PostgreSQL database."""
    with databases.fresh_database("postgresql", tmp_path) as url:
        yield url


@pytest.fixture(params=databases.KINDS)
def any_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A new database, of each kind in turn."""
    with databases.fresh_database(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def any_engine(any_url: str) -> Iterator[Engine]:
    """An engine of `any_url`."""
    engine = open_database(any_url)
    yield engine
    close_waits(engine)
    engine.dispose()


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """A command run in this process may set variables; the next test starts without them."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
