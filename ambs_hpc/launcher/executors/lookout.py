"""A question that is asked again and again beside the loop, because its answer may take minutes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Lookout:
    """Asks in a thread until the answer is yes.

    A file system in trouble may not answer for long; meanwhile nobody is asked again, and nobody waits.
    """

    def __init__(self, question: Callable[[], bool], every_seconds: float) -> None:
        """It is asked for the first time at once."""
        self._question, self._every_seconds = question, every_seconds
        self._is_yes = self._was_yes = False
        self._has_answered = False
        self._begin()

    def is_yes(self) -> bool:
        """Whether the answer was yes; asks again when that is due."""
        if not (self._is_yes or self._thread.is_alive()) and time.monotonic() >= self._ask_at:
            self._begin()
        return self._is_yes

    @property
    def was_yes(self) -> bool:
        """Whether the first answer was yes; False while there is none."""
        return self._was_yes

    def _begin(self) -> None:
        self._ask_at = time.monotonic() + self._every_seconds
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        answer = self._question()
        if not self._has_answered:
            self._was_yes, self._has_answered = answer, True
        self._is_yes = answer
