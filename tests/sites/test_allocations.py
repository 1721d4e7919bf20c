"""What is remembered of an allocation before the scheduler hears of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ambs_hpc.errors import RowUnusable, SubmissionRejected, SubmissionUnclear, UsageError
from ambs_hpc.queue import (
    forget_left_out,
    list_allocations,
    note_submitted,
    open_database,
    prepare_allocation,
    reading,
    transaction,
)
from ambs_hpc.schedulers import Submission, SubmitRequest
from ambs_hpc.sites import (
    AllocationRequest,
    ScriptSettings,
    allocations,
    cancel_allocation,
    check_request,
    load_site,
    refresh,
    submit_allocation,
    submit_chain,
)
from tests.databases import fresh_database


def test_a_chain_ends_at_the_link_that_was_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names the one before; behind one that is perhaps submitted, nothing could name it."""
    asked: list[str] = []

    def submit(_scheduler: object, request: SubmitRequest) -> Submission:
        asked.append(request.after)
        if len(asked) == 3:
            raise SubmissionUnclear("sbatch", "Socket timed out")
        return Submission(str(40 + len(asked)))

    monkeypatch.setattr(allocations, "submit", submit)
    request = AllocationRequest(1, 5, tmp_path, chain=5)
    settings = ScriptSettings(["ambs"], [], {})
    with fresh_database("sqlite", tmp_path) as url:
        engine = open_database(url)
        chain = submit_chain(engine, load_site("slurm"), request, settings, "me")
        assert [next(chain).scheduler_id, next(chain).scheduler_id] == ["41", "42"]
        with pytest.raises(SubmissionUnclear):
            next(chain)
        assert asked == ["", "41", "42"]
        with reading(engine) as connection:
            stored = list_allocations(connection)
        assert [one.request["after"] for one in stored] == ["42", "41", ""]
        engine.dispose()


def test_a_scheduler_that_cannot_wait_is_not_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cobalt's dependencies hold an allocation for ever when the one before did not end with status 0."""
    asked: list[str] = []

    def submit(_scheduler: object, request: SubmitRequest) -> Submission:
        asked.append(request.after)
        return Submission(str(40 + len(asked)))

    monkeypatch.setattr(allocations, "submit", submit)
    request = AllocationRequest(1, 5, tmp_path, project="P", chain=2)
    with fresh_database("sqlite", tmp_path) as url:
        engine = open_database(url)
        made = list(
            submit_chain(engine, load_site("cooley"), request, ScriptSettings(["ambs"], [], {}), "me")
        )
        assert ([one.scheduler_id for one in made], asked) == (["41", "42"], ["", ""])
        engine.dispose()
    assert "side by side" in "".join(check_request(load_site("cooley"), request).warnings)
    assert "side by side" not in "".join(check_request(load_site("polaris"), request).warnings)


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


@pytest.mark.parametrize(
    ("scheduler", "request_", "told"),
    [
        ("slurm", {"nodes": 1}, "request is {'nodes': 1}. Accepted: what was submitted"),
        ("slurm", {"folder": "/c", "name": "ambs-1", "minutes": "five"}, "request is {'folder': '/c'"),
        (
            "sge",
            {"folder": "/c", "name": "ambs-1", "minutes": 5},
            "scheduler is sge. Accepted: balsam, cobalt",
        ),
    ],
)
def test_a_row_that_names_nobody_to_ask_hides_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, scheduler: str, request_: dict[str, object], told: str
) -> None:
    """Else one row of somebody's hand ends `ambs allocations` and every pass of autosubmit."""
    forget_left_out()
    with fresh_database("sqlite", tmp_path) as url:
        engine = open_database(url)
        with transaction(engine) as connection:
            odd = prepare_allocation(connection, "s", scheduler, request_)
            note_submitted(connection, odd, "7")
            known = {"folder": str(tmp_path), "name": "ambs-2", "minutes": 5}
            number = prepare_allocation(connection, "local", "local", known)
            note_submitted(connection, number, "7.7")
        assert refresh(engine, "me", time.time() + 1000.0).unheard == ()
        with reading(engine) as connection:
            assert [one.state for one in list_allocations(connection)] == ["VANISHED", "QUEUED"]
        with pytest.raises(RowUnusable, match="allocation 1 in the database"):
            cancel_allocation(engine, odd, "me")
        engine.dispose()
    assert told in caplog.text


def test_a_node_that_is_gone_keeps_no_allocation_from_being_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sbatch refuses a list in which one name is unknown; launchers leave the others idle by themselves."""
    scripts: list[str] = []

    def submit(_scheduler: object, request: SubmitRequest) -> Submission:
        scripts.append(request.script.read_text())
        if "--exclude" in scripts[-1]:
            raise SubmissionRejected("sbatch", "sbatch: error: Invalid node name specified")
        return Submission("41")

    monkeypatch.setattr(allocations, "submit", submit)
    monkeypatch.setattr(allocations, "left_out_nodes", lambda *_: ("n1", "gone"))
    with fresh_database("sqlite", tmp_path) as url:
        engine = open_database(url)
        settings = ScriptSettings(["ambs"], [], {})
        made = submit_allocation(
            engine, load_site("slurm"), AllocationRequest(1, 5, tmp_path), settings, "me"
        )
        assert made.scheduler_id == "41"
        with reading(engine) as connection:
            assert [one.state for one in list_allocations(connection)] == ["QUEUED", "REFUSED"]
        engine.dispose()
    assert ["--exclude=n1,gone" in script for script in scripts] == [True, False]
