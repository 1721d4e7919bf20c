"""One evaluation on the whole screen: its configuration and history, why it is as it is, and its logs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Footer, Log, Static

from ambs_hpc.api.evaluation_reasons import evaluation_reasons
from ambs_hpc.api.evaluation_words import reason_lines
from ambs_hpc.api.kept_files.attempt_files import folder_of
from ambs_hpc.cli.shared.terminal import harmless
from ambs_hpc.cli.top.followed_log import FollowedLog
from ambs_hpc.cli.top.shown_rows import story_lines
from ambs_hpc.cli.top.snapshot import Snapshot, ViewQuery, read_snapshot
from ambs_hpc.hints import pasteable
from ambs_hpc.records import IMPORTED

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.queue import EvaluationStory

PARTS = ("configuration", "why", "stdout", "stderr")
STREAMS = PARTS[2:]
MOST_LINES = 5000  # of a log, in memory


class SeenEvaluation(NamedTuple):
    """What was read of it at once: `why` is None where it is as it was, `logs` has what came since.

    `seconds` are those of the statements that are asked again and again.
    """

    snapshot: Snapshot
    why: list[str] | None
    logs: dict[str, str]
    is_new_attempt: bool
    seconds: float


class EvaluationScreen(Screen[None]):
    """Reads in `read`, away from the event loop; shows in `show`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "dismiss", "Back", priority=True),
        *(Binding(str(number), f"part('{name}')", name.capitalize()) for number, name in enumerate(PARTS, 1)),
    ]
    CSS = """
    EvaluationScreen #title { height: 1; background: $primary; color: $text; text-style: bold; }
    EvaluationScreen ContentSwitcher { height: 1fr; }
    """

    def __init__(self, evaluation_id: int) -> None:
        super().__init__()
        self.evaluation_id = evaluation_id
        self._stamp: object = None
        self._folder: str | None = None  # not looked for yet
        self._logs: dict[str, FollowedLog] = {}
        self._empty: set[str] = set()  # streams of which nothing is shown yet

    def compose(self) -> ComposeResult:
        yield Static(f"evaluation {self.evaluation_id}", id="title", markup=False)
        with ContentSwitcher(initial="part-configuration"):
            for name in ("configuration", "why"):
                with VerticalScroll(id=f"part-{name}"):
                    yield Static("reading ...", id=f"text-{name}", markup=False)
            for name in STREAMS:
                yield Log(id=f"part-{name}", max_lines=MOST_LINES)
        keys = Footer()
        keys.compact = True
        yield keys

    def action_part(self, name: str) -> None:
        """Show this part."""
        self.query_one(ContentSwitcher).current = f"part-{name}"
        self.query_one(f"#part-{name}").focus()

    def read(self, engine: Engine) -> SeenEvaluation:
        """What is new of it: few statements, and more where it has moved since the last time.

        Raises:
            DatabaseUnreachable, DatabaseLocked, NotFound: as `read_snapshot`.
        """
        began = time.monotonic()
        snapshot = read_snapshot(engine, ViewQuery("evaluation", evaluation_id=self.evaluation_id))
        seconds = time.monotonic() - began
        story = snapshot.story
        assert story is not None
        why, stamp = None, (story.row.state, story.row.attempt, len(story.events))
        if stamp != self._stamp:
            reasons = evaluation_reasons(engine, self.evaluation_id)
            why = [harmless(pasteable(line)) for line in reason_lines(reasons)]
            self._stamp = stamp
        is_new = self._look_for_files(story)
        logs = {name: log.more() for name, log in self._logs.items()}
        return SeenEvaluation(snapshot, why, logs, is_new, seconds)

    def show(self, seen: SeenEvaluation) -> None:
        """Put it on the screen; logs stay at their end unless a person has scrolled up."""
        story = seen.snapshot.story
        assert story is not None
        row = story.row
        kind = f" {row.failure_kind.value}" if row.failure_kind else ""
        title = f" evaluation {row.id} of {row.campaign}: {row.state.value}{kind}, attempt {row.attempt}"
        self.query_one("#title", Static).update(Text(harmless(title)))
        self.query_one("#text-configuration", Static).update(Text("\n".join(story_lines(seen.snapshot))))
        if seen.why is not None:
            self.query_one("#text-why", Static).update(Text("\n".join(seen.why)))
        for name in STREAMS:
            self._show_log(name, seen.logs.get(name, ""), is_new=seen.is_new_attempt)

    def _show_log(self, name: str, more: str, *, is_new: bool) -> None:
        log = self.query_one(f"#part-{name}", Log)
        if is_new or (more and name in self._empty):
            log.clear()
            lines = [harmless(line) for line in self._place_lines(name)]
            if not more:
                self._empty.add(name)
                lines += ["(nothing is in it)"] if self._folder else []
            log.write("\n".join([*lines, ""]))
        if more:
            self._empty.discard(name)
            log.write(more, scroll_end=log.scroll_offset.y >= log.max_scroll_y)

    def _place_lines(self, name: str) -> list[str]:
        """Where the log lies, in lines that are not cut: the name of the file is at the end."""
        if not self._folder:
            return ["(it has not started here)"]
        words, width = f"({self._folder}/{name})", max(20, self.size.width - 2)
        return [words[first : first + width] for first in range(0, len(words), width)]

    def tell(self, words: str) -> None:
        """Say in the title what keeps it from being read."""
        self.query_one("#title", Static).update(Text(harmless(f" evaluation {self.evaluation_id}: {words}")))

    def _look_for_files(self, story: EvaluationStory) -> bool:
        """Follow the files of the latest attempt; whether it is another one than before."""
        has_files = story.row.attempt > 0 and story.proposal.kind != IMPORTED
        folder = folder_of(story, story.row.attempt) if has_files else ""
        if folder == self._folder:
            return False
        self._folder = folder
        self._logs = {name: FollowedLog(Path(folder) / name) for name in STREAMS} if has_files else {}
        return True
