"""The screen of `ambs top`: tables that follow the database, and the keys that work on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult, ScreenStackError
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.widgets import ContentSwitcher, DataTable, Footer, Input, Static

from ambs_hpc.cli.shared.exit_codes import EXIT_ERROR
from ambs_hpc.cli.shared.output import utc
from ambs_hpc.cli.shared.terminal import harmless
from ambs_hpc.cli.top.changes import Change, change_of
from ambs_hpc.cli.top.daemon_call import in_daemon_thread
from ambs_hpc.cli.top.evaluation_screen import EvaluationScreen, SeenEvaluation
from ambs_hpc.cli.top.question_screen import KeysScreen, QuestionScreen
from ambs_hpc.cli.top.row_table import RowTable
from ambs_hpc.cli.top.shown_rows import shown_table, totals_line
from ambs_hpc.cli.top.snapshot import MOST_EVALUATIONS, ORDERS, VIEWS, Snapshot, ViewQuery, read_snapshot
from ambs_hpc.errors import AmbsError, DatabaseLocked, DatabaseUnreachable
from ambs_hpc.hints import pasteable
from ambs_hpc.states import State

if TYPE_CHECKING:
    from sqlalchemy import Engine

REFRESH_SECONDS = 1.0
# Between two reads at least so many times what the last one took: a large database is not kept busy.
MOUNT_SECONDS = 0.02  # between looks whether a screen is there
REST_FACTOR, MOST_REST_SECONDS = 10.0, 30.0
NO_ANSWER = "No answer from the database; trying again."
STATES: tuple[State | None, ...] = (None, *State)

KEYS = """
1-5      campaigns, evaluations, launchers and slots, allocations, failures
Enter    open: of a campaign its evaluations, an evaluation, one of a failure
f        only evaluations of one state, the next at each key
s        order: newest, objective, finished, duration, id
/        only rows that hold these words; Escape gives it up
g        go to an evaluation by its number
Right    what is cut off at the edge; Left goes back
Escape   back; of all campaigns again
x        cancel the evaluation, after a question
r        run the failed or cancelled one again; in failures: all of this kind
q        quit
"""


class TopApplication(App[None]):
    """Reads once a second at most by itself, and when a key asks for something else."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"view('{name}')", name, show=False) for number, name in enumerate(VIEWS, 1)),
        Binding("f", "state", "State"),
        Binding("s", "order", "Sort"),
        Binding("slash", "filter('words')", "Filter", key_display="/"),
        Binding("g", "filter('number')", "Go to"),
        Binding("x", "change('cancel')", "Cancel"),
        Binding("r", "change('rerun')", "Rerun"),
        Binding("question_mark", "keys", "Keys", key_display="?"),
        Binding("escape", "widen", "All", show=False),
        Binding("q", "quit", "Quit"),
    ]
    CSS = """
    #head { height: 1; background: $primary; color: $text; }
    #views { height: 1; }
    #note { height: 1; color: $text-muted; }
    ContentSwitcher { height: 1fr; }
    RowTable { height: 1fr; scrollbar-size-horizontal: 0; }
    #words { dock: bottom; display: none; height: 1; border: none; padding: 0; margin-bottom: 1; }
    """

    def __init__(self, engine: Engine, database: str, campaign: str = "") -> None:
        super().__init__()
        self._engine, self._database = engine, database
        self._query_now = ViewQuery("evaluations" if campaign else "campaigns", campaign)
        self._words, self._asks_for, self._trouble = "", "words", ""
        self._seen: dict[str, Snapshot] = {}
        self._wanted = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        yield Static(id="views", markup=False)
        yield Static(id="note", markup=False)
        with ContentSwitcher(initial=f"table-{self._query_now.view}"):
            for name in VIEWS:
                yield RowTable(f"table-{name}")
        yield Input(id="words", compact=True)
        keys = Footer()
        keys.compact = True
        yield keys

    def panic(self, *renderables: Any) -> None:
        """End the application, and leave with an error: Textual itself does so for its widgets alone."""
        self._return_code = self._return_code or EXIT_ERROR
        super().panic(*renderables)

    def on_mount(self) -> None:
        """Begin to read."""
        self._table.focus()
        self._draw_lines()
        self.run_worker(self._watch(), name="watch")

    async def _watch(self) -> None:
        while True:
            self._wanted.clear()
            try:
                seconds = await self._read_and_tell()
            except (NoMatches, ScreenStackError):  # the screen has gone: the program ends
                return
            pause = max(REFRESH_SECONDS, min(MOST_REST_SECONDS, REST_FACTOR * seconds))
            try:
                await asyncio.wait_for(self._wanted.wait(), pause)
            except asyncio.TimeoutError:
                continue

    async def _read_and_tell(self) -> float:
        """Read once, and say what kept it from that; the seconds that the database took."""
        seconds = 0.0
        try:
            seconds = await self._read_once()
            self._trouble = ""
        except (DatabaseUnreachable, DatabaseLocked) as error:  # it comes back; what is shown stays
            self._tell_trouble(f"{NO_ANSWER} {error}")
        except AmbsError as error:
            self._tell_trouble(str(error))
        self._draw_lines()
        return seconds

    def _tell_trouble(self, words: str) -> None:
        self._trouble = words
        if (screen := self._evaluation_screen) is not None and screen.is_mounted:
            screen.tell(words)

    @property
    def _evaluation_screen(self) -> EvaluationScreen | None:
        return next((one for one in self.screen_stack if isinstance(one, EvaluationScreen)), None)

    async def _read_once(self) -> float:
        """Read and show what is looked at; the seconds that the database took."""
        screen = self._evaluation_screen
        if screen is None:
            query, began = self._query_now, time.monotonic()
            snapshot = await in_daemon_thread(lambda: read_snapshot(self._engine, query))
            seconds = time.monotonic() - began
            self._take(snapshot)
            return seconds
        # Each read has only what is new: what is read before it can be shown never would be.
        while not screen.is_mounted and screen in self.screen_stack:
            await asyncio.sleep(MOUNT_SECONDS)
        seen: SeenEvaluation = await in_daemon_thread(lambda: screen.read(self._engine))
        if screen.is_mounted and screen in self.screen_stack:
            screen.show(seen)
        return seen.seconds

    def _take(self, snapshot: Snapshot) -> None:
        self._seen[snapshot.query.view] = snapshot
        if snapshot.query == self._query_now:  # else another one is on its way
            self._draw()

    def _draw(self) -> None:
        snapshot = self._seen.get(self._query_now.view)
        if snapshot is not None and snapshot.query == self._query_now:
            self._table.show(shown_table(snapshot, self._words))
        self._draw_lines()

    def _draw_lines(self) -> None:
        """The three lines above the table."""
        query, snapshot = self._query_now, self._seen.get(self._query_now.view)
        newest = max(self._seen.values(), key=lambda one: one.at, default=None)
        at = f"{utc(newest.at)[11:]} UTC" if newest else "reading ..."
        totals = f"  {totals_line(newest)}" if newest else ""
        self._line("head", f" ambs top  {at}{totals}  {self._database}")
        views = Text(" ")
        for number, name in enumerate(VIEWS, 1):
            views.append(f"{number} {name}", style="reverse" if name == query.view else "")
            views.append("  ")
        self._main("views").update(views)
        self._line("note", f" {self._trouble or self._note(query, snapshot)}")

    def _note(self, query: ViewQuery, snapshot: Snapshot | None) -> str:
        whose = f"of {query.campaign} (Escape: of all)" if query.campaign else "of all campaigns"
        words = f'rows with "{self._words}"; ' if self._words else ""
        if snapshot is None or snapshot.query != query:
            return "reading ..."
        if query.view == "evaluations":
            state = f"only {query.state.value}" if query.state else "every state"
            first = f"; the first {MOST_EVALUATIONS}" if snapshot.is_cut else ""
            return f"{words}{whose}; {state}; by {query.order}{first}"
        if query.view == "failures":
            return f"{words}{whose}; what they have in common: {pasteable('ambs why failed')}"
        if query.view == "launchers" and snapshot.is_cut:
            return f"{words}the first {MOST_EVALUATIONS} that run"
        rows = self._table.row_count
        return f"{words}{rows} shown" if rows else pasteable(shown_table(snapshot, self._words).empty)

    @property
    def _table(self) -> RowTable:
        return self.screen_stack[0].query_one(f"#table-{self._query_now.view}", RowTable)

    def _main(self, name: str) -> Static:
        return self.screen_stack[0].query_one(f"#{name}", Static)

    def _line(self, name: str, words: str) -> None:
        self._main(name).update(Text(harmless(words), no_wrap=True, overflow="ellipsis"))

    def _ask(self, query: ViewQuery) -> None:
        """Look at something else; it is read at once."""
        if query.view != self._query_now.view:
            self._words = ""
        former, self._query_now = self._query_now, query
        self.screen_stack[0].query_one(ContentSwitcher).current = f"table-{query.view}"
        if (former.order, former.state, former.campaign) != (query.order, query.state, query.campaign):
            self._table.begin_at_top()
        self._table.focus()
        self._draw()
        self._wanted.set()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of a table work where it is shown, and nowhere else."""
        is_main = len(self.screen_stack) == 1
        if action in ("view", "open", "state", "order", "filter", "widen"):
            is_listed = self._query_now.view == "evaluations"
            return is_main and (is_listed or action not in ("state", "order"))
        return True

    def action_view(self, name: str) -> None:
        """Show that table."""
        self._ask(replace(self._query_now, view=name))

    def action_state(self) -> None:
        """Show evaluations of the next state only."""
        following = STATES[(STATES.index(self._query_now.state) + 1) % len(STATES)]
        self._ask(replace(self._query_now, state=following))

    def action_order(self) -> None:
        """Sort evaluations by the next order."""
        following = ORDERS[(ORDERS.index(self._query_now.order) + 1) % len(ORDERS)]
        self._ask(replace(self._query_now, order=following))

    def action_widen(self) -> None:
        """Give up the filter, else the campaign, else the state."""
        if self._words or self.query_one("#words", Input).display:
            self._words = ""
            self._close_input()
        elif self._query_now.campaign:
            self._ask(replace(self._query_now, campaign=""))
        else:
            self._ask(replace(self._query_now, state=None))
        self._draw()

    def action_filter(self, asks_for: str) -> None:
        """Ask for words, or for the number of an evaluation."""
        self._asks_for = asks_for
        line = self.query_one("#words", Input)
        line.placeholder = "words that rows must hold" if asks_for == "words" else "number of an evaluation"
        line.value = self._words if asks_for == "words" else ""
        line.display = True
        line.focus()

    @on(Input.Submitted)
    def _answered(self, event: Input.Submitted) -> None:
        self._close_input()
        if self._asks_for == "words":
            self._words = event.value
            self._draw()
        elif event.value.strip().isdecimal() and event.value.isascii():
            self._open_evaluation(int(event.value))
        else:
            self.notify(f"{event.value!r} is no number of an evaluation", markup=False)

    def _close_input(self) -> None:
        self.query_one("#words", Input).display = False
        self._table.focus()

    @on(DataTable.RowSelected)
    def _selected(self) -> None:
        self.action_open()

    def action_open(self) -> None:
        """Open what the cursor is on."""
        row = self._table.chosen
        if row is None:
            return
        if row.evaluation_id:
            self._open_evaluation(row.evaluation_id)
        elif row.campaign:
            self._ask(replace(self._query_now, view="evaluations", campaign=row.campaign))

    def _open_evaluation(self, evaluation_id: int) -> None:
        self.push_screen(EvaluationScreen(evaluation_id), lambda _: self._wanted.set())
        self._wanted.set()

    def action_keys(self) -> None:
        """List the keys."""
        self.push_screen(KeysScreen(KEYS))

    def action_change(self, verb: str) -> None:
        """Ask whether to cancel or rerun what the cursor is on, and do it after a yes."""
        screen = self.screen
        row = None if isinstance(screen, EvaluationScreen) else self._table.chosen
        one = (
            screen.evaluation_id if isinstance(screen, EvaluationScreen) else row.evaluation_id if row else 0
        )
        change = change_of(verb, one, row, self._seen.get(self._query_now.view))
        if change is None:
            self.notify("The cursor is on no evaluation.", markup=False)
            return

        def answered(is_yes: bool | None) -> None:
            if is_yes:
                self.run_worker(self._make(change))

        self.push_screen(QuestionScreen(harmless(change.question)), answered)

    async def _make(self, change: Change) -> None:
        call: Callable[[], str] = lambda: change.make(self._engine)  # noqa: E731 (typed)
        try:
            told, severity = await in_daemon_thread(call), "information"
        except AmbsError as error:
            told, severity = str(error), "error"
        self.notify(harmless(told), severity="error" if severity == "error" else "information", markup=False)
        self._wanted.set()
