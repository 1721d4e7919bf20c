"""What is remembered of an allocation before the scheduler hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.queue import list_allocations, open_database, reading
from ambs_hpc.sites import AllocationRequest, ScriptSettings, load_site, submit_allocation
from tests.databases import fresh_database


def test_nothing_is_stored_when_no_script_can_be_written(tmp_path: Path) -> None:
    """Else an allocation that never was waits to be found by its name, and counts as a failed one."""
    request = AllocationRequest(1, 5, tmp_path, project="two words")
    settings = ScriptSettings(["ambs"], [], {})
    with fresh_database("sqlite", tmp_path) as url:
        engine = open_database(url)
        with pytest.raises(UsageError, match="project"):
            submit_allocation(engine, load_site("local"), request, settings, "me")
        with reading(engine) as connection:
            assert list_allocations(connection) == []
        engine.dispose()
