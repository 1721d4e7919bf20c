"""The ledger of a database, in tables that add up and beside what a scheduler charges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from ambs_hpc import queue
from ambs_hpc.api.node_hours import ledger_reader
from ambs_hpc.api.node_hours.ledger_reader import compare_with_schedulers, outlooks, read_ledger
from ambs_hpc.api.node_hours.ledger_totals import apportioned, as_json, grouped
from ambs_hpc.api.node_hours.ledger_words import comparison_table, ledger_tables, remarks
from ambs_hpc.held_parts import HeldPart
from ambs_hpc.insight.ledger.uses import Use
from ambs_hpc.schedulers import Charge, Completed
from ambs_hpc.schedulers.slurm import charges, read_charges
from ambs_hpc.schedulers.values import CouldNotAsk
from ambs_hpc.states import IdleReason
from tests.queue import stock


@pytest.fixture
def used(any_engine: Engine) -> Engine:
    """An allocation of two nodes for about 100 s; two evaluations have ended on them."""
    with queue.transaction(any_engine) as connection:
        campaign_id = stock.campaign(connection).id
        stock.evaluations(connection, campaign_id, 2)
        number = queue.prepare_allocation(connection, "polaris", "slurm", {"nodes": 2, "folder": "/nowhere"})
        queue.note_submitted(connection, number, "41207")
        now = queue.read_now(connection)
        launcher_id = stock.launcher(connection, allocation_id=number)
        queue.note_capacity(connection, launcher_id, [queue.NodeCapacity(f"node{i}", 4) for i in (1, 2)])
        queue.note_idleness(connection, launcher_id, IdleReason.NO_SEARCH)
        queue.complete(connection, launcher_id, stock.successes(queue.claim(connection, launcher_id, 2)))
        queue.end_launcher(connection, launcher_id)
        queue.note_allocation_state(
            connection, number, "ENDED", started_at=now - 99.0, ends_at=now + 0.25, detail="COMPLETED"
        )
    return any_engine


def numbers(lines: Sequence[Sequence[str]], column: int) -> list[float]:
    return [float(line[column].rstrip("%")) for line in lines]


def test_tables_add_up_as_they_are_shown(used: Engine) -> None:
    """Along columns and along rows, to the last digit."""
    book = read_ledger(used)
    by_use, *groups = ledger_tables(book, None, with_nodes=True)
    assert [table.columns[0] for table in groups] == ["campaign", "allocation", "node"]
    assert [line[0] for line in groups[2].lines[:-1]] == [
        f"node{i}, allocation 1 on polaris (41207)" for i in (1, 2)
    ]
    for column in (1, 2):
        *parts, total = numbers(by_use.lines, column)
        assert sum(parts) == pytest.approx(total, abs=1e-9)
    for table in groups:
        for line in table.lines:
            *parts, total = map(float, line[1:])
            assert sum(parts) == pytest.approx(total, abs=1e-9)
        for column in range(1, len(table.columns)):
            *parts, total = numbers(table.lines, column)
            assert sum(parts) == pytest.approx(total, abs=1e-9)
    told = as_json(book)
    assert told["node_seconds"] == pytest.approx(198.5, abs=1e-3)
    (one,) = ledger_tables(book, "digits", with_nodes=False)[0].lines[:-1]
    assert one[0] == "useful"
    (words,) = remarks(book, outlooks(used, book))
    assert words.startswith("digits: too few results")


def test_a_column_with_the_name_of_a_line_is_that_line() -> None:
    """Whoever reads "useful" in two tables of one command reads one number."""
    everything = dict.fromkeys(Use, 1.0)
    words = {use.words for use in Use}
    columns = grouped(everything)
    assert {name: seconds for name, seconds in columns.items() if name in words} == {"useful": 1.0}
    assert sum(columns.values()) == len(Use)


def test_no_scheduler_is_asked_about_what_was_started_by_hand(any_engine: Engine) -> None:
    """It cannot know when a launcher died that it has never heard of."""
    with queue.transaction(any_engine) as connection:
        stock.launcher(connection, host="n7")
        connection.execute(
            text("UPDATE launcher SET started_at = started_at - 900, heartbeat_at = heartbeat_at - 600")
        )
    (words,) = remarks(book := read_ledger(any_engine), [])
    assert words == ("note: of these the end is not known, the last sign counts: launcher 1 on n7, by hand")
    held = replace(book, holdings=[replace(book.holdings[0], allocation_id=1)])
    assert remarks(held, [])[0].endswith(". To ask the scheduler: ambs ledger --against-scheduler")


def test_what_breaks_a_constraint_is_no_result_of_the_outlook(any_engine: Engine) -> None:
    """Its value is never a new best."""
    with queue.transaction(any_engine) as connection:
        goals = {"direction": "minimize", "constraints": [["mb", "<", 35.0]]}
        campaign = stock.campaign(connection, problem={"space": {}, **goals})
        stock.evaluations(connection, campaign.id, 40)
        launcher_id = stock.launcher(connection, slots=40)
        claims = queue.claim(connection, launcher_id, 40)
        done = [
            replace(stock.success(one, -float(one.ordinal)), metrics={"mb": one.ordinal}) for one in claims
        ]
        queue.complete(connection, launcher_id, done)
        queue.end_launcher(connection, launcher_id)
    book = read_ledger(any_engine)
    (found,) = outlooks(any_engine, book)
    assert found.outlook is not None
    assert (found.results, found.outlook.best) == (35, -34.0)
    assert found.outlook.further == 350  # a million do not follow from 35
    assert found.node_hours < 100.0
    (words,) = remarks(book, [found])
    further = f"the next {found.node_hours:.2g} node-hours bring about 350 results"
    assert words.startswith(f"digits: {further}; a new best")
    assert "a new best with a chance" in words
    positive = replace(found, outlook=replace(found.outlook, passes_zero=True))
    assert "how good, their tail cannot say: it would pass 0" in remarks(book, [positive])[-1]


@pytest.mark.parametrize("values", [[1 / 3] * 3, [0.0005] * 4, [], [7.0], [0.1] * 10])
def test_rounded_parts_add_up_to_the_rounded_sum(values: list[float]) -> None:
    """No part is off by more than one in its last digit."""
    found = apportioned(values, 3)
    assert sum(found) == pytest.approx(round(sum(values), 3), abs=1e-9)
    assert all(abs(shown - value) < 0.001 for shown, value in zip(found, values, strict=True))


def test_the_schedulers_own_times_are_stored_and_compared(
    used: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its accounting says that the allocation began a second earlier: from then on the ledger does, too."""
    before = read_ledger(used).holdings[0]

    def answer(_command: object) -> Mapping[str, Charge]:
        return {"41207": Charge(2 * 100.0, before.end - 100.0, before.end)}

    monkeypatch.setattr("ambs_hpc.schedulers.ask", answer)
    book, (compared,) = compare_with_schedulers(used, "me", 0.0)
    assert book.node_seconds == pytest.approx(200.0, abs=1e-3)
    assert compared.difference == pytest.approx(0.0, abs=1e-4)
    shown = comparison_table([compared]).lines[0]
    assert [*shown[:4], shown[5]] == ["1", "41207", "200.0", "200.0", "slurm's accounting"]
    parts = (HeldPart(before.end - 100.0, before.end - 60.0, 2), HeldPart(before.end - 60.0, before.end, 1))
    lost = {"41207": Charge(140.0, before.end - 100.0, before.end, parts)}
    monkeypatch.setattr("ambs_hpc.schedulers.ask", lambda _command: lost)
    book, (compared,) = compare_with_schedulers(used, "me", 0.0)
    assert (book.node_seconds, compared.theirs) == (pytest.approx(140.0, abs=1e-3), 140.0)
    older = replace(lost["41207"], parts=(HeldPart(0.0, 9.0, 2), HeldPart(before.end - 60.0, before.end, 1)))
    monkeypatch.setattr("ambs_hpc.schedulers.ask", lambda _command: {"41207": older})
    _, (compared,) = compare_with_schedulers(used, "me", 0.0)
    assert compared.theirs == pytest.approx(60.0)  # the other one had the number before
    monkeypatch.setattr("ambs_hpc.schedulers.ask", lambda _command: CouldNotAsk("sacct", "it is disabled"))
    _, (silent,) = compare_with_schedulers(used, "me", 0.0)
    assert (silent.theirs, silent.source) == (None, "sacct could not be asked: it is disabled")


def test_who_may_only_read_compares_without_storing(used: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Colleagues look through the reader: what the scheduler charged is theirs to see."""
    before = read_ledger(used).holdings[0]
    charge = Charge(2 * 100.0, before.end - 100.0, before.end)
    monkeypatch.setattr("ambs_hpc.schedulers.ask", lambda _command: {"41207": charge})
    reader = queue.forbid_writes(used)
    book, (compared,) = compare_with_schedulers(reader, "me", 0.0)
    assert (compared.theirs, compared.source) == (200.0, "slurm's accounting")
    assert book.holdings[0].end == before.end
    assert compared.ours == before.node_seconds


def test_slurms_accounting_is_read() -> None:
    """A row for each run of a requeued one, and for before and after a node was lost."""
    command = charges(["6", "7"])
    assert command.argv[-1] == "--jobs=6,7"
    assert "--duplicates" in command.argv
    text = (
        "6|2|100|2026-11-23T08:04:10|2026-11-23T08:05:50|n[1-2]\n"
        "6|2|10|2026-11-23T08:10:00|2026-11-23T08:10:10|n[3-4]\n"
        "7|3|5|2026-11-23T08:10:05|Unknown|n[1,3-4]\n7|4|5|2026-11-23T08:10:00|2026-11-23T08:10:05|n[1-4]\n"
        "8|0|0|None|2026-11-23T08:10:05|None assigned\n"
    )
    told = command.read(Completed(0, text, ""))
    at = 1795421400.0
    first = HeldPart(at - 350.0, at - 250.0, 2, ("n1", "n2"))
    again = HeldPart(at, at + 10.0, 2, ("n3", "n4"))
    whole = HeldPart(at, at + 5.0, 4, ("n1", "n2", "n3", "n4"))
    assert told == {
        "6": Charge(220.0, at - 350.0, at + 10.0, (first, again)),
        "7": Charge(35.0, at, None, (whole, HeldPart(at + 5.0, None, 3, ("n1", "n3", "n4")))),
        "8": Charge(0.0, None, None),
    }
    disabled = read_charges(Completed(1, "", "Slurm accounting storage is disabled"))
    assert str(disabled) == "sacct could not be asked: Slurm accounting storage is disabled"


def test_queues_that_count_gpus_are_not_taken_for_nodes(tmp_path: Path) -> None:
    """Four GPUs of one node are not four nodes; a site whose file is gone counts nodes."""
    request = {"folder": str(tmp_path), "queue": "by-gpu"}
    row = queue.AllocationTimes(1, "sophia", "pbs", "1", request, "ENDED", *[None] * 5)
    assert not ledger_reader.counts_nodes(row)
    assert ledger_reader.counts_nodes(row._replace(request={**request, "queue": "by-node"}))
    assert ledger_reader.counts_nodes(row._replace(site="gone"))


@pytest.mark.parametrize(
    ("goals", "results", "has_several"),
    [
        ({}, 2, False),
        ({"direction": {"error": "minimize", "size": "minimize"}}, 2, True),
        ({"constraints": [["objective", "<=", -1.0]]}, 0, False),
    ],
)
def test_an_outlook_knows_the_campaigns_goals(
    any_engine: Engine, goals: dict[str, object], results: int, has_several: bool
) -> None:
    """Of several objectives there is no best one, and what breaks a constraint is none."""
    with queue.transaction(any_engine) as connection:
        problem = {**stock.CAMPAIGN.problem, **goals}
        stock.evaluations(connection, stock.campaign(connection, problem=problem).id, 2)
        launcher_id = stock.launcher(connection)
        queue.complete(connection, launcher_id, stock.successes(queue.claim(connection, launcher_id, 2)))
    book = read_ledger(any_engine)
    (one,) = outlooks(any_engine, book)
    assert (one.results, one.has_several, one.outlook) == (results, has_several, None)
    assert ("several objectives" in remarks(book, [one])[-1]) == has_several
