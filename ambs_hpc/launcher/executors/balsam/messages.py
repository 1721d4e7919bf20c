"""What the executor and its link to Balsam tell each other of attempts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

Key = tuple[int, int]  # evaluation, attempt


@dataclass(frozen=True, slots=True)
class Books:
    """What our own database knows of attempts.

    Args:
        held: by any launcher, that it may run them.
        ended: by themselves, well or not.
    """

    held: Collection[Key]
    ended: Collection[Key]


ReadBooks = Callable[[Collection[Key]], Books]


@dataclass(frozen=True, slots=True)
class News:
    """A job is over, as far as Balsam knows.

    Args:
        return_code: of its process, when it failed; negative for a signal.
        words: its last lines.
    """

    key: Key
    state: str
    return_code: int | None = None
    words: str = ""
