"""The one line of what a command or a script has printed that says what went wrong; pure."""

from __future__ import annotations

import re

MOST_CHARACTERS = 200
_TELLING = re.compile(
    r"error|fatal|fail|not found|denied|cannot|invalid|unable|no such|unrecogni|unknown|illegal",
    re.IGNORECASE,
)


def last_words(said: str, *, telling: bool = False) -> str:
    """The line, shortened and without control characters; "" where there is none.

    Args:
        said: perhaps with banners and notes around that line.
        telling: only a line that speaks of an error; otherwise the last one stands in for it.
    """
    lines = [line for line in map(str.strip, said.splitlines()) if line]
    chosen = [line for line in lines if _TELLING.search(line)] or ([] if telling else lines)
    return (
        "".join(one if one.isprintable() else "?" for one in chosen[-1][:MOST_CHARACTERS]) if chosen else ""
    )
