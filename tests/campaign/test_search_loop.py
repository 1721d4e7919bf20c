"""A search knows when what it remembers is not what the database has, and keeps nobody waiting meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from ambs_hpc.campaign import SearchLoop
from ambs_hpc.campaign import loop as loop_module
from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import CampaignConflict, DatabaseRefused, DatabaseUnreachable, NoLegalConfiguration
from ambs_hpc.problem import Problem
from ambs_hpc.queue import (
    NodeCapacity,
    claim,
    complete,
    counts,
    fail,
    note_capacity,
    proposals_of,
    reading,
    transaction,
)
from ambs_hpc.records import Campaign, Observation, Proposal, Resources
from ambs_hpc.search import Searcher
from ambs_hpc.timing import SEARCH_HEARTBEAT_SECONDS
from tests.queue import stock

PROBLEM = Problem(name="digits", space={"lr": (0.0, 1.0), "layers": (1, 9)}, objective="model:train")
ON_GPU = Problem(
    name="digits",
    space={"lr": (0.0, 1.0), "layers": (1, 9)},
    objective="model:train",
    resources=Resources(cores=1, gpus=1),
)


def campaign_of(connection: Connection, budget: int = 12, of: Problem = PROBLEM) -> Campaign:
    problem = {key: value for key, value in of.to_json().items() if key != "name"}
    return stock.campaign(
        connection, problem=problem, method="random", method_options={}, max_evaluations=budget
    )


def searching(engine: Engine, budget: int = 12, slots: int = 4) -> tuple[SearchLoop, Campaign, ManualClock]:
    clock = ManualClock()
    with transaction(engine) as connection:
        campaign = campaign_of(connection, budget)
    loop = SearchLoop(engine, campaign, slots, clock)
    loop.open()
    return loop, campaign, clock


def finish(engine: Engine, number: int) -> None:
    with transaction(engine) as connection:
        launcher_id = stock.launcher(connection)
        complete(connection, launcher_id, stock.successes(claim(connection, launcher_id, number)))


def ordinals(engine: Engine, campaign: Campaign) -> list[int]:
    with reading(engine) as connection:
        return [row.ordinal for row in proposals_of(connection, campaign.id)]


def go_back(engine: Engine, kept: int) -> None:
    """As an older copy is: it knows of the first evaluations only, and of no ending."""
    with transaction(engine) as connection:
        connection.execute(text("DELETE FROM evaluation_event"))
        connection.execute(text("DELETE FROM evaluation WHERE ordinal >= :kept"), {"kept": kept})
        connection.execute(
            text(
                "UPDATE evaluation SET state = 'READY', objective = NULL, finished_at = NULL, "
                "finish_sequence = NULL, launcher_id = NULL, attempt = 0"
            )
        )
        connection.execute(
            text("UPDATE campaign_progress SET enqueued = :kept, done = 0, finish_sequence = 0"),
            {"kept": kept},
        )


def test_the_searcher_is_built_once_at_the_start(any_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large space, or from sources, that takes seconds in which slots wait."""
    built: list[str] = []

    def noted(name: str) -> None:
        make = getattr(loop_module, name)
        monkeypatch.setattr(loop_module, name, lambda *given: built.append(name) or make(*given))

    noted("searcher_for")
    noted("LegalRows")
    loop, *_ = searching(any_engine)
    loop.step()
    loop.close()
    assert sorted(built) == ["LegalRows", "searcher_for"]


def test_a_database_that_went_back_is_noticed(any_engine: Engine) -> None:
    """It proposed nothing more, and waited for ever for what the database did not have."""
    loop, campaign, _ = searching(any_engine)
    loop.step()
    finish(any_engine, 3)
    loop.step()
    go_back(any_engine, 2)
    for _ in range(12):
        progress = loop.step()
        finish(any_engine, 4)
    assert progress.is_complete
    assert ordinals(any_engine, campaign) == list(range(12))
    with reading(any_engine) as connection:
        assert sum(counts(connection, campaign.id).values()) == 12


@pytest.mark.parametrize("another", ["database_identity", "campaign"])
def test_another_database_is_not_written_to(any_engine: Engine, another: str) -> None:
    """Somebody began anew under the same address, or the campaign's id was given again in an older copy."""
    loop, campaign, clock = searching(any_engine)
    loop.step()
    with transaction(any_engine) as connection:
        connection.execute(text(f"UPDATE {another} SET uid = 'another'"))
    before = ordinals(any_engine, campaign)
    clock.sleep(SEARCH_HEARTBEAT_SECONDS)
    with pytest.raises(DatabaseRefused, match="Another database"):
        loop.step()
    assert ordinals(any_engine, campaign) == before


def test_half_a_rebuild_is_begun_again(any_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign was another search's for a while, and the database went away while this one read it."""
    loop, campaign, clock = searching(any_engine)
    loop.step()
    other = SearchLoop(any_engine, campaign, 8, clock)
    owned_by(any_engine, None)
    other.open()
    other.step()
    owned_by(any_engine, None)
    clock.sleep(SEARCH_HEARTBEAT_SECONDS)

    def away(_: object) -> object:
        raise DatabaseUnreachable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(loop_module, "reading", away)
        assert loop.step().database_away
    for _ in range(12):
        progress = loop.step()
        finish(any_engine, 4)
    assert progress.is_complete
    assert ordinals(any_engine, campaign) == list(range(12))
    with reading(any_engine) as connection:
        rows = proposals_of(connection, campaign.id)
    assert len({str(sorted(row.proposal.configuration.items())) for row in rows}) == 12


def owned_by(engine: Engine, owner: str | None) -> None:
    """`owner` is a search that has just said that it lives; None for nobody."""
    with transaction(engine) as connection:
        if owner is None:
            values = "search_owner = NULL, search_heartbeat_at = NULL"
            connection.execute(text(f"UPDATE campaign_progress SET {values}"))
        else:
            connection.execute(text("UPDATE campaign_progress SET search_owner = :owner"), {"owner": owner})


def test_a_search_that_lost_its_campaign_proposes_nothing(any_engine: Engine) -> None:
    """Both would take the same ordinals, and the budget would be spent twice."""
    loop, campaign, _ = searching(any_engine)
    loop.step()
    finish(any_engine, 4)
    before = ordinals(any_engine, campaign)
    owned_by(any_engine, "elsewhere:1:1")
    with pytest.raises(CampaignConflict, match="alive"):
        loop.step()
    assert ordinals(any_engine, campaign) == before


def test_a_campaign_that_nobody_holds_is_taken_again(any_engine: Engine) -> None:
    """The other search ended while this one could not reach the database."""
    loop, campaign, clock = searching(any_engine)
    loop.step()
    owned_by(any_engine, None)
    clock.sleep(SEARCH_HEARTBEAT_SECONDS)
    for _ in range(8):
        progress = loop.step()
        finish(any_engine, 4)
    assert progress.is_complete
    assert ordinals(any_engine, campaign) == list(range(12))


class WatchedSearcher:
    """Fails when it has to work while a transaction is open."""

    def __init__(self, searcher: Searcher, is_open: Sequence[object]) -> None:
        self._searcher, self._is_open = searcher, is_open

    def ask(self, n: int) -> list[Proposal]:
        assert not self._is_open
        return self._searcher.ask(n)

    def tell(self, observations: Sequence[Observation]) -> None:
        assert not self._is_open
        self._searcher.tell(observations)

    def restore(self, proposals: Sequence[Proposal], observations: Sequence[Observation]) -> None:
        assert not self._is_open
        self._searcher.restore(proposals, observations)


def test_no_transaction_is_open_while_the_search_works(
    any_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Launchers that report would wait until a forest is trained."""
    is_open: list[Engine] = []

    def watched(begin: object) -> object:
        @contextmanager
        def opened(engine: Engine) -> Iterator[Connection]:
            with begin(engine) as connection:  # type: ignore[operator]
                is_open.append(engine)
                try:
                    yield connection
                finally:
                    is_open.pop()

        return opened

    made = loop_module.searcher_for
    monkeypatch.setattr(loop_module, "transaction", watched(transaction))
    monkeypatch.setattr(loop_module, "reading", watched(reading))
    monkeypatch.setattr(loop_module, "searcher_for", lambda *given: WatchedSearcher(made(*given), is_open))
    loop, campaign, clock = searching(any_engine)
    loop.step()
    finish(any_engine, 4)
    loop.step()
    again = SearchLoop(any_engine, campaign, 4, clock)
    again.open()
    assert again.step().proposed >= 4


def test_a_search_that_finds_nothing_legal_says_so_when_the_rest_has_ended(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not "every configuration has been proposed": whoever reads the end must know what to change."""
    loop, campaign, _ = searching(any_engine)
    loop.step()

    def asked(_: int) -> list[Proposal]:
        raise NoLegalConfiguration("after 9 tries")

    monkeypatch.setattr(loop._searcher, "ask", asked)
    finish(any_engine, 2)
    assert not loop.step().is_complete
    finish(any_engine, 3)
    progress = loop.step()
    assert progress.is_complete
    assert progress.dead_end == "after 9 tries"
    assert len(ordinals(any_engine, campaign)) == 5


def fail_all(engine: Engine) -> None:
    with transaction(engine) as connection:
        launcher_id = stock.launcher(connection)
        fail(connection, launcher_id, [stock.failure(one) for one in claim(connection, launcher_id, 100)])


def test_nothing_is_proposed_where_the_first_have_failed_alike(any_engine: Engine) -> None:
    """Until it is started again, when the cause may have been mended: then it judges anew."""
    _, campaign, clock = searching(any_engine, budget=40)
    owned_by(any_engine, None)
    loop = SearchLoop(any_engine, campaign, 4, clock, hopeless_after=5)
    loop.open()
    while (progress := loop.step()).hopeless is None:
        fail_all(any_engine)
    proposed = ordinals(any_engine, campaign)
    assert progress.hopeless.failures == 5
    assert len(proposed) <= 15
    loop.step()
    assert ordinals(any_engine, campaign) == proposed
    loop.close()
    again = SearchLoop(any_engine, campaign, 4, clock, hopeless_after=5)
    again.open()
    assert again.step().hopeless is None
    assert len(ordinals(any_engine, campaign)) > len(proposed)


def test_proposals_whose_answer_was_lost_are_stored_once(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit had arrived: to propose them again would spend the budget twice, others would waste it."""
    loop, campaign, _ = searching(any_engine)

    @contextmanager
    def answer_lost(engine: Engine) -> Iterator[Connection]:
        with transaction(engine) as connection:
            yield connection
        with reading(engine) as connection:
            if proposals_of(connection, campaign.id):
                raise DatabaseUnreachable("the answer is lost")

    with monkeypatch.context() as patch:
        patch.setattr(loop_module, "transaction", answer_lost)
        assert loop.step().database_away
    stored = ordinals(any_engine, campaign)
    assert not loop.step().database_away
    assert ordinals(any_engine, campaign) == stored == list(range(5))


def test_results_that_come_while_many_slots_are_filled_are_learned(
    any_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of hundreds of proposals came of what was known before the first of them."""
    loop, campaign, _ = searching(any_engine, budget=60, slots=50)
    told: list[int] = []
    learn, ask = loop._searcher.tell, loop._searcher.ask

    def asked(number: int) -> list[Proposal]:
        proposals = ask(number)
        if len(ordinals(any_engine, campaign)) == 16:
            finish(any_engine, 3)
        return proposals

    monkeypatch.setattr(
        loop._searcher, "tell", lambda observed: told.append(len(observed)) or learn(observed)
    )
    monkeypatch.setattr(loop._searcher, "ask", asked)
    progress = loop.step()
    assert told == [3]
    assert progress.proposed == 56  # no more than was wanted at first: the rest comes with the next step
    assert loop.step().proposed == 59


@pytest.mark.parametrize(("nodes", "cores", "gpus", "asked"), [(1, 64, 4, 5), (10, 32, 4, 45)])
def test_a_search_fills_the_slots_that_its_evaluations_find(
    any_engine: Engine, nodes: int, cores: int, gpus: int, asked: int
) -> None:
    """Told of cores, or of smaller evaluations of another campaign, it spent its budget on its design."""
    with transaction(any_engine) as connection:
        campaign = campaign_of(connection, 60, ON_GPU)
        launcher_id = stock.launcher(connection, slots=nodes * cores)
        told = [NodeCapacity(f"n{index}", cores, gpus, 256.0) for index in range(nodes)]
        note_capacity(connection, launcher_id, told)
    loop = SearchLoop(any_engine, campaign, None, ManualClock())
    loop.open()
    assert loop.step().proposed == asked
