"""One real Balsam for all tests of this folder, and a campaign folder that can speak to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import databases
from tests.balsam.real import RealBalsam, real_balsam
from tests.stories.commands import Shell


@dataclass(frozen=True)
class Campaign(Shell):
    """A shell that is logged in at Balsam."""

    balsam: RealBalsam

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.balsam.login}

    def unfinished_jobs(self) -> list[tuple[Any, ...]]:
        """(id, state) of this folder's jobs that Balsam could still run."""
        return self.balsam.unfinished_jobs(self.folder)


@pytest.fixture(scope="session")
def balsam() -> Iterator[RealBalsam]:
    with real_balsam(cores=4) as made:
        yield made


@pytest.fixture
def campaign(balsam: RealBalsam, tmp_path: Path) -> Iterator[Campaign]:
    """A folder and a PostgreSQL database; Balsam is left without batch jobs."""
    with databases.fresh_database("postgresql", tmp_path) as url:
        yield Campaign(tmp_path, url, balsam)
        balsam.end_batches()
