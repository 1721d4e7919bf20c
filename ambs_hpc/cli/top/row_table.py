"""A table on the screen that keeps its cursor on the same row while rows come and go."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from ambs_hpc.cli.top.shown_rows import ShownRow, ShownTable
from ambs_hpc.states import State

WIDEST = {"configuration": 200, "what": 200, "its words": 200, "the error without its numbers": 44}
MOST_LETTERS = 26  # of any other cell
_STYLES = {State.FAILED.value: "red", State.RUNNING.value: "cyan"}  # beside the word, and never alone


class RowTable(DataTable[Text]):
    """Rows with keys; `chosen` is the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "Open")]

    def __init__(self, table_id: str) -> None:
        super().__init__(id=table_id, cursor_type="row", zebra_stripes=True, cell_padding=1, fixed_columns=1)
        self._columns: tuple[str, ...] = ()
        self._rows: list[ShownRow] = []
        self._begins_at_top = False

    def begin_at_top(self) -> None:
        """What is shown next is another list: the cursor begins at its first row."""
        self._begins_at_top = True

    @property
    def chosen(self) -> ShownRow | None:
        """The row under the cursor; None where there is none."""
        return self._rows[self.cursor_row] if 0 <= self.cursor_row < len(self._rows) else None

    def show(self, table: ShownTable) -> None:
        """Show these rows, with the cursor on the row where it was, as far as it is still there."""
        if self._begins_at_top:
            self._begins_at_top = False
            self.clear()
            self._rows = []
        if table.columns == self._columns and table.rows == self._rows:
            return
        if table.columns != self._columns:
            self.clear(columns=True)
            self._columns, self._rows = table.columns, []
            for name in table.columns:
                self.add_column(Text(name), key=name)
        if [row.key for row in table.rows] == [row.key for row in self._rows]:
            self._change(table.rows)
        else:
            self._replace(table.rows)

    def _change(self, rows: list[ShownRow]) -> None:
        """The same rows in the same order: only cells that differ."""
        for old, new in zip(self._rows, rows, strict=True):
            for name, before, after in zip(self._columns, old.cells, new.cells, strict=True):
                if before != after:
                    self.update_cell(new.key, name, _short(name, after), update_width=True)
        self._rows = rows

    def _replace(self, rows: list[ShownRow]) -> None:
        kept, place, top = self.chosen, self.cursor_row, self.scroll_y
        self.clear()
        self._rows = rows
        for row in rows:
            cells = zip(self._columns, row.cells, strict=True)
            self.add_row(*(_short(name, text) for name, text in cells), key=row.key)
        keys = [row.key for row in rows]
        if kept is not None and kept.key in keys:
            place = keys.index(kept.key)
        self.move_cursor(row=max(0, min(place, len(rows) - 1)), animate=False, scroll=False)
        self.scroll_to(y=top, animate=False)


def _short(column: str, text: str) -> Text:
    most = WIDEST.get(column, MOST_LETTERS)
    style = _STYLES.get(text.partition(" ")[0], "") if column == "state" else ""
    return Text(text if len(text) <= most else text[: most - 1] + "…", style=style)
