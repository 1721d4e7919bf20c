"""What is told of an allocation that its scheduler has forgotten."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.queue import (
    get_allocation,
    note_submitted,
    open_database,
    prepare_allocation,
    reading,
    transaction,
)
from ambs_hpc.records import Allocation
from ambs_hpc.schedulers import (
    AllocationState,
    AllocationStatus,
    CouldNotAsk,
    SchedulerCommand,
    StatusAnswer,
)
from ambs_hpc.schedulers.lsf import Lsf
from ambs_hpc.schedulers.pbs.scheduler import Pbs
from ambs_hpc.sites import load_site, refresh
from ambs_hpc.sites.vanished import (
    APPEARS_WITHIN_SECONDS,
    END_ASKED,
    GONE,
    detail_of,
    how_it_vanished,
    limits_in_words,
    why_no_launcher,
)
from tests.databases import fresh_database
from tests.schedulers.fakes import FakeScheduler


def gone(folder: Path, site: str = "polaris", **request: object) -> Allocation:
    """An allocation of which qsub gave the id, and qstat nothing."""
    asked = {"nodes": 9, "minutes": 60, "queue": "prod", "folder": str(folder), "name": "ambs-1", **request}
    scheduler = load_site(site).scheduler
    return Allocation(
        1, site, scheduler, "14.pbs", asked, "QUEUED", "", 0.0, None, None, None, evaluations=0, launchers=0
    )


def test_a_request_that_no_route_takes_was_refused(tmp_path: Path) -> None:
    """With the route's limits beside what was asked, so that a person can correct it."""
    state, words = how_it_vanished(gone(tmp_path), tmp_path / "1.sh")
    assert state == "REFUSED"
    assert "queue prod of polaris for 9 nodes for 60 minutes" in words
    assert limits_in_words(load_site("polaris").queue("prod")) in words
    assert "10-24 nodes up to 180 minutes (small), 25-99" in words
    _, unknown = how_it_vanished(gone(tmp_path, site="pbs", queue=""), tmp_path / "1.sh")
    assert unknown.endswith("queue (default) of pbs for 9 nodes for 60 minutes; see `qstat -Qf`")


def test_what_was_seen_or_ran_has_only_vanished(tmp_path: Path) -> None:
    """Also where a server keeps no history, and where scheduler has no routes."""
    one, script = gone(tmp_path), tmp_path / "1.sh"
    for other in (
        replace(one, detail="Q Not Running"),
        replace(one, state="RUNNING"),
        replace(one, launchers=1),
        gone(tmp_path, site="slurm"),
    ):
        assert how_it_vanished(other, script) == ("VANISHED", GONE)
    script.with_suffix(".error").touch()
    assert how_it_vanished(one, script) == ("VANISHED", GONE)


def test_what_was_cancelled_was_not_refused(tmp_path: Path) -> None:
    """A server without history has forgotten it, before anybody asked for its state."""
    one = replace(gone(tmp_path), detail=END_ASKED)
    assert how_it_vanished(one, tmp_path / "1.sh") == ("ENDED", f"cancelled; {GONE}")


def test_that_it_was_cancelled_is_remembered(tmp_path: Path) -> None:
    """PBS and LSF do not say so of one that is over; three of them would look like failures in a row."""
    one, script = replace(gone(tmp_path), detail=END_ASKED), tmp_path / "1.sh"
    ending = AllocationStatus("14.pbs", AllocationState.ENDING, "R")
    one = replace(one, state="ENDING", detail=detail_of(one, ending, script))
    assert one.detail == f"{END_ASKED}; R"
    over = AllocationStatus("14.pbs", AllocationState.ENDED, "F", comment="exit status 271")
    assert detail_of(one, over, script) == "cancelled; F exit status 271"
    assert detail_of(one, replace(over, own_state="CANCELLED", comment=""), script) == "CANCELLED"
    assert detail_of(replace(one, detail="R"), over, script) == "F exit status 271"
    assert how_it_vanished(one, script) == ("ENDED", f"cancelled; {GONE}")


def test_an_impossible_request_is_told_as_such_when_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From qsub to what a person reads, on a server that behaves so."""
    queues = {"prod": {"route": ["small"]}, "small": {"max_nodes": 2}}
    with (
        FakeScheduler("pbs", tmp_path / "fake", queues=queues) as fake,
        fresh_database("sqlite", tmp_path) as url,
    ):
        for name, value in fake.environ().items():
            monkeypatch.setenv(name, value)
        script = tmp_path / "s.sh"
        script.write_text("#!/bin/bash\n#PBS -q prod -l select=9\nsleep 60\n")
        engine = open_database(url)
        scheduler_id = subprocess.check_output(["qsub", "-N", "ambs-1", str(script)], text=True).strip()
        with transaction(engine) as connection:
            number = prepare_allocation(connection, "pbs", "pbs", gone(tmp_path).request)
            note_submitted(connection, number, scheduler_id)
        assert scheduler_id == "1.pbs"
        assert refresh(engine, "alice", 0.0).unheard == ()
        with reading(engine) as connection:
            one = get_allocation(connection, number)
        assert (one.state, one.scheduler_id) == ("REFUSED", scheduler_id)
        assert "see `qstat -Qf prod`" in one.detail
        engine.dispose()


def test_an_answer_that_leaves_one_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its old state looks like a new one."""

    def silent(_self: Pbs, ids: list[str]) -> SchedulerCommand[StatusAnswer]:
        return SchedulerCommand(("true",), lambda _: StatusAnswer({}, unanswered=frozenset(ids)))

    monkeypatch.setattr(Pbs, "status", silent)
    with fresh_database("sqlite", tmp_path) as url:
        engine = open_database(url)
        with transaction(engine) as connection:
            number = prepare_allocation(connection, "pbs", "pbs", gone(tmp_path).request)
            note_submitted(connection, number, "14.pbs")
        (said,) = refresh(engine, "alice", 0.0).unheard
        assert said == CouldNotAsk("pbs", "it gave no word about 14.pbs: look there if that stays so")
        with reading(engine) as connection:
            assert get_allocation(connection, number).state == "QUEUED"
        engine.dispose()


def test_what_was_just_submitted_may_not_be_shown_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LSF answers questions from a copy that may be minutes old; believed, it would be submitted again."""
    told = StatusAnswer({}, vanished=frozenset({"14"}))
    monkeypatch.setattr(Lsf, "status", lambda *_: SchedulerCommand(("true",), lambda _: told))
    monkeypatch.setattr(Lsf, "find", lambda *_: SchedulerCommand(("true",), lambda _: ()))
    with fresh_database("sqlite", tmp_path) as url:
        engine = open_database(url)

        def state(seconds: float) -> str:
            with reading(engine) as connection:
                created_at = get_allocation(connection, number).created_at
            assert refresh(engine, "alice", created_at + seconds).unheard == ()
            with reading(engine) as connection:
                return get_allocation(connection, number).state

        with transaction(engine) as connection:
            number = prepare_allocation(connection, "lsf", "lsf", gone(tmp_path).request)
            note_submitted(connection, number, "14")
        assert [state(1.0), state(APPEARS_WITHIN_SECONDS - 1.0)] == ["QUEUED", "QUEUED"]
        assert state(APPEARS_WITHIN_SECONDS + 1.0) == "VANISHED"
        with transaction(engine) as connection:
            note_submitted(connection, number, "14")
        (tmp_path / "ambs-allocations").mkdir()
        (tmp_path / "ambs-allocations" / f"{number}.error").touch()  # it has begun, and is over
        assert state(1.0) == "VANISHED"
        engine.dispose()


PREAMBLE = """/home/alice/camp2/ambs-allocations/8.sh: line 6: module: command not found
Wed Nov 25 07:13:59 2026 +0000 (UTC) Info: task completed normally with an exit code of 7; cleaning up
"""


def test_a_broken_preamble_is_told_in_its_own_words(tmp_path: Path) -> None:
    """Else five allocations in a row vanish, and only a file that nobody looks for says why."""
    one, script = gone(tmp_path, site="cooley"), tmp_path / "8.sh"
    script.with_suffix(".error").write_text(PREAMBLE)
    _, words = how_it_vanished(one, script)
    assert words == f"{GONE}; no launcher started in it: {PREAMBLE.splitlines()[0]}"
    assert how_it_vanished(replace(one, launchers=1), script) == ("VANISHED", GONE)
    script.with_suffix(".error").write_bytes(b"noise\n" * 100_000 + b"\xff\x1b[2J: No such file\n")
    assert why_no_launcher(one, script) == "no launcher started in it: \ufffd?[2J: No such file"
