"""What people ask, by command and by their own SQL; the views are a promise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, text

from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.queue import (
    SORTS,
    NewReport,
    add_reports,
    best,
    cancel,
    claim,
    complete,
    counts,
    fail,
    failures,
    heartbeat,
    list_evaluations,
    reading,
    record_node_events,
    run_read_only_sql,
    show_evaluation,
    throughput,
    transaction,
)
from ambs_hpc.queue.reads import reports as reports_module
from ambs_hpc.queue.schema.tables import allocation
from ambs_hpc.queue.schema.views import NAMES
from ambs_hpc.records import Claim, NewNodeEvent, Outcome, Resources
from ambs_hpc.states import FailureKind, Move, NodeEventKind, State
from tests.queue import stock

START = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
COLUMNS = [
    *("id", "campaign", "ordinal", "state", "failure_kind", "attempt", "objective", "configuration"),
    *("created_at", "started_at", "finished_at", "node", "allocation", "error"),
]


@pytest.fixture
def told(any_engine: Engine) -> Engine:
    """Eight evaluations of a maximising campaign, in an allocation; what ended ran for 10 s.

    0, 1, 2 done (0.5, 0.9, 0.1), 3 and 4 failed alike, 5 cancelled, 6 running, 7 ready.
    """
    clock = ManualClock(START)
    with transaction(any_engine.execution_options(clock=clock)) as connection:
        campaign_id = stock.campaign(connection, direction="maximize", max_failures=1).id
        stock.evaluations(connection, campaign_id, 8)
        granted = {"site": "theta", "scheduler": "cobalt", "scheduler_id": "4711", "state": "running"}
        connection.execute(insert(allocation).values(**granted, request={}, created_at=START, detail=""))
        launcher_id = stock.launcher(connection, allocation_id=1)
        taken = claim(connection, launcher_id, 7)
        first = taken[0]
        report = NewReport(first.id, first.attempt, first.token, step=1, objective=0.4, at=START + 5.0)
        add_reports(connection, [report])
        clock.sleep(10.0)
        results = zip(taken, (0.5, 0.9, 0.1), strict=False)
        complete(connection, launcher_id, [ended(one, objective=value) for one, value in results])
        wrong = [(taken[3], "at 0x7f: 3 of 4"), (taken[4], "Traceback\nat 0x8a: 1 of 22\n")]
        fail(connection, launcher_id, [ended(one, failure=FailureKind.ERROR, error=e) for one, e in wrong])
        cancel(connection, ids=[taken[5].id])
        clock.sleep(10.0)
        heartbeat(connection, launcher_id)
        event = NewNodeEvent("nid00012", NodeEventKind.NODE_LOST, is_failure=True, detail="gone")
        record_node_events(connection, "theta", launcher_id, [event])
    return any_engine


def ended(one: Claim, **result: Any) -> Outcome:
    return Outcome(one.id, one.attempt, one.token, START, START + 10.0, "nid00012", **result)


def test_lists_can_be_sorted_and_filtered(told: Engine) -> None:
    """Best first means the largest for a campaign that maximises."""
    with reading(told) as connection:

        def ordinals(*arguments: Any, **options: Any) -> list[int]:
            return [row.ordinal for row in list_evaluations(connection, *arguments, **options)]

        assert ordinals() == list(range(8))
        assert ordinals(sort="newest", limit=2) == [7, 6]
        assert ordinals(1, State.DONE, sort="objective") == [1, 0, 2]
        assert ordinals(1, None, "objective", 4) == [1, 0, 2, 3]
        assert ordinals(state=State.FAILED) == [3, 4]
        assert ordinals(2) == []
        assert {frozenset(ordinals(sort=sort, limit=None)) for sort in SORTS} == {frozenset(range(8))}
        with pytest.raises(UsageError, match="Did you mean 'objective'"):
            ordinals(sort="objectiv")


def test_a_row_says_where_and_when(told: Engine) -> None:
    """Times are seconds since 1970."""
    with reading(told) as connection:
        row = list_evaluations(connection)[3]
        assert (row.state, row.failure_kind, row.error) == (
            State.FAILED,
            FailureKind.ERROR,
            "at 0x7f: 3 of 4",
        )
        assert (row.created_at, row.started_at, row.finished_at) == (START, START, START + 10.0)
        assert (row.node, row.allocation, row.campaign) == ("nid00012", "4711", "digits")
        assert row.configuration == {"lr": 0.25, "layers": 3}


def test_show_tells_the_whole_story(told: Engine) -> None:
    """Proposal, resources, every move."""
    with reading(told) as connection:
        story = show_evaluation(connection, 4)
        assert story.proposal.kind == "design"
        assert (story.resources, story.time_limit_seconds) == (Resources(), None)
        assert story.campaign.definition.run_directory == stock.CAMPAIGN.run_directory
        assert [(one.move, one.attempt) for one in story.events] == [
            (Move.ENQUEUE, 0),
            (Move.CLAIM, 1),
            (Move.FAIL, 1),
        ]
        last = story.events[-1]
        assert (last.host, last.allocation, last.node) == ("node1", "4711", "nid00012")
        assert (last.detail, last.at, last.finished_at) == ("at 0x7f: 3 of 4", START + 10.0, START + 10.0)
        with pytest.raises(NotFound, match="ambs list"):
            show_evaluation(connection, 99)


def test_best_follows_the_direction(told: Engine) -> None:
    """Maximised here."""
    with reading(told) as connection:
        assert [row.objective for row in best(connection, 1, 2)] == [0.9, 0.5]
        with pytest.raises(NotFound):
            best(connection, 2)


def test_failures_that_look_alike_are_one_group(told: Engine) -> None:
    """A person reads one line instead of a hundred."""
    with reading(told) as connection:
        (group,) = failures(connection, 1)
        assert (group.kind, group.signature, group.number) == (FailureKind.ERROR, "at #: # of #", 2)
        assert (group.first_at, group.last_at, group.example_id) == (START + 10.0, START + 10.0, 5)
        assert failures(connection) == [group]
        assert failures(connection, 2) == []


def end(connection: Connection, campaign_id: int, ended: Sequence[tuple[float, float]]) -> None:
    """Evaluations of the campaign have ended well: when each began and ended, seconds after START."""
    stock.evaluations(connection, campaign_id, len(ended), counts(connection, campaign_id)[State.DONE])
    launcher_id = stock.launcher(connection)
    outcomes = [
        Outcome(one.id, 1, one.token, START + begun, START + over, "n", objective=1.0)
        for one, (begun, over) in zip(claim(connection, launcher_id, len(ended)), ended, strict=True)
    ]
    complete(connection, launcher_id, outcomes)


def test_throughput_is_that_of_the_last_endings(any_engine: Engine) -> None:
    """Ten endings in 84 seconds from the first start; what was cancelled is no work done."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        assert throughput(connection, campaign_id).per_hour == 0.0
        end(connection, campaign_id, [(6.0 * n, 6.0 * n + 30.0) for n in range(10)])
        stock.evaluations(connection, campaign_id, 1, first=10)
        cancel(connection, campaign_id=campaign_id)
        pace = throughput(connection, campaign_id)
        assert (pace.ended, pace.done, pace.failed, pace.seconds) == (10, 10, 0, 84.0)
        assert (round(pace.per_hour, 2), pace.mean_run_seconds) == (428.57, 30.0)


def test_a_first_wave_says_nothing_of_the_seconds_in_which_it_ends(any_engine: Engine) -> None:
    """Forty slots of a minute make 2400 an hour at most, though forty have just ended in two seconds."""
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        end(connection, campaign_id, [(0.0, 60.0 + 0.05 * n) for n in range(40)])
        assert 2300 < throughput(connection, campaign_id).per_hour < 2400


def test_a_pace_is_that_of_the_time_in_which_something_ran(any_engine: Engine) -> None:
    """A week between two allocations must not make a campaign of 60 an hour one of one a day."""
    week = 7 * 86_400.0
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        runs = [(begin + 60.0 * n, begin + 60.0 * n + 59.0) for begin in (0.0, week) for n in range(10)]
        end(connection, campaign_id, runs)
        pace = throughput(connection, campaign_id)
        assert (pace.seconds, round(pace.per_hour)) == (2 * 599.0, 60)


def test_the_pace_spans_several_waves(any_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the usual number of endings are read where these are one wave; older ones are not."""
    monkeypatch.setattr(reports_module, "PACE_ENDINGS", 8)
    with transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection, max_evaluations=500).id
        slow = [(-9000.0, -1000.0)] * 100
        waves = [(60.0 * wave, 60.0 * wave + 59.0) for wave in range(10) for _ in range(20)]
        end(connection, campaign_id, slow)
        end(connection, campaign_id, waves)
        pace = throughput(connection, campaign_id)
        assert pace.ended == 128
        assert 1200 <= pace.per_hour < 1.3 * 1200


def view(connection: Connection, name: str, order: str = "1") -> list[dict[str, Any]]:
    """The view's rows; times as datetime and JSON as values on both databases."""
    rows = connection.execute(text(f"SELECT * FROM {name} ORDER BY {order}")).mappings()
    return [{key: plain(key, value) for key, value in row.items()} for row in rows]


def plain(key: str, value: Any) -> Any:
    if key in ("configuration", "metrics") and isinstance(value, str):
        return json.loads(value)
    if (key.endswith("_at") or key == "minute") and isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


def test_v_evaluations_has_the_promised_columns(told: Engine) -> None:
    """Other people's scripts rely on it."""
    with reading(told) as connection:
        rows = view(connection, "v_evaluations", "id")
    assert [row["state"] for row in rows] == [*["DONE"] * 3, *["FAILED"] * 2, "CANCELLED", "RUNNING", "READY"]
    assert {name: rows[1][name] for name in COLUMNS} == {
        "id": 2,
        "campaign": "digits",
        "ordinal": 1,
        "state": "DONE",
        "failure_kind": None,
        "attempt": 1,
        "objective": 0.9,
        "configuration": {"lr": 0.5, "layers": 1},
        "created_at": datetime(2023, 11, 14, 22, 13, 20),
        "started_at": datetime(2023, 11, 14, 22, 13, 20),
        "finished_at": datetime(2023, 11, 14, 22, 13, 30),
        "node": "nid00012",
        "allocation": "4711",
        "error": "",
    }
    assert (rows[1]["run_seconds"], rows[6]["run_seconds"], rows[7]["allocation"]) == (10.0, None, None)
    assert rows[6]["started_at"] == datetime(2023, 11, 14, 22, 13, 20)


def test_v_best_ranks_within_a_campaign(told: Engine) -> None:
    """`WHERE place <= 10` is all that a person adds."""
    with reading(told) as connection:
        rows = view(connection, "v_best", "place")
    assert [(row["place"], row["ordinal"], row["objective"]) for row in rows] == [
        (1, 1, 0.9),
        (2, 0, 0.5),
        (3, 2, 0.1),
    ]
    assert rows[0]["configuration"] == {"lr": 0.5, "layers": 1}


def test_v_failures_groups(told: Engine) -> None:
    """As `failures` does."""
    with reading(told) as connection:
        (row,) = view(connection, "v_failures")
    assert (row["campaign"], row["failure_kind"], row["signature"]) == ("digits", "ERROR", "at #: # of #")
    assert (row["evaluations"], row["example_id"]) == (2, 5)
    assert row["first_finished_at"] == row["last_finished_at"] == datetime(2023, 11, 14, 22, 13, 30)


def test_v_throughput_counts_by_the_minute(told: Engine) -> None:
    """For a plot of a campaign's pace."""
    with reading(told) as connection:
        (row,) = view(connection, "v_throughput")
    assert row == {
        "campaign": "digits",
        "minute": datetime(2023, 11, 14, 22, 13),
        "ended": 5,
        "done": 3,
        "failed": 2,
        "evaluations_per_hour": 300,
        "mean_run_seconds": 10.0,
    }


def test_v_utilisation_adds_up_busy_time(told: Engine) -> None:
    """Six attempts of 10 s that ended (one by cancel) and one that runs for 20 s, on 4 slots for 20 s."""
    with reading(told) as connection:
        (row,) = view(connection, "v_utilisation")
    assert (row["slots"], row["seconds"], row["attempts_ended"], row["leased"]) == (4, 20.0, 6, 1)
    assert (row["busy_seconds"], row["utilisation"]) == (80.0, 1.0)
    assert (row["host"], row["allocation"], row["ended_at"]) == ("node1", "4711", None)


# Of several objectives; of campaigns with a fidelity; of launchers that have looked; of those who are told.
OF_OTHER_CAMPAIGNS = ("v_pareto", "v_rungs", "v_provenance", "v_notices")


def test_a_persons_sql_is_answered(told: Engine) -> None:
    """Column names and rows, also where there are none, with any sign in it."""
    names, rows = run_read_only_sql(
        told, "select state, count(*) as n from v_evaluations group by state order by 1;"
    )
    assert names == ["state", "n"]
    assert rows == [("CANCELLED", 1), ("DONE", 3), ("FAILED", 2), ("READY", 1), ("RUNNING", 1)]
    assert run_read_only_sql(told, "select id from evaluation where node like '%%:x' and id % 2 = 5") == (
        ["id"],
        [],
    )
    for name in NAMES:
        rows = run_read_only_sql(told, f"with v as (select * from {name}) select * from v")[1]
        assert bool(rows) == (name not in OF_OTHER_CAMPAIGNS)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from evaluation",
        "update evaluation set state = 'READY'",
        "insert into campaign (name) values ('x')",
        "drop table evaluation",
        "create table t (x int)",
        "select 1; drop table evaluation_event",
        "commit; drop table evaluation_event",
        "rollback",
        "with gone as (delete from evaluation_event returning 1) select * from gone",
        "pragma user_version = 5",
        "attach database '/tmp/other.db' as other",
        "vacuum",
        "select nothing from nowhere",
    ],
)
def test_a_persons_sql_cannot_write(told: Engine, statement: str) -> None:
    """The database refuses by its own means; its words are in the message."""
    with reading(told) as connection:
        before = view(connection, "v_evaluations", "id")
    with pytest.raises(UsageError, match="The database refused"):
        run_read_only_sql(told, statement)
    with transaction(told) as connection:  # neither a lock nor a read-only setting has stayed
        assert view(connection, "v_evaluations", "id") == before
        cancel(connection, campaign_id=1)


def test_an_empty_statement_is_told(told: Engine) -> None:
    """A quoting mistake in a shell."""
    with pytest.raises(UsageError, match="SELECT"):
        run_read_only_sql(told, " ;\n")


def test_a_persons_sql_ends_in_time(told: Engine) -> None:
    """A forgotten join condition must not keep the database busy for hours."""
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    with pytest.raises(UsageError, match=r"too long|statement timeout"):
        run_read_only_sql(told, endless, timeout_seconds=0.1)
