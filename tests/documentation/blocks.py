"""The fenced blocks of a page, in their order, and the script that runs them."""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"
NOT_RUN = re.compile(r"<!-- not run: [^>]+ -->\s*$")
_TAB = re.compile(r'^=== "(.+)"$')
_FENCE = re.compile(r'^( *)```(\w*)(?: title="([^"]+)")?$')


@dataclass(frozen=True)
class Block:
    """One block of code.

    Args:
        tab: the tab that it stands in; "" for all of them.
        title: the file that a reader writes it to; "" for none.
        is_run: no remark above says that it is only shown.
    """

    page: str
    line: int
    language: str
    text: str
    tab: str = ""
    title: str = ""
    is_run: bool = True


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page; what is indented under a tab belongs to it."""
    found: list[Block] = []
    lines = page.read_text().splitlines()
    tab, before, number = "", "", 0
    while number < len(lines):
        line = lines[number]
        tab = named[1] if (named := _TAB.match(line)) else tab if line.startswith("    ") or not line else ""
        if fence := _FENCE.match(line):
            end = lines.index(f"{fence[1]}```", number + 1)
            text = textwrap.dedent("\n".join(lines[number + 1 : end])) + "\n"
            shown_only = NOT_RUN.search(before)
            found.append(
                Block(page.name, number + 1, fence[2], text, tab, fence[3] or "", shown_only is None)
            )
            number = end
        before = lines[number] if lines[number].strip() else before
        number += 1
    return found


def script_of(blocks: list[Block], tab: str = "") -> str:
    """A shell script that writes and runs what the page has for a tab; it ends at the first failure."""
    parts = ["set -eu"]
    for block in blocks:
        if not block.is_run or block.tab not in ("", tab):
            continue
        if block.title:
            parts.append(f"printf %s {shlex.quote(block.text)} > {shlex.quote(block.title)}")
        elif block.language == "bash":
            parts.append(f": '{block.page}, line {block.line}' >&2\n{block.text}")
    return "\n".join(parts) + "\n"
