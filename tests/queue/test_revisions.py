"""A revision holds for all that has not started, and for what returns to the queue after it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, text

from ambs_hpc.errors import CampaignConflict
from ambs_hpc.queue import (
    NewRevision,
    cancel,
    claim,
    database_url,
    enqueue,
    fail,
    find_campaign,
    last_revision,
    lock_for_revision,
    open_database,
    release,
    renew_waiting,
    rerun,
    revise_waiting,
    revisions_of,
    show_evaluation,
    store_revision,
    transaction,
    upgrade_database,
)
from ambs_hpc.queue.schema import migrate
from ambs_hpc.queue.schema.migrate import REVISIONS
from ambs_hpc.records import Campaign, NewEvaluation, Proposal, Resources, RevisedField
from tests import databases
from tests.queue import stock

PROBLEM = {**stock.CAMPAIGN.problem, "resources": {"cores": 1, "memory_gib": 2.0}, "time_limit_seconds": 60.0}
RAISED = {**PROBLEM, "resources": {"cores": 1, "memory_gib": 4.0}, "time_limit_seconds": 120.0}
CHANGE = RevisedField("time_limit_seconds", 60.0, 120.0, "time_limit_seconds 60 -> 120")


def begun(connection: Connection, number: int) -> tuple[Campaign, int]:
    """A campaign with evaluations of its own limits, and a launcher."""
    made = stock.campaign(connection, problem=PROBLEM)
    new = [
        NewEvaluation(n, Proposal({"lr": 0.1 * n}, "design"), Resources(memory_gib=2.0), 60.0, priority=n)
        for n in range(number)
    ]
    enqueue(connection, made.id, new)
    return made, stock.launcher(connection)


def raise_limits(connection: Connection, found: Campaign, priority: int = 0) -> Campaign:
    after = replace(found.definition, problem=RAISED, priority=priority)
    new = NewRevision(found, after, "me@here", [CHANGE])
    lock_for_revision(connection, new)
    campaign = store_revision(connection, new, {"waiting": 1})
    renew_waiting(connection, [found.id])
    return campaign


def limits(connection: Connection, evaluation_id: int) -> tuple[int, float | None, float]:
    story = show_evaluation(connection, evaluation_id)
    return story.revision.number, story.time_limit_seconds, story.resources.memory_gib


OLD, NEW = (1, 60.0, 2.0), (2, 120.0, 4.0)


def test_every_revision_is_kept_whole(any_engine: Engine) -> None:
    """The campaign can be rebuilt as it was at any time."""
    with transaction(any_engine) as connection:
        made, _ = begun(connection, 0)
        revised = raise_limits(connection, made)
        first, second = revisions_of(connection, made.id)
        assert last_revision(connection, made.id) == second
        assert find_campaign(connection, made.name) == revised
    assert (first.number, first.definition, first.changes) == (1, made.definition, [])
    assert (second.number, second.who, second.changes) == (2, "me@here", [CHANGE])
    assert (second.definition, second.effects) == (revised.definition, {"waiting": 1})
    assert second.words == "time_limit_seconds 60 -> 120"
    assert second.at >= first.at > 0


def test_what_waits_follows_and_what_runs_does_not(any_engine: Engine) -> None:
    """The launcher that runs it was told the old limit."""
    with transaction(any_engine) as connection:
        made, launcher_id = begun(connection, 2)
        (running,) = claim(connection, launcher_id, 1)
        revised = raise_limits(connection, made, priority=10)
        (later,) = claim(connection, launcher_id, 1)
        assert limits(connection, running.id) == OLD
        assert limits(connection, later.id) == NEW
        assert (later.time_limit_seconds, later.resources.memory_gib) == (120.0, 4.0)
        claims = [show_evaluation(connection, one).events[1].revision for one in (running.id, later.id)]
        assert claims == [1, 2]
        assert show_evaluation(connection, later.id).row.priority == 10
        assert renew_waiting(connection, [made.id]) == 0
    assert revised.revision == 2


@pytest.mark.parametrize("way", ["retry", "release", "rerun a failure", "rerun a cancelled one"])
def test_what_returns_to_the_queue_has_the_newest_limits(any_engine: Engine, way: str) -> None:
    """TIMEOUT, raise the limit, rerun: the next attempt would end by the old one again."""
    with transaction(any_engine) as connection:
        made, launcher_id = begun(connection, 1)
        (held,) = claim(connection, launcher_id, 1)
        budget = 1 if way == "rerun a failure" else 2
        made = replace(made, definition=replace(made.definition, max_failures=budget))
        if way.startswith("rerun"):
            for _ in range(2):
                fail(connection, launcher_id, [stock.failure(held)])
                (held,) = claim(connection, launcher_id, 1) or [held]
            if way == "rerun a cancelled one":
                rerun(connection, ids=[held.id])
                cancel(connection, ids=[held.id])
        revised = raise_limits(connection, made)
        revise_waiting(connection, {held.id: {"lr": 0.0, "rate": 0.5}})
        before = show_evaluation(connection, held.id)
        assert (before.revision.number, dict(before.row.configuration)) == (1, {"lr": 0.0})
        if way == "retry":
            fail(connection, launcher_id, [stock.failure(held)])
        elif way == "release":
            release(connection, launcher_id, [(held.id, 1)], interrupted=True, reason="walltime")
        else:
            assert rerun(connection, ids=[held.id]) == [held.id]
        assert limits(connection, held.id) == NEW
        (again,) = claim(connection, launcher_id, 1)
        assert dict(again.configuration) == {"lr": 0.0, "rate": 0.5}
        assert show_evaluation(connection, held.id).events[-1].revision == revised.revision


def test_a_campaign_that_changed_meanwhile_is_not_overwritten(any_engine: Engine) -> None:
    """Two people revise it from the same state."""
    with transaction(any_engine) as connection:
        made, _ = begun(connection, 0)
        raise_limits(connection, made)
        with pytest.raises(CampaignConflict, match=r"by me@here: time_limit_seconds 60 -> 120 \(revision 2"):
            raise_limits(connection, made)
        assert len(revisions_of(connection, made.id)) == 2


OLD_CAMPAIGN = """
    INSERT INTO campaign (name, created_at, problem, objective, direction, directory, run_directory, method,
                          method_options, seed, max_evaluations, max_failures, max_interruptions, uid)
    VALUES ('digits', 5.0, :problem, '{"warm": true, "function" : "model\\:train"}', 'minimize',
            '/home/me/digits', '/home/me/digits/ambs-runs/digits', 'ambs', '{"kappa" : 1.96}', 7, 100, 2, 1,
            'abc')
"""


@pytest.mark.parametrize("kind", databases.KINDS)
def test_campaigns_of_before_have_their_first_revision(kind: str, tmp_path: Path) -> None:
    """They may be changed like new ones, and `ambs show` says under what they ran."""
    with databases.blank_database(kind, tmp_path) as url:
        plain = create_engine(database_url(url, {}, tmp_path))
        with plain.begin() as connection:
            _upgrade_to(connection, "0006")
            connection.execute(text(OLD_CAMPAIGN), {"problem": json.dumps(dict(stock.CAMPAIGN.problem))})
        plain.dispose()
        assert upgrade_database(url) == ("0006", REVISIONS[-1])
        engine = open_database(url)
        with transaction(engine) as connection:
            found = find_campaign(connection, "digits")
            assert found is not None
            (first,) = revisions_of(connection, found.id)
        engine.dispose()
    assert found.definition == replace(stock.CAMPAIGN, uid="abc")
    assert (found.revision, first.number, first.at, first.who) == (1, 1, 5.0, "")
    assert (first.definition, first.changes) == (found.definition, [])


def _upgrade_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = migrate.VERSION_TABLE
    command.upgrade(config, revision)
