"""What people give to a campaign counts as what it is, and is in nobody's way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from ambs_hpc.errors import NotFound
from ambs_hpc.queue import (
    Marks,
    best,
    cancel,
    claim,
    complete,
    counts,
    enqueue,
    failures,
    finished_since,
    import_results,
    list_evaluations,
    marks_of,
    next_given_ordinal,
    reading,
    recent_run_seconds,
    rerun,
    show_evaluation,
    throughput,
    transaction,
)
from ambs_hpc.records import IMPORTED, MANUAL, ImportedResult, Proposal
from ambs_hpc.states import FailureKind, Move, State
from tests.queue import stock

RESULTS = [
    ImportedResult({"lr": 0.1}, 0.25, metrics={"epochs": 3}, source="old.csv, line 2"),
    ImportedResult({"lr": 0.2}, None, FailureKind.TIMEOUT, "too long", source="old.csv, line 3"),
]


def test_imported_results_are_learned_and_counted_apart(any_engine: Engine) -> None:
    """A search reads them as any ending; a budget, a state or a pace knows nothing of them."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 2)
        launcher_id = stock.launcher(connection)
        complete(connection, launcher_id, stock.successes(claim(connection, launcher_id, 1)))
        before = counts(connection, campaign_id), throughput(connection, campaign_id)
        ids = import_results(connection, campaign_id, RESULTS)
        learned = finished_since(connection, campaign_id, 1)
        assert [(one.id, one.ordinal, one.sequence, one.state, one.objective) for one in learned] == [
            (ids[0], -1, 2, State.DONE, 0.25),
            (ids[1], -2, 3, State.FAILED, None),
        ]
        assert (counts(connection, campaign_id), throughput(connection, campaign_id)) == before
        assert len(recent_run_seconds(connection, campaign_id, 2)) == 1
        assert marks_of(connection, campaign_id) == Marks(2, 3, revision=1, added=0, imported=2, sources=0)
        assert failures(connection, campaign_id) == []
        assert connection.execute(text("SELECT sum(ended) FROM v_throughput")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM v_failures")).scalar_one() == 0


def test_imported_results_are_shown_as_such(any_engine: Engine) -> None:
    """A person must see which results come from elsewhere, and from which line."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        first, second = import_results(connection, campaign_id, RESULTS)
        (leading,) = best(connection, campaign_id)
        assert (leading.id, leading.proposal_kind, leading.metrics) == (first, IMPORTED, {"epochs": 3})
        story = show_evaluation(connection, second)
        assert [(one.move, one.failure_kind, one.detail) for one in story.events] == [
            (Move.IMPORT_FAILURE, FailureKind.TIMEOUT, "old.csv, line 3")
        ]
        assert (story.row.started_at, story.row.error) == (None, "too long")


def test_what_failed_elsewhere_is_not_run_again(any_engine: Engine) -> None:
    """`ambs rerun --failed` would spend an allocation on somebody else's failures."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        ids = import_results(connection, campaign_id, RESULTS)
        assert rerun(connection, campaign_id=campaign_id, failed=True) == []
        assert rerun(connection, ids=ids) == []
        assert cancel(connection, campaign_id=campaign_id) == []


def test_a_persons_own_evaluations_have_numbers_of_their_own(any_engine: Engine) -> None:
    """The search numbers its proposals by itself, at the same time and in another process."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        import_results(connection, campaign_id, RESULTS)
        ordinal = next_given_ordinal(connection, campaign_id)
        mine = replace(stock.new(ordinal, priority=1), proposal=Proposal({"lr": 0.3}, MANUAL))
        enqueue(connection, campaign_id, [mine, *map(stock.new, range(2))])
        (one,) = claim(connection, stock.launcher(connection), 1)
        assert (ordinal, one.ordinal) == (-3, -3)
        assert marks_of(connection, campaign_id) == Marks(3, 2, revision=1, added=1, imported=2, sources=0)
        assert next_given_ordinal(connection, campaign_id) == -4
        assert [row.ordinal for row in list_evaluations(connection, campaign_id)] == [-1, -2, -3, 0, 1]


def test_wrong_results_are_not_stored(any_engine: Engine) -> None:
    """What a database holds is learned for ever."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        for wrong in (
            ImportedResult({"lr": 0.1}, None),
            ImportedResult({"lr": 0.1}, 1.0, FailureKind.ERROR),
            ImportedResult({"lr": 0.1}, float("inf")),
        ):
            with pytest.raises(ValueError, match=r"give either|not a finite number"):
                import_results(connection, campaign_id, [RESULTS[0], wrong])
        with pytest.raises(NotFound):
            import_results(connection, campaign_id + 1, RESULTS)
    with reading(any_engine) as connection:
        assert list_evaluations(connection) == []
