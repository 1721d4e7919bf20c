"""What the rows of launchers and allocations say about an evaluation that waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine

from ambs_hpc import queue
from ambs_hpc.api.evaluation_reasons import evaluation_reasons
from ambs_hpc.api.evaluation_words import reason_lines
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.problem.space import build_space, space_to_json
from ambs_hpc.records import ImportedResult, LauncherStats
from ambs_hpc.states import FailureKind
from tests.queue import stock


def test_reasons_follow_the_life_of_an_allocation(any_engine: Engine) -> None:
    """Queued with the scheduler's words, running without enough time, refused by its launcher, and busy."""
    space = space_to_json(build_space({"lr": (0.01, 1.0, "log"), "layers": (0, 9)}))
    with queue.transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, problem={"space": space}).id
        new = [stock.new(place, time_limit_seconds=7200.0) for place in range(3)]
        first, _, last = queue.enqueue(connection, campaign_id, new)
        allocation_id = queue.prepare_allocation(connection, "polaris", "pbs", {"nodes": 2})
        queue.note_submitted(connection, allocation_id, "41207")
        queue.note_allocation_state(connection, allocation_id, "QUEUED", detail="Not enough nodes")
    (reason,) = evaluation_reasons(any_engine, last).waiting
    assert reason.code == "allocation_waits"
    assert reason.words.endswith("(41207) on polaris is QUEUED; pbs says: Not enough nodes")

    with queue.transaction(any_engine) as connection:
        ends_at = queue.read_now(connection) + 600.0
        queue.note_allocation_state(connection, allocation_id, "RUNNING", ends_at=ends_at)
        launcher_id = stock.launcher(connection, allocation_id=allocation_id, slots=1)
    assert evaluation_reasons(any_engine, last).waiting[0].code == "too_little_time"

    with queue.transaction(any_engine) as connection:
        queue.heartbeat(connection, launcher_id, LauncherStats(1, 0.0, "refuses digits: not registered here"))
    refused = evaluation_reasons(any_engine, last).waiting[0]
    assert (refused.code, refused.words) == (
        "refused",
        "launcher 1 on node1 refuses digits: not registered here; "
        "it is the user of that launcher who allows it",
    )

    with queue.transaction(any_engine) as connection:
        queue.note_allocation_state(connection, allocation_id, "RUNNING", ends_at=ends_at + 1e5)
        queue.heartbeat(connection, launcher_id, LauncherStats(1, 0.0, ""))
        queue.claim(connection, launcher_id, 1)
    busy = evaluation_reasons(any_engine, last)
    assert [one.code for one in busy.waiting] == ["busy"]
    assert "1 evaluations are leased before it" in busy.waiting[0].words
    assert (busy.known.ended, busy.known.pending, busy.known.nearest) == (0, 2, None)
    assert evaluation_reasons(any_engine, first).waiting == ()


def test_a_failure_that_was_nearer_is_told_with_what_to_change(any_engine: Engine, tmp_path: Path) -> None:
    """A rerun with the same limit fails again; what it said is on the stream that is not empty."""
    space = space_to_json(build_space({"lr": (0.01, 1.0, "log"), "layers": (0, 9)}))
    with queue.transaction(any_engine) as connection:
        campaign_id = stock.campaign(
            connection, problem={"space": space}, max_failures=1, run_directory=str(tmp_path)
        ).id
        stock.evaluations(connection, campaign_id, 2)
        launcher_id = stock.launcher(connection)
        done, failed = queue.claim(connection, launcher_id, 2)
        queue.complete(connection, launcher_id, [stock.success(done)])
        queue.fail(connection, launcher_id, [stock.failure(failed, FailureKind.TIMEOUT)])
    with queue.transaction(any_engine) as connection:
        (later,) = stock.evaluations(connection, campaign_id, 1, first=2)
        (claimed,) = queue.claim(connection, launcher_id, 1)
        queue.fail(connection, launcher_id, [stock.failure(claimed, FailureKind.TIMEOUT)])
    log = Path(attempt_folder(str(tmp_path), claimed.ordinal, 1), "stderr")
    log.parent.mkdir(parents=True)
    log.touch()
    lines = list(reason_lines(evaluation_reasons(any_engine, later)))
    told = f"  nearer to it a failure then: TIMEOUT (evaluation {failed.id}), at a distance of "
    assert any(line.startswith(told) for line in lines)
    assert lines[-3:] == [
        f"  ambs logs {later}",
        "  nothing has to be done: the search avoids where evaluations fail",
        "  to run it again: raise time_limit_seconds in the problem file, which ambs run takes over; then: "
        f"ambs rerun {later}",
    ]


def test_the_nearest_result_then_is_told(any_engine: Engine) -> None:
    """Of those that had ended when it was proposed, not of those that ended later."""
    space = space_to_json(build_space({"lr": (0.01, 1.0, "log"), "layers": (0, 9)}))
    with queue.transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, problem={"space": space}).id
        stock.evaluations(connection, campaign_id, 2)
        launcher_id = stock.launcher(connection)
        outcomes = stock.successes(queue.claim(connection, launcher_id, 2))
        for outcome in outcomes:
            queue.complete(connection, launcher_id, [replace(outcome, objective=0.5)])
    with queue.transaction(any_engine) as connection:
        (later,) = stock.evaluations(connection, campaign_id, 1, first=2)
        best = queue.best(connection, campaign_id, 1)[0].id
    known = evaluation_reasons(any_engine, later).known
    assert (known.ended, known.pending) == (2, 0)
    assert known.best is not None
    assert known.best.id == best == outcomes[0].id  # of equals the one that ambs best names
    assert known.nearest is not None
    assert known.nearest_result is not None
    assert known.nearest_result.configuration == {"lr": 0.5, "layers": 1}
    assert known.nearest.differences == {"lr": (0.5, 1 / 3), "layers": (1, 2)}


def test_what_came_from_elsewhere_was_not_proposed(any_engine: Engine) -> None:
    """A sentence that says it was proposed because it was not says nothing."""
    space = space_to_json(build_space({"lr": (0.01, 1.0), "layers": (0, 9)}))
    with queue.transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, problem={"space": space}).id
        (told,) = queue.import_results(
            connection, campaign_id, [ImportedResult({"lr": 0.1, "layers": 2}, 1.0)]
        )
    assert list(reason_lines(evaluation_reasons(any_engine, told)))[1] == (
        "it was not proposed: its result is from elsewhere"
    )
