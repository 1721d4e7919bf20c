"""A notice is claimed by one; what notices are made of is read as it is."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Thread

from sqlalchemy import Engine, text

from ambs_hpc.queue import (
    NewNotice,
    NoticeCounts,
    claim,
    claim_notice,
    complete,
    end_launcher,
    note_sent,
    notice_counts,
    notices_of,
    prepare_allocation,
    reading,
    transaction,
    waiting_work,
)
from tests.queue import stock


def test_of_many_that_claim_a_notice_one_sends_it(any_engine: Engine) -> None:
    """Ten launchers see the same new best at the same time, and a person wants to read of it once."""
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection)
    new = NewNotice(campaign.id, "ada", "best/17", "best", "a new best\0")
    barrier, claimed = Barrier(4), []

    def claims() -> None:
        barrier.wait()
        with transaction(any_engine) as connection:
            claimed.append(claim_notice(connection, new))

    threads = [Thread(target=claims) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    won = [one for one in claimed if one is not None]
    assert len(won) == 1
    with transaction(any_engine) as connection:
        assert claim_notice(connection, replace(new, audience="bob")) is not None
        assert claim_notice(connection, new) is None
        note_sent(connection, won[0])
    with reading(any_engine) as connection:
        (mine,) = notices_of(connection, campaign.id, "ada")
        everybody = notices_of(connection, campaign.id)
        assert connection.execute(text("SELECT count(*) FROM v_notices")).scalar() == 2
    assert (mine.key, mine.text, mine.error) == ("best/17", "a new best�", "")
    assert mine.sent_at is not None
    assert [one.audience for one in everybody] == ["ada", "bob"]
    assert everybody[1].sent_at is None


def test_who_might_run_what_waits_is_read(any_engine: Engine) -> None:
    """Nobody is told that nothing runs while an allocation waits in a scheduler's queue."""
    with transaction(any_engine) as connection:
        campaign = stock.campaign(connection)
        assert notice_counts(connection, campaign.id) == NoticeCounts(0, 0, 0, 0, 0)
        assert notice_counts(connection, 999) is None
        stock.evaluations(connection, campaign.id, 3)
        waiting = waiting_work(connection, campaign.id, 60.0)
        assert (waiting.ready, waiting.last_launcher_id, waiting.live_launchers) == (3, 0, 0)
        assert waiting.allocations == 0
        assert 0.0 <= waiting.seconds < 60.0
        launcher = stock.launcher(connection)
        complete(connection, launcher, [stock.success(one) for one in claim(connection, launcher, 1)])
        prepare_allocation(connection, "laptop", "local", {"nodes": 1})
        waiting = waiting_work(connection, campaign.id, 60.0)
        assert (waiting.ready, waiting.last_launcher_id, waiting.live_launchers) == (2, launcher, 1)
        assert waiting.allocations == 1
        end_launcher(connection, launcher)
        assert waiting_work(connection, campaign.id, 60.0).live_launchers == 0
        assert notice_counts(connection, campaign.id) == NoticeCounts(1, 0, 3, 0, 1)
