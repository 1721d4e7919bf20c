"""People cancel and rerun."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, select

from ambs_hpc.errors import UsageError
from ambs_hpc.queue import (
    cancel,
    claim,
    complete,
    counts,
    fail,
    finished_since,
    heartbeat,
    rerun,
    transaction,
)
from ambs_hpc.queue.schema.tables import evaluation
from ambs_hpc.states import FailureKind, State
from tests.queue import stock
from tests.queue.test_life import moves


def test_cancel_ends_what_waits_and_what_runs(any_engine: Engine) -> None:
    """The launcher learns of it at its heartbeat; results are kept; the search reads that they ended."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        ids = stock.evaluations(connection, campaign_id, 4)
        launcher_id = stock.launcher(connection)
        first, second = claim(connection, launcher_id, 2)
        complete(connection, launcher_id, [stock.success(first)])
        assert cancel(connection, campaign_id=campaign_id) == ids[1:]
        assert heartbeat(connection, launcher_id) == set()
        assert complete(connection, launcher_id, [stock.success(second)]) == []
        by_state = counts(connection, campaign_id)
        assert (by_state[State.DONE], by_state[State.CANCELLED]) == (1, 3)
        ended = finished_since(connection, campaign_id, 1)
        assert [one.state for one in ended] == [State.CANCELLED] * 3
        assert cancel(connection, campaign_id=campaign_id) == []


def test_cancel_is_limited_to_ids_campaign_and_states(any_engine: Engine) -> None:
    """Nothing else is touched."""
    with transaction(any_engine) as connection:
        here, there = (stock.campaign(connection, name=name).id for name in ("here", "there"))
        ids = stock.evaluations(connection, here, 3)
        others = stock.evaluations(connection, there, 1)
        claim(connection, stock.launcher(connection), 1)
        assert cancel(connection, ids=[ids[1], others[0]], campaign_id=here) == [ids[1]]
        assert cancel(connection, campaign_id=here, states=[State.RUNNING]) == [ids[0]]
        assert cancel(connection, ids=others, states=[State.DONE]) == []
        assert counts(connection, None)[State.READY] == 2


@pytest.mark.parametrize("verb", [cancel, rerun])
def test_something_must_be_named(any_engine: Engine, verb: object) -> None:
    """A forgotten option must not mean everything."""
    with pytest.raises(UsageError, match="ids, or a campaign"), transaction(any_engine) as connection:
        verb(connection)  # type: ignore[operator]


def test_a_rerun_of_failures_names_whose(any_engine: Engine) -> None:
    """One database holds many campaigns; another one's hundreds of failures would run again unasked."""
    with pytest.raises(UsageError, match="or a campaign"), transaction(any_engine) as connection:
        rerun(connection, failed=True)


def test_rerun_gives_new_budgets_and_tells_the_search_again(any_engine: Engine) -> None:
    """After the fix, the evaluation is as good as new, but its attempts go on counting."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, max_failures=1).id
        (new_id,) = stock.evaluations(connection, campaign_id, 1)
        launcher_id = stock.launcher(connection)
        (one,) = claim(connection, launcher_id, 1)
        fail(connection, launcher_id, [stock.failure(one)])
        (seen,) = finished_since(connection, campaign_id, 0)
        assert rerun(connection, campaign_id=campaign_id, failed=True) == [new_id]
        assert finished_since(connection, campaign_id, 0) == []
        row = connection.execute(select(evaluation)).one()
        assert (row.state, row.failures, row.interruptions, row.error) == ("READY", 0, 0, "")
        (again,) = claim(connection, launcher_id, 1)
        assert again.attempt == 2
        complete(connection, launcher_id, [stock.success(again)])
        assert [one.state for one in finished_since(connection, campaign_id, seen.sequence)] == [State.DONE]
        assert counts(connection, campaign_id) == {**dict.fromkeys(State, 0), State.DONE: 1}
        assert ("rerun", 1) in moves(connection, new_id)


def test_rerun_chooses_by_state_kind_and_campaign(any_engine: Engine) -> None:
    """`ambs rerun --kind TIMEOUT` leaves the rest alone, and DONE is never run again."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, max_failures=1).id
        ids = stock.evaluations(connection, campaign_id, 5)
        launcher_id = stock.launcher(connection)
        done, error, timeout, running, _ = claim(connection, launcher_id, 5)
        complete(connection, launcher_id, [stock.success(done)])
        kinds = [(error, FailureKind.ERROR), (timeout, FailureKind.TIMEOUT)]
        fail(connection, launcher_id, [stock.failure(one, kind) for one, kind in kinds])
        cancel(connection, ids=[ids[4]])
        assert rerun(connection, ids=[done.id, running.id]) == []
        assert rerun(connection, campaign_id=campaign_id + 1, failed=True) == []
        assert rerun(connection, campaign_id=campaign_id, kind=FailureKind.TIMEOUT) == [timeout.id]
        assert rerun(connection, campaign_id=campaign_id, failed=True) == [error.id]
        assert rerun(connection, campaign_id=campaign_id) == [ids[4]]
