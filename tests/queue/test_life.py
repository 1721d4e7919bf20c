"""An evaluation's life, verb by verb; every rule holds on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from ambs_hpc.queue import (
    claim,
    complete,
    counts,
    enqueue,
    fail,
    finished_since,
    heartbeat,
    proposals_of,
    release,
    transaction,
)
from ambs_hpc.queue.schema.tables import evaluation, evaluation_event
from ambs_hpc.records import Claim, Finished, Proposal, Resources
from ambs_hpc.states import FailureKind, State
from tests.queue import stock


def moves(connection: Connection, evaluation_id: int) -> list[tuple[str, int]]:
    """The story of an evaluation: (move, attempt)."""
    event = evaluation_event.c
    rows = connection.execute(
        select(event.move, event.attempt).where(event.evaluation_id == evaluation_id).order_by(event.id)
    )
    return [(row.move, row.attempt) for row in rows]


def test_enqueue_returns_ids_in_the_order_given(any_engine: Engine) -> None:
    """The search matches ids with its proposals by position."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        ids = enqueue(connection, campaign_id, [stock.new(ordinal) for ordinal in (5, 3, 4)])
        rows = connection.execute(select(evaluation.c.id, evaluation.c.ordinal))
        assert {row.id: row.ordinal for row in rows} == dict(zip(ids, (5, 3, 4), strict=True))
        assert counts(connection, campaign_id)[State.READY] == 3
        assert moves(connection, ids[0]) == [("enqueue", 0)]
        assert enqueue(connection, campaign_id, []) == []


def test_an_ordinal_is_taken_once(any_engine: Engine) -> None:
    """A search that repeats an uncertain commit must not double its proposals."""
    with pytest.raises(IntegrityError), transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 2)
        stock.evaluations(connection, campaign_id, 1, first=1)


def test_claim_says_all_that_is_needed_to_run(any_engine: Engine) -> None:
    """A launcher reads nothing else before it starts."""
    shape = Resources(cores=4, gpus=1, memory_gib=8.0, ranks_per_node=2)
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        (new_id,) = enqueue(connection, campaign_id, [stock.new(0, shape, time_limit_seconds=60.0)])
        launcher_id = stock.launcher(connection)
        (one,) = claim(connection, launcher_id, 5)
        expected = Claim(
            new_id, campaign_id, "digits", 0, 1, one.token, {"lr": 1.0, "layers": 0}, shape, 60.0
        )
        assert one == expected
        assert claim(connection, launcher_id, 5) == []
        assert heartbeat(connection, launcher_id) == {(new_id, 1)}


def test_claim_takes_priority_then_age(any_engine: Engine) -> None:
    """What a person put first runs first, and nothing starves."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        enqueue(connection, campaign_id, [stock.new(n, priority=p) for n, p in enumerate((0, 5, 0, 5, 9))])
        launcher_id = stock.launcher(connection)
        assert [one.ordinal for one in claim(connection, launcher_id, 4)] == [4, 1, 3, 0]


@pytest.mark.parametrize(
    ("room", "fitting"),
    [
        (None, [0, 1, 2, 3, 4]),
        (Resources(cores=64, gpus=8, memory_gib=512.0, nodes=4, whole_node=True), [0, 1, 2, 3, 4]),
        (Resources(cores=1), [0]),
        (Resources(cores=8, memory_gib=16.0), [0, 1]),
        (Resources(cores=8, memory_gib=8.0), [0]),
        (Resources(cores=8), [0, 1]),
        (Resources(cores=8, gpus=1), [0, 1, 2]),
        (Resources(cores=8, nodes=2), [0, 1, 3]),
        (Resources(cores=8, whole_node=True), [0, 1, 4]),
    ],
)
def test_claim_takes_only_what_fits(any_engine: Engine, room: Resources | None, fitting: list[int]) -> None:
    """A lease that cannot start would block the evaluation for other launchers."""
    shapes = [
        Resources(),
        Resources(cores=8, memory_gib=16.0),
        Resources(gpus=1),
        Resources(nodes=2),
        Resources(whole_node=True),
    ]
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        enqueue(connection, campaign_id, [stock.new(n, shape) for n, shape in enumerate(shapes)])
        taken = claim(connection, stock.launcher(connection), 10, room=room)
        assert [one.ordinal for one in taken] == fitting


def test_claim_leaves_what_cannot_end_in_time(any_engine: Engine) -> None:
    """Near walltime, long evaluations wait for the next allocation."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        limits = (100.0, 10.0, None)
        enqueue(connection, campaign_id, [stock.new(n, time_limit_seconds=t) for n, t in enumerate(limits)])
        taken = claim(connection, stock.launcher(connection), 10, time_left_seconds=10.0)
        assert [one.ordinal for one in taken] == [1, 2]


def test_claim_serves_only_the_campaigns_asked_for(any_engine: Engine) -> None:
    """A launcher runs only objectives that its user allows."""
    with transaction(any_engine) as connection:
        first, second = (stock.campaign(connection, name=name).id for name in ("a", "b"))
        stock.evaluations(connection, first, 2)
        stock.evaluations(connection, second, 2)
        launcher_id = stock.launcher(connection)
        assert claim(connection, launcher_id, 10, campaign_ids=[]) == []
        taken = claim(connection, launcher_id, 10, campaign_ids=[second])
        assert [one.campaign for one in taken] == ["b", "b"]
        assert len(claim(connection, launcher_id, 10)) == 2


def test_complete_stores_the_result(any_engine: Engine) -> None:
    """What the search, and people, read afterwards."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 2)
        launcher_id = stock.launcher(connection)
        first, _ = claim(connection, launcher_id, 2)
        outcome = stock.success(
            first, 0.125, metrics={"epochs": 3, "loss": float("nan"), "note": "a\0b\udc80"}
        )
        assert complete(connection, launcher_id, [outcome]) == [first.id]
        row = connection.execute(select(evaluation).where(evaluation.c.id == first.id)).one()
        assert (row.state, row.objective, row.node) == ("DONE", 0.125, "node1")
        assert row.metrics == {"epochs": 3, "loss": None, "note": "a\ufffdb?"}
        assert (row.started_at, row.finished_at) == (outcome.started_at, outcome.finished_at)
        assert moves(connection, first.id) == [("enqueue", 0), ("claim", 1), ("complete", 1)]
        assert finished_since(connection, campaign_id, 0) == [
            Finished(1, first.id, 0, {"lr": 1.0, "layers": 0}, State.DONE, 0.125, kind="design")
        ]
        assert complete(connection, launcher_id, [outcome]) == []  # the commit's answer was lost: repeated
        assert counts(connection, campaign_id)[State.DONE] == 1


@pytest.mark.parametrize("objective", [None, float("nan"), float("inf")])
def test_complete_refuses_what_is_no_number(any_engine: Engine, objective: float | None) -> None:
    """Such a result is a BAD_RESULT, for the launcher to say."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
        launcher_id = stock.launcher(connection)
        (one,) = claim(connection, launcher_id, 1)
        with pytest.raises(ValueError, match="finite"):
            complete(connection, launcher_id, [stock.success(one, objective)])  # type: ignore[arg-type]


def test_complete_ignores_a_lost_attempt(any_engine: Engine) -> None:
    """Neither another claim nor another attempt may end what somebody holds."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 1)
        mine, other = stock.launcher(connection), stock.launcher(connection)
        (one,) = claim(connection, mine, 1)
        for stolen in (replace(one, attempt=2), replace(one, token="of another claim")):
            assert complete(connection, mine, [stock.success(stolen)]) == []
            assert fail(connection, mine, [stock.failure(stolen)]) == []
        assert release(connection, other, [(one.id, 1)], interrupted=True, reason="") == 0
        assert release(connection, mine, [(one.id, 2)], interrupted=True, reason="") == 0
        assert counts(connection, campaign_id)[State.RUNNING] == 1


def test_fail_allows_other_attempts_within_its_budget(any_engine: Engine) -> None:
    """max_failures counts the evaluation's own errors."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, max_failures=2).id
        (new_id,) = stock.evaluations(connection, campaign_id, 1)
        launcher_id = stock.launcher(connection)
        (one,) = claim(connection, launcher_id, 1)
        assert fail(connection, launcher_id, [stock.failure(one)]) == [(new_id, State.READY)]
        assert finished_since(connection, campaign_id, 0) == []
        (again,) = claim(connection, launcher_id, 1)
        assert again.attempt == 2
        timeout = stock.failure(again, FailureKind.TIMEOUT, "ran 60 s\nKilled at 0x7f31 after 60.5 s\n")
        assert fail(connection, launcher_id, [timeout]) == [(new_id, State.FAILED)]
        row = connection.execute(select(evaluation)).one()
        assert (row.failure_kind, row.failures, row.exit_status) == ("TIMEOUT", 2, 1)
        assert (row.error, row.signature) == (timeout.error, "Killed at # after # s")
        assert moves(connection, new_id)[1:] == [("claim", 1), ("retry", 1), ("claim", 2), ("fail", 2)]
        assert [one.state for one in finished_since(connection, campaign_id, 0)] == [State.FAILED]


def test_fail_refuses_kinds_that_are_not_its_own(any_engine: Engine) -> None:
    """LOST is found out by release and sweep."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 1)
        launcher_id = stock.launcher(connection)
        (one,) = claim(connection, launcher_id, 1)
        for wrong in (stock.failure(one, FailureKind.LOST), stock.success(one)):
            with pytest.raises(ValueError, match="not a failure of its own"):
                fail(connection, launcher_id, [wrong])


def test_walltime_never_burns_the_failure_budget(any_engine: Engine) -> None:
    """Interruptions are the machine's doing; beyond their own budget the evaluation is LOST."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, max_interruptions=1, max_failures=1).id
        (new_id,) = stock.evaluations(connection, campaign_id, 1)
        launcher_id = stock.launcher(connection)
        for attempt in (1, 2):
            (one,) = claim(connection, launcher_id, 1)
            held = [(new_id, attempt)]
            assert one.attempt == attempt
            assert release(connection, launcher_id, held, interrupted=True, reason="walltime") == 1
        row = connection.execute(select(evaluation)).one()
        assert (row.state, row.failure_kind) == ("FAILED", "LOST")
        assert (row.failures, row.interruptions) == (0, 2)
        assert f"ambs rerun {new_id}" in row.error
        assert moves(connection, new_id)[-3:] == [("release", 1), ("claim", 2), ("lose", 2)]


def test_what_never_started_counts_against_nothing(any_engine: Engine) -> None:
    """A launcher holds evaluations ahead; giving those back says nothing about them."""
    with transaction(any_engine) as connection:
        stock.evaluations(connection, stock.campaign(connection, max_interruptions=0).id, 1)
        launcher_id = stock.launcher(connection)
        for attempt in (1, 2, 3):
            (one,) = claim(connection, launcher_id, 1)
            held = [(one.id, attempt)]
            assert release(connection, launcher_id, held, interrupted=False, reason="drain") == 1
        row = connection.execute(select(evaluation)).one()
        assert (row.state, row.failures, row.interruptions, row.attempt) == ("READY", 0, 0, 3)


def test_proposals_come_back_as_they_were(any_engine: Engine) -> None:
    """The search is rebuilt from them: floats to the last bit, and what became of each."""
    values = {"lr": 0.1 + 0.2, "big": 1e16, "tiny": 5e-324, "n": 3, "flag": True, "name": "relü"}
    proposal = Proposal(values, "model", mean=1 / 3, std=1e-17, acquisition=-2.5)
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 1, first=1)
        enqueue(connection, campaign_id, [stock.NewEvaluation(0, proposal, Resources())])
        launcher_id = stock.launcher(connection)
        (one,) = claim(connection, launcher_id, 1)
        complete(connection, launcher_id, [stock.success(one, 1 / 7)])
        first, second = proposals_of(connection, campaign_id)
        assert first[1:] == (0, proposal, State.READY, None, 0, {})
        assert all(type(first.proposal.configuration[key]) is type(values[key]) for key in values)
        assert list(first.proposal.configuration) == list(values)
        assert second[3:] == (State.DONE, 1 / 7, 1, {})
        assert proposals_of(connection, campaign_id, 1) == [second]
