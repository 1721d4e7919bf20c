"""What is learned from is the same each time, of one campaign alone, and not more than was asked for."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, event

from ambs_hpc.queue import (
    claim,
    complete,
    ended_before,
    enqueue,
    fail,
    failure_words,
    failures,
    import_results,
    pending_before,
    sampled_results,
    stored_failures,
    transaction,
    waiting_ahead,
)
from ambs_hpc.records import ImportedResult
from ambs_hpc.states import FailureKind
from tests.queue import stock


def test_samples_are_spread_over_the_campaign(any_engine: Engine) -> None:
    """Neither the first results nor the last ones stand for all; imported ones count where asked for."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, max_failures=1).id
        other_id = stock.campaign(connection, name="other").id
        ids = stock.evaluations(connection, campaign_id, 10)
        stock.evaluations(connection, other_id, 3)
        launcher_id = stock.launcher(connection)
        claims = claim(connection, launcher_id, 13)
        complete(
            connection,
            launcher_id,
            [replace(stock.success(one), objective=float(one.ordinal)) for one in claims[:9] + claims[10:]],
        )
        fail(connection, launcher_id, [stock.failure(claims[9], FailureKind.TIMEOUT, "too slow")])
        found = sampled_results(connection, campaign_id, 3)
        assert found.number == 9
        assert [(row.id, row.objective) for row in found.results] == [
            (ids[0], 0.0),
            (ids[3], 3.0),
            (ids[6], 6.0),
        ]
        assert found.results[1].configuration == {"lr": 0.25, "layers": 3}
        assert len(sampled_results(connection, campaign_id, 100).results) == 9
        (failure,) = stored_failures(connection, campaign_id, 5)
        assert (failure.id, failure.kind, failure.node) == (ids[9], FailureKind.TIMEOUT, "node1")
        assert stored_failures(connection, other_id, 5) == []
        import_results(connection, campaign_id, [ImportedResult({"lr": 0.7, "layers": 1}, 0.1)])
        assert sampled_results(connection, campaign_id, 100).number == 10
        assert sampled_results(connection, campaign_id, 100, imported=False).number == 9


def test_what_was_known_at_a_time_is_told(any_engine: Engine) -> None:
    """A proposal can only be understood from what had ended before it."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 3)
        launcher_id = stock.launcher(connection)
        outcomes = [
            replace(stock.success(one), started_at=100.0 + one.ordinal, finished_at=200.0 + one.ordinal)
            for one in claim(connection, launcher_id, 3)
        ]
        complete(connection, launcher_id, outcomes)
        assert ended_before(connection, campaign_id, 199.0, 9) == (0, [])
        number, results = ended_before(connection, campaign_id, 201.0, 1)
        assert number == 2
        assert [row.configuration for row in results] == [{"lr": 0.5, "layers": 1}]


def test_what_is_leased_before_an_evaluation_is_counted(any_engine: Engine) -> None:
    """By priority, then age, in all campaigns: the order of a claim."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        early, late = enqueue(connection, campaign_id, [stock.new(0), stock.new(1)])
        other = stock.campaign(connection, name="other").id
        (urgent,) = enqueue(connection, other, [stock.new(0, priority=5)])
        assert [waiting_ahead(connection, one, 0) for one in (early, late)] == [1, 2]
        assert waiting_ahead(connection, urgent, 5) == 0
        assert [pending_before(connection, one) for one in (early, late, urgent)] == [0, 1, 0]


def test_failures_are_told_in_the_words_of_an_example_by_one_statement(any_engine: Engine) -> None:
    """A person reads what was said, not `#`; twenty signatures cost one question."""
    said = [f"Traceback\n  at {line}\nValueError: {line} is negative" for line in range(3)]
    said += ["ran past its limit of 60 s"] * 2 + ["KeyError", ""]
    asked: list[str] = []
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection, max_failures=1)
        stock.evaluations(connection, campaign.id, len(said))
        launcher = stock.launcher(connection)
        claims = claim(connection, launcher, len(said))
        failed = [stock.failure(one, error=words) for one, words in zip(claims, said, strict=True)]
        fail(connection, launcher, failed)
        groups = failures(connection, campaign.id)
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2]))
        words = failure_words(connection, campaign.id, groups)
    assert [f"{group.number}{one.told}" for group, one in zip(groups, words, strict=True)] == [
        "3, such as: ValueError: 2 is negative",
        "2: ran past its limit of 60 s",
        "1: (said nothing)",
        "1: KeyError",
    ]
    assert len(asked) == 1
