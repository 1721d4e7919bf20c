"""Pages of the reference have their introduction in docs/, and the rest from the program."""

from __future__ import annotations

import re

_MARK = re.compile(r"<!-- made at build time -->.*?<!-- until here -->", flags=re.DOTALL)


def filled_in(markdown: str, content: str) -> str:
    """The page with what was made from the program between its two marks.

    Raises:
        ValueError: a mark is missing.
    """
    if not _MARK.search(markdown):
        raise ValueError(
            "A page of docs/reference has lost its marks: <!-- made at build time --> and the other."
        )
    return _MARK.sub(lambda _: content, markdown)
