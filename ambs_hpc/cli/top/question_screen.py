"""A question that is answered by a key before anything is changed, and the list of keys."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static


class QuestionScreen(ModalScreen[bool]):
    """Ends with True for y alone; every other key that it knows means no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,enter,q", "answer(False)", "No"),
    ]
    CSS = """
    QuestionScreen { align: center middle; }
    QuestionScreen Vertical { width: 66; height: auto; border: solid $accent; padding: 1 2; }
    """

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question, markup=False, id="question")
            yield Static("\ny: yes        n: no", markup=False)

    def action_answer(self, is_yes: bool) -> None:
        """Close the question with the answer."""
        if self.is_current:  # a second key may have been pressed before it was gone
            self.dismiss(is_yes)


class KeysScreen(ModalScreen[None]):
    """All keys, until one is pressed."""

    CSS = """
    KeysScreen { align: center middle; }
    KeysScreen Vertical { width: 76; height: auto; border: solid $accent; padding: 0 1; }
    """

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._words, markup=False, id="keys")

    def on_key(self, event: Key) -> None:
        """Close it, and nothing else: the key is none of the screen below."""
        event.stop()
        if self.is_current:
            self.dismiss(None)
