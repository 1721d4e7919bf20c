"""A limit on node-hours stops the request that would pass it; what is not over counts in full."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc import queue
from ambs_hpc.errors import NodeHoursSpent, SiteInvalid
from ambs_hpc.schedulers import Submission
from ambs_hpc.sites import (
    AllocationRequest,
    BalsamBatch,
    ScriptSettings,
    allocations,
    load_site,
    read_folder,
    submit_allocation,
    submit_batch,
    submit_chain,
)
from ambs_hpc.sites.node_hours_limit import node_hours_of
from tests.queue import stock

SETTINGS = ScriptSettings(["ambs"], [], {})


@pytest.fixture
def request_of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AllocationRequest:
    """Two nodes for half an hour, of ten node-hours; every script is accepted."""
    numbers = iter(range(41, 99))
    monkeypatch.setattr(allocations, "submit", lambda *_: Submission(str(next(numbers))))
    return AllocationRequest(2, 30, tmp_path, max_node_hours=10.0)


def test_what_is_queued_counts_in_full_and_what_ended_by_its_time(
    any_engine: Engine, request_of_two: AllocationRequest
) -> None:
    """Nine fit; the tenth was over after six minutes, so that one more fits, and the next would pass it."""
    site, request = load_site("slurm"), request_of_two
    made = [submit_allocation(any_engine, site, request, SETTINGS, "me") for _ in range(10)]
    with pytest.raises(
        NodeHoursSpent, match=r"is 10.*used 0 node-hours, 10 queued.*may use 10, and.* 1 too many"
    ):
        submit_allocation(any_engine, site, request, SETTINGS, "me")
    with queue.transaction(any_engine) as connection:
        now = queue.read_now(connection)
        for one in made[:2]:
            queue.note_allocation_state(
                connection, one.id, "ENDED", started_at=now - 2000.0, ends_at=now - 1640.0
            )
        queue.note_allocation_state(connection, made[2].id, "VANISHED")  # it has never run
    elsewhere = replace(request, folder=request.folder / "other", max_node_hours=None)
    elsewhere.folder.mkdir()
    submit_allocation(any_engine, site, elsewhere, SETTINGS, "me")  # has no limit, and counts for nobody here
    for _ in range(2):
        submit_allocation(any_engine, site, request, SETTINGS, "me")
    with pytest.raises(NodeHoursSpent) as refused:
        submit_allocation(any_engine, site, request, SETTINGS, "me")
    told = refused.value
    assert (told.limit, told.promised, told.wanted) == (10.0, 9.0, 1.0)
    assert told.used == pytest.approx(0.4)
    assert "raise max_node_hours" in str(told)


def test_an_allocation_whose_start_nobody_told_counts_from_its_launchers(
    any_engine: Engine, request_of_two: AllocationRequest
) -> None:
    """Over before anybody looked, at a scheduler without a history: its nodes were used all the same."""
    made = submit_allocation(any_engine, load_site("slurm"), request_of_two, SETTINGS, "me")
    with queue.transaction(any_engine) as connection:
        stock.launcher(connection, allocation_id=made.id)
        queue.note_allocation_state(connection, made.id, "VANISHED")
        rows, launches = queue.allocation_times(connection), queue.first_launches(connection)
        later = launches[made.id] + 1800.0
        gone = [one._replace(ended_at=later) for one in rows]
        told = node_hours_of(gone, launches, str(request_of_two.folder), later)
    assert (told.used, told.open) == (pytest.approx(1.0), 0)


def test_a_chain_is_refused_before_its_first_link(
    any_engine: Engine, request_of_two: AllocationRequest
) -> None:
    """Eleven would pass the limit, ten do not; batches of Balsam sites count alike."""
    site = load_site("slurm")
    with pytest.raises(NodeHoursSpent):
        list(submit_chain(any_engine, site, replace(request_of_two, chain=11), SETTINGS, "me"))
    with queue.reading(any_engine) as connection:
        assert queue.list_allocations(connection) == []
    assert len(list(submit_chain(any_engine, site, replace(request_of_two, chain=10), SETTINGS, "me"))) == 10
    with pytest.raises(NodeHoursSpent):
        submit_batch(any_engine, BalsamBatch("theta", "serial", {}), request_of_two, "me")


@pytest.mark.parametrize("text", ["0", "-1", "many", ".nan"])
def test_a_wrong_limit_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    """Bad input never reaches a decision."""
    (tmp_path / "ambs.yml").write_text(f"site: slurm\nmax_node_hours: {text}\n")
    with pytest.raises(SiteInvalid, match="line 2: max_node_hours"):
        read_folder(tmp_path)
    (tmp_path / "ambs.yml").write_text("site: slurm\nmax_node_hours: 500\n")
    assert read_folder(tmp_path).max_node_hours == 500.0


def test_a_lost_node_and_a_requeue_count_as_they_were_charged(tmp_path: Path) -> None:
    """Its accounting told that three nodes ran for half an hour, and two for half an hour later."""
    request = {"folder": str(tmp_path), "nodes": 3, "minutes": 600.0}
    row = queue.AllocationTimes(1, "s", "slurm", "7", request, "ENDED", 0.0, None, 9000.0, 9000.0, None)
    assert node_hours_of([row], {}, str(tmp_path), 9999.0).used == 7.5
    held = [[0.0, 1800.0, 3, []], [7200.0, None, 2, []]]
    assert node_hours_of([row._replace(held=held)], {}, str(tmp_path), 9999.0).used == 1.5 + 1.0
