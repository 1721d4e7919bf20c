"""The lines of those who watch agree with what is asked of each campaign and launcher alone."""

from __future__ import annotations

from sqlalchemy import Engine

from ambs_hpc.queue import (
    campaign_lines,
    cancel,
    claim,
    complete,
    counts,
    fail,
    held_by_launcher,
    last_event_id,
    reading,
    running_in,
    take_search,
    transaction,
)
from tests.queue import stock


def test_lines_agree_with_single_questions(any_engine: Engine) -> None:
    """Whoever watches sees the numbers of `ambs status`."""
    with transaction(any_engine) as connection:
        low = stock.campaign(connection, name="low")
        high = stock.campaign(connection, name="high", direction="maximize", max_evaluations=None)
        stock.campaign(connection, name="new")
        ids = [*stock.evaluations(connection, low.id, 6), *stock.evaluations(connection, high.id, 5)]
        one, two = stock.launcher(connection), stock.launcher(connection, pid=2)
        first = claim(connection, one, 4, campaign_ids=[low.id])
        complete(connection, one, [stock.success(first[0], 3.0), stock.success(first[1], 2.0)])
        fail(connection, one, [stock.failure(first[2])])
        second = claim(connection, two, 3, campaign_ids=[high.id])
        complete(connection, two, [stock.success(second[0], 3.0), stock.success(second[1], 2.0)])
        cancel(connection, ids=[ids[5]])
        assert take_search(connection, low.id, "me", stale_after_seconds=60.0, is_gone=lambda _: False)
    with reading(any_engine) as connection:
        lines = {line.name: line for line in campaign_lines(connection)}
        assert [line.name for line in campaign_lines(connection, limit=2)] == ["new", "high"]
        for line in lines.values():
            assert dict(line.counts) == counts(connection, line.id)
        assert {name: line.best for name, line in lines.items()} == {"low": 2.0, "high": 3.0, "new": None}
        assert lines["low"].search_silence_seconds is not None
        assert abs(lines["low"].search_silence_seconds) < 60.0
        assert (lines["high"].search_silence_seconds, lines["high"].max_evaluations) == (None, None)
        assert held_by_launcher(connection) == {one: (running_in(connection, one), 0), two: (1, 0)}


def test_the_last_event_moves_with_every_move(any_engine: Engine) -> None:
    """A page that is not made again although something moved would show what is no more."""
    seen = []
    with transaction(any_engine) as connection:
        seen.append(last_event_id(connection))
        of = stock.campaign(connection)
        stock.evaluations(connection, of.id, 1)
        seen.append(last_event_id(connection))
        launcher_id = stock.launcher(connection)
        taken = claim(connection, launcher_id, 1)
        seen.append(last_event_id(connection))
        complete(connection, launcher_id, [stock.success(taken[0])])
        seen.append(last_event_id(connection))
    assert seen[0] == 0
    assert seen == sorted(set(seen))
