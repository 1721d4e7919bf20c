"""`ambs top` in a terminal of 80 by 24: what it shows, what it asks the database, and what it changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from textual.events import Key
from textual.pilot import Pilot
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.cli.top import top_application
from ambs_hpc.cli.top.followed_log import FIRST_BYTES, FollowedLog
from ambs_hpc.cli.top.shown_rows import shown_table, totals_line
from ambs_hpc.cli.top.snapshot import MOST_EVALUATIONS, ORDERS, VIEWS, ViewQuery, read_snapshot
from ambs_hpc.cli.top.top_application import TopApplication
from ambs_hpc.errors import DatabaseUnreachable
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.queue import (
    SORTS,
    claim,
    complete,
    fail,
    note_nodes,
    open_database,
    reading,
    show_evaluation,
    transaction,
)
from ambs_hpc.states import FailureKind, State
from tests.queue import stock

HOSTILE = "\x1b]0;taken\x07[red]not markup[/]\u202e"
Steps = Callable[[Pilot[None], TopApplication], Awaitable[None]]


def filled(engine: Engine, runs: Path, name: str = "digits", launchers: int = 1) -> list[int]:
    """A campaign of ten: three done, two failed, the rest running, leased or waiting; the ids."""
    with transaction(engine) as connection:
        made = stock.campaign(connection, name=name, run_directory=str(runs))
        ids = stock.evaluations(connection, made.id, 10)
        for number in range(launchers):
            launcher_id = stock.launcher(connection, pid=100 + number)
        taken = claim(connection, launcher_id, 7, campaign_ids=[made.id])
        complete(connection, launcher_id, [stock.success(one, 0.1 * one.ordinal) for one in taken[:3]])
        note_nodes(connection, launcher_id, [(one.id, one.attempt, "node1") for one in taken[5:]])
        errors = [HOSTILE, "CUDA out of memory"]
        kinds = [FailureKind.ERROR, FailureKind.OUT_OF_MEMORY]
        for _ in range(2):  # two failures are allowed
            failed = [one for one in taken if one.id in ids[3:5]]
            pairs = zip(failed, kinds, errors, strict=True)
            fail(connection, launcher_id, [stock.failure(one, kind, error) for one, kind, error in pairs])
            taken = claim(connection, launcher_id, 2, campaign_ids=[made.id])
    return ids


def screen_text(application: TopApplication) -> list[str]:
    """What a person sees, line by line."""
    strips = application.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


def played(engine: Engine, steps: Steps, campaign: str = "") -> None:
    """Run the steps on the application in a terminal of 80 by 24."""

    async def play() -> None:
        application = TopApplication(engine, "sqlite:///ambs.db", campaign)
        async with application.run_test(size=(80, 24), notifications=True) as pilot:
            await steps(pilot, application)

    asyncio.run(play())


async def shown(pilot: Pilot[None], application: TopApplication, words: str) -> str:
    """The screen once it holds the words."""
    deadline = time.monotonic() + 60.0
    while True:
        await pilot.pause()
        lines = screen_text(application)
        assert len(lines) == 24
        assert max(map(len, lines)) <= 80
        if words in "\n".join(lines):
            return "\n".join(lines)
        assert time.monotonic() < deadline, "\n".join(lines)
        await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def _short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests must not make these wait for what it saves there."""
    monkeypatch.setattr(top_application, "REST_FACTOR", 0.5)
    monkeypatch.setattr(top_application, "REFRESH_SECONDS", 0.1)


@pytest.fixture
def engine(sqlite_url: str) -> Engine:
    return open_database(sqlite_url)


def test_no_row_costs_a_question(any_engine: Engine, tmp_path: Path) -> None:
    """Many who watch a large campaign must not slow it down."""
    asked: list[str] = []
    event.listen(any_engine, "before_cursor_execute", lambda *call: asked.append(str(call[2])))

    def numbers() -> list[int]:
        found = []
        for view in VIEWS:
            asked.clear()
            read_snapshot(any_engine, ViewQuery(view))
            found.append(len([one for one in asked if one.lstrip().upper().startswith("SELECT")]))
        return found

    filled(any_engine, tmp_path)
    few = numbers()
    for number in range(4):
        filled(any_engine, tmp_path, f"more{number}", launchers=3)
    assert numbers() == few
    assert max(few) <= 8


def test_every_order_is_one_of_the_database(engine: Engine) -> None:
    """A key that asks for an order which there is not would end the program."""
    assert set(ORDERS) == set(SORTS)
    assert read_snapshot(engine, ViewQuery("evaluations", order=ORDERS[-1])).evaluations == []


def test_long_lists_are_cut_and_say_so(engine: Engine) -> None:
    """The newest 500 of a million are read, and a person knows that there are more."""
    with transaction(engine) as connection:
        stock.evaluations(connection, stock.campaign(connection).id, MOST_EVALUATIONS + 1)
    seen = read_snapshot(engine, ViewQuery("evaluations"))
    assert (len(seen.evaluations), seen.is_cut, seen.evaluations[0].ordinal) == (500, True, 500)
    assert totals_line(seen) == "501 ready"


def test_launchers_are_shown_with_their_slots(engine: Engine, tmp_path: Path) -> None:
    """Which slot runs what, and how many are idle."""
    with transaction(engine) as connection:
        made = stock.campaign(connection, run_directory=str(tmp_path))
        stock.evaluations(connection, made.id, 2)
        launcher_id = stock.launcher(connection)
        taken = claim(connection, launcher_id, 2)
        note_nodes(connection, launcher_id, [(one.id, one.attempt, "node1") for one in taken])
    rows = shown_table(read_snapshot(engine, ViewQuery("launchers"))).rows
    assert [row.cells[0] for row in rows] == ["launcher 1", "└ evaluation 1", "└ evaluation 2", "└ 2 idle"]
    assert rows[0].cells[1:3] == ("node1", "2 of 4")
    assert [row.evaluation_id for row in rows] == [0, 1, 2, 0]


def test_foreign_texts_control_nothing(engine: Engine, tmp_path: Path) -> None:
    """An error may hold control sequences; the table holds none, and filters by what is seen."""
    filled(engine, tmp_path)
    seen = read_snapshot(engine, ViewQuery("failures"))
    rows = shown_table(seen).rows
    assert all(text.isprintable() for row in rows for text in row.cells)
    assert "\\x1b]#;taken\\x07[red]not markup[/]\\u202e" in [row.cells[2] for row in rows]
    assert [row.evaluation_id for row in shown_table(seen, "memory OUT").rows] == [5]


def test_a_person_walks_from_campaign_to_log(engine: Engine, tmp_path: Path) -> None:
    """Every view fits 80 by 24; logs are followed while they grow."""
    ids = filled(engine, tmp_path)
    folder = Path(attempt_folder(str(tmp_path), 6, 1))
    folder.mkdir(parents=True)
    (folder / "stdout").write_text("epoch 1\n")

    async def steps(pilot: Pilot[None], application: TopApplication) -> None:
        first = await shown(pilot, application, "digits")
        assert "5/100  2    2       1     2" in first
        await pilot.press("enter")
        listed = await shown(pilot, application, "of digits (Escape: of all); every state; by newest")
        assert listed.index("FAILED OUT_OF_MEMORY") < listed.index("FAILED ERROR")
        await pilot.press("down", "down", "s")
        assert await shown(pilot, application, "by objective")
        await pilot.press("question_mark")
        await shown(pilot, application, "Right    what is cut off at the edge")
        await pilot.press("escape")
        best = await shown(pilot, application, "of digits (Escape: of all); every state; by objective")
        chosen = application._table.chosen
        assert chosen is not None
        assert (chosen.evaluation_id, best.splitlines()[4].split()[0]) == (ids[0], str(ids[0]))
        await pilot.press("f", "f")
        running = await shown(pilot, application, "only RUNNING")
        assert "DONE" not in running.splitlines()[4]
        await pilot.press("g", str(ids[6]), "enter")
        await shown(pilot, application, f"evaluation {ids[6]} of digits: RUNNING, attempt 1")
        await pilot.press("2")
        await shown(pilot, application, "proposed because")
        await pilot.press("3")
        await shown(pilot, application, "epoch 1")
        with (folder / "stdout").open("a") as log:
            log.write("epoch 2 \x1b[31mred\n")
        await shown(pilot, application, "epoch 2 red")
        await pilot.press("4")
        empty = await shown(pilot, application, "(nothing is in it)")
        assert f"{folder}/stderr)" in "".join(empty.splitlines()[1:4])
        (folder / "stderr").write_text("a warning\n")
        assert "(nothing is in it)" not in await shown(pilot, application, "a warning")
        await pilot.press("escape", "g", "9", "9", "9", "enter")
        await shown(pilot, application, "evaluation 999: There is no evaluation 999")
        await pilot.press("escape", "5")
        await shown(pilot, application, "CUDA out of memory")
        await pilot.press("question_mark")
        assert await shown(pilot, application, "run the failed or cancelled one again")

    played(engine, steps)


def test_changes_are_made_after_a_yes_alone(engine: Engine, tmp_path: Path) -> None:
    """A slip of the finger cancels nothing."""
    ids = filled(engine, tmp_path)

    def state(evaluation_id: int) -> State:
        with reading(engine) as connection:
            return show_evaluation(connection, evaluation_id).row.state

    async def steps(pilot: Pilot[None], application: TopApplication) -> None:
        await shown(pilot, application, "every state; by newest")
        await pilot.press("x")
        await shown(pilot, application, f"Cancel evaluation {ids[9]}?")
        await pilot.press("enter")
        await shown(pilot, application, "f State")
        assert state(ids[9]) is State.READY
        await pilot.press("x", "y")
        await shown(pilot, application, f"evaluation {ids[9]} is CANCELLED")
        assert state(ids[9]) is State.CANCELLED
        await pilot.press("5")
        await shown(pilot, application, "what they have in common")
        await pilot.press("r")
        await shown(pilot, application, "Run again all 1 OUT_OF_MEMORY failures of digits?")
        await pilot.press("y")
        await shown(pilot, application, "1 evaluation is READY again")
        assert (state(ids[3]), state(ids[4])) == (State.FAILED, State.READY)

    played(engine, steps, "digits")


def test_keys_that_come_faster_than_screens_go_end_nothing(engine: Engine, tmp_path: Path) -> None:
    """A pasted text, or a key that is held down, would end the application."""
    filled(engine, tmp_path)

    async def steps(pilot: Pilot[None], application: TopApplication) -> None:
        await shown(pilot, application, "every state; by newest")
        for opened, key in (("question_mark", "a"), ("x", "n"), ("enter", "escape")):
            await pilot.press(opened)
            for _ in range(3):
                application.post_message(Key(key, key if len(key) == 1 else None))
            await shown(pilot, application, "f State")

    played(engine, steps, "digits")


def test_what_was_shown_stays_while_the_database_is_away(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart of the server costs nobody the view."""
    filled(engine, tmp_path)

    async def steps(pilot: Pilot[None], application: TopApplication) -> None:
        await shown(pilot, application, "5/100")

        def away(*_: object) -> None:
            raise DatabaseUnreachable("It is away.")

        with monkeypatch.context() as patch:
            patch.setattr("ambs_hpc.cli.top.top_application.read_snapshot", away)
            assert "5/100" in await shown(
                pilot, application, "No answer from the database; trying again. It is away."
            )
        await shown(pilot, application, "1 shown")

    played(engine, steps)


def test_a_log_is_followed_from_its_end(tmp_path: Path) -> None:
    """A log of a gigabyte is not read to its end line by line, and a pipe in its place waits for nobody."""
    file = tmp_path / "stdout"
    log = FollowedLog(file)
    assert log.more() == ""
    file.write_bytes(b"x" * FIRST_BYTES + b"the end\n")
    assert log.more().endswith("xthe end\n")
    file.write_bytes(b"anew\n")
    assert (log.more(), log.more()) == ("anew\n", "")
    assert "is no regular file" in FollowedLog(tmp_path).more()


def test_it_says_what_it_needs() -> None:
    """In a script or a pipe there is nothing to draw on."""
    done = CliRunner().invoke(app, ["top"])
    assert "needs a terminal" in str(done.exception)


def test_rows_of_all_campaigns_say_of_which(engine: Engine, tmp_path: Path) -> None:
    """Beside the number, within 80 columns; in the list of one campaign it would only take room."""
    filled(engine, tmp_path)
    every = shown_table(read_snapshot(engine, ViewQuery("evaluations")))
    assert (every.columns[:3], every.rows[0].cells[1]) == (("id", "campaign", "state"), "digits")
    one = shown_table(read_snapshot(engine, ViewQuery("evaluations", "digits")))
    assert one.columns == ("id", "state", "objective", "ran", "configuration", "node")


def test_it_leaves_with_an_error_after_a_panic(engine: Engine) -> None:
    """Textual says 0 where its own threads fail, and a script would take that for a person's q."""
    application = TopApplication(engine, "sqlite:///ambs.db")

    async def play() -> None:
        async with application.run_test(size=(80, 24)):
            application.panic("the terminal sent what is no text")

    asyncio.run(play())
    assert application.return_code == 1
