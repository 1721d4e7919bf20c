"""Many processes at once: nobody gets an evaluation twice, none is left, and no ending is overlooked."""

from __future__ import annotations

import multiprocessing
import queue as queues
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from ambs_hpc.errors import DatabaseLocked
from ambs_hpc.queue import (
    Evidence,
    cancel,
    claim,
    complete,
    counts,
    finished_since,
    lock_campaigns_of,
    open_database,
    reading,
    release,
    rerun,
    sweep,
    transaction,
)
from ambs_hpc.queue.schema.tables import campaign_progress, evaluation, evaluation_event
from ambs_hpc.states import State
from tests import databases
from tests.queue import stock

PROCESSES = 8
NUMBER = 2000
spawning = multiprocessing.get_context("spawn")


def claim_everything(url: str, answers: multiprocessing.Queue[list[tuple[int, int]]]) -> None:
    """A launcher that takes and ends what it can."""
    engine = open_database(url)
    with transaction(engine) as connection:
        launcher_id = stock.launcher(connection)
    mine: list[tuple[int, int]] = []
    while True:
        with transaction(engine) as connection:
            taken = claim(connection, launcher_id, 7)
        if not taken:
            break
        mine += [(one.id, one.attempt) for one in taken]
        with transaction(engine) as connection:
            assert len(complete(connection, launcher_id, stock.successes(taken))) == len(taken)
    answers.put(mine)


def together(target: Callable[..., None], url: str, number: int) -> list[list[tuple[int, int]]]:
    """The answers of `number` processes that run at once."""
    answers: multiprocessing.Queue[list[tuple[int, int]]] = spawning.Queue()
    processes = [spawning.Process(target=target, args=(url, answers)) for _ in range(number)]
    for process in processes:
        process.start()
    collected = [answers.get(timeout=90) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    return collected


def test_eight_processes_share_two_thousand(any_url: str, any_engine: Engine) -> None:
    """Each is run exactly once, by the claims, the counters and the cursor alike."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        ids = stock.evaluations(connection, campaign_id, NUMBER)
    shares = together(claim_everything, any_url, PROCESSES)
    taken = Counter(pair for share in shares for pair in share)
    assert taken == Counter((one, 1) for one in ids)
    with reading(any_engine) as connection:
        assert counts(connection, campaign_id) == {**dict.fromkeys(State, 0), State.DONE: NUMBER}
        ended = finished_since(connection, campaign_id, 0)
        assert [one.sequence for one in ended] == list(range(1, NUMBER + 1))


def test_claims_do_not_wait_for_each_other(postgresql_url: str) -> None:
    """SKIP LOCKED: an open transaction of one launcher does not stop another."""
    engine = open_database(postgresql_url)
    with transaction(engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, 4)
        launchers = [stock.launcher(connection) for _ in range(2)]
    with transaction(engine) as first, transaction(engine) as second:
        ordinals = [
            [one.ordinal for one in claim(c, who, 2)]
            for c, who in zip((first, second), launchers, strict=True)
        ]
    assert ordinals == [[0, 1], [2, 3]]
    engine.dispose()


def test_cursor_never_skips_an_ending(any_url: str, any_engine: Engine) -> None:
    """A number from a sequence may become visible before a smaller one; a skipped ending is never read."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        ids = stock.evaluations(connection, campaign_id, 600)
    answers: multiprocessing.Queue[list[tuple[int, int]]] = spawning.Queue()
    processes = [spawning.Process(target=claim_everything, args=(any_url, answers)) for _ in range(4)]
    for process in processes:
        process.start()
    seen: list[int] = []
    cursor = 0

    def poll() -> bool:
        nonlocal cursor
        with reading(any_engine) as connection:
            ended = finished_since(connection, campaign_id, cursor, limit=5)
        seen.extend(one.id for one in ended)
        cursor = ended[-1].sequence if ended else cursor
        return len(seen) >= len(ids)

    databases.wait_until(poll, 60.0)
    for process in processes:
        answers.get(timeout=30)
        process.join()
    assert sorted(seen) == ids


def test_an_ending_becomes_visible_in_its_turn(postgresql_url: str) -> None:
    """While one transaction holds number 1, another cannot commit number 2."""
    engine = open_database(postgresql_url)
    with transaction(engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 2)
        launcher_id = stock.launcher(connection)
        first, second = claim(connection, launcher_id, 2)
    done = threading.Event()

    def end_second() -> None:
        with transaction(engine) as connection:
            complete(connection, launcher_id, [stock.success(second)])
        done.set()

    other = threading.Thread(target=end_second)
    with transaction(engine) as connection:
        complete(connection, launcher_id, [stock.success(first)])
        other.start()
        assert not done.wait(0.3)
    other.join(10)
    with reading(engine) as connection:
        assert [one.id for one in finished_since(connection, campaign_id, 0)] == [first.id, second.id]
    engine.dispose()


def stir(url: str, worker: int, errors: queues.Queue[BaseException]) -> None:
    """Everything at once, on the same evaluations of two campaigns."""
    engine = open_database(url)
    try:
        with transaction(engine) as connection:
            launcher_id = stock.launcher(connection)
        for turn in range(12):
            try:
                stir_once(engine, launcher_id, worker, turn)
            except DatabaseLocked:
                continue  # two cancels in a circle: one of them tries again
    except BaseException as error:
        errors.put(error)
    finally:
        engine.dispose()


def stir_once(engine: Engine, launcher_id: int, worker: int, turn: int) -> None:
    with transaction(engine) as connection:
        taken = claim(connection, launcher_id, 5)
    with transaction(engine) as connection:
        complete(connection, launcher_id, stock.successes(taken[:2]))
        held = [(one.id, one.attempt) for one in taken[2:4]]
        release(connection, launcher_id, held, interrupted=bool(turn % 2), reason="stirred")
    with transaction(engine) as connection:
        if worker == 0:
            cancel(connection, campaign_id=1 + turn % 2, states=[State.RUNNING])
        elif worker == 1:
            rerun(connection, campaign_id=1 + turn % 2)
        elif worker == 2:
            sweep(connection, stale_after_seconds=0.0, is_gone=lambda one: Evidence.GONE)


def test_counters_stay_true_in_any_confusion(any_url: str, any_engine: Engine) -> None:
    """They are kept, not counted: so they must agree with a count after every mixture of verbs."""
    with transaction(any_engine) as connection:
        for name in ("a", "b"):
            stock.evaluations(connection, stock.campaign(connection, name=name, max_interruptions=3).id, 60)
    errors: queues.Queue[BaseException] = queues.Queue()
    threads = [threading.Thread(target=stir, args=(any_url, worker, errors)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors.empty(), errors.get()
    with reading(any_engine) as connection:
        for campaign_id in (1, 2):
            column = evaluation.c
            counted = select(column.state, func.count()).where(column.campaign_id == campaign_id)
            rows = connection.execute(counted.group_by(column.state))
            assert counts(connection, campaign_id) == {
                **dict.fromkeys(State, 0),
                **{State(state): number for state, number in rows},
            }
            ended = finished_since(connection, campaign_id, 0)
            assert len({one.sequence for one in ended}) == len(ended)
        ends = select(evaluation_event.c.evaluation_id).where(evaluation_event.c.move == "complete")
        assert max(Counter(connection.execute(ends).scalars()).values()) == 1


@pytest.mark.parametrize("kind", databases.KINDS)
def test_an_empty_database_is_made_once(kind: str, tmp_path: Path) -> None:
    """Search and launchers start together on a new campaign folder."""
    with databases.blank_database(kind, tmp_path) as url:
        errors: queues.Queue[BaseException] = queues.Queue()

        def meet() -> None:
            try:
                open_database(url).dispose()
            except BaseException as error:
                errors.put(error)

        threads = [threading.Thread(target=meet) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert errors.empty(), errors.get()


def test_a_report_of_two_campaigns_locks_both_at_its_beginning(postgresql_url: str) -> None:
    """Verbs one after another would lock them one by one: two launchers could wait in a circle."""
    engine = open_database(postgresql_url)
    with transaction(engine) as connection:
        campaigns = [stock.campaign(connection, name=name, uid=name).id for name in ("one", "two")]
        ids = [stock.evaluations(connection, campaign_id, 1)[0] for campaign_id in campaigns]
    locking = select(campaign_progress.c.campaign_id).with_for_update(skip_locked=True)
    with transaction(engine) as first, transaction(engine) as second:
        lock_campaigns_of(first, reversed(ids))
        assert second.execute(locking).all() == []
    with transaction(engine) as connection:
        assert sorted(connection.execute(locking).scalars()) == campaigns
    engine.dispose()
