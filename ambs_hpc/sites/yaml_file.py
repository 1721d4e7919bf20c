"""Reading of YAML files within limits: a file that is too large, too deep, or a bomb of aliases ends early.

Everything that this program reads as YAML comes through here.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import yaml

from ambs_hpc.errors import SiteInvalid

# The largest site that comes with this program has 2 KiB, 100 values and a depth of 5.
MOST_BYTES = 1 << 17  # PyYAML reads about 300 KiB/s at its slowest
MOST_VALUES = 5_000  # after every alias is followed
MOST_DEPTH = 20
MOST_PLAIN_CHARACTERS = 4_096  # of a value without quotes: a longer number costs seconds to convert
WORD, MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


def read_yaml(file: Path, *, only_ours: bool = False) -> Any:
    """The plain values of a file, in which each key is a word that occurs once; None for an empty one.

    Args:
        only_ours: refuse a file that is not this user's, or that others can write.

    Raises:
        SiteInvalid: the file cannot be read, is no YAML, or exceeds a limit.
    """
    return _loaded(file, only_ours=only_ours)[1]


def is_ours_alone(status: os.stat_result) -> bool:
    """Whether a file is this user's, and nobody else can write it."""
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def read_nodes(file: Path) -> yaml.Node | None:
    """The nodes of the file, which know their lines; raises as `read_yaml` does."""
    return _loaded(file)[0]


def _loaded(file: Path, *, only_ours: bool = False) -> tuple[yaml.Node | None, Any]:
    text = _text(file, only_ours)
    try:
        _check_limits(file, text)
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        _refuse_keys(file, node)
        return node, None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SiteInvalid(file, line, "file", f"not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a character, date or number that cannot be
        raise SiteInvalid(file, 1, "file", f"not YAML: {error}") from error


def _text(file: Path, only_ours: bool) -> str:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe would be waited for
        with open(descriptor, "rb") as opened:  # noqa: PTH123 (a descriptor)
            status = os.fstat(descriptor)  # of what is read, whatever has that name by now
            if not stat.S_ISREG(status.st_mode):
                raise SiteInvalid(file, 1, "file", "no regular file")
            if only_ours and not is_ours_alone(status):
                raise SiteInvalid(file, 1, "file", "others can write it. Own it and `chmod go-w` it")
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise SiteInvalid(file, 1, "file", f"cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        seen = f"larger than {MOST_BYTES // 1024} KiB; accepted are files up to that size"
        raise SiteInvalid(file, 1, "file", seen)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SiteInvalid(file, 1, "file", "not text in UTF-8") from error


def _check_limits(file: Path, text: str) -> None:
    """Count what the file would become, event by event, before anything is built of it."""
    meter = _Meter()
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        excess = meter.excess(event)
        if excess:
            mark = event.start_mark
            raise SiteInvalid(file, mark.line + 1 if mark else 1, "file", excess)


class _Meter:
    """Counts the values of a document and its depth as if each alias were written out."""

    def __init__(self) -> None:
        self._values, self._depth = 0, 0
        self._open: list[tuple[str | None, int]] = []  # anchor of a collection, values before it
        self._sizes: dict[str, int] = {}  # values below each anchor that has ended
        self._depths: dict[str, int] = {}
        self._deepest: list[int] = [0]  # below each open collection

    def excess(self, event: yaml.Event) -> str:
        """What exceeds its limit with this event and how much is accepted; empty for nothing."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.CollectionStartEvent):
            self._values += 1
            self._open.append((event.anchor, self._values))
            self._deepest.append(0)
            return self._beyond(0)
        if isinstance(event, yaml.CollectionEndEvent):
            self._close()
        return ""

    def _scalar(self, event: yaml.ScalarEvent) -> str:
        self._values += 1
        if event.anchor:
            self._sizes[event.anchor], self._depths[event.anchor] = 1, 0
        if event.style is None and len(event.value) > MOST_PLAIN_CHARACTERS:
            return (
                f"a value without quotes of {len(event.value)} characters; accepted are "
                f"{MOST_PLAIN_CHARACTERS}, and more in quotes"
            )
        return self._beyond(0)

    def _alias(self, anchor: str) -> str:
        if anchor not in self._sizes:
            return "" if all(name != anchor for name, _ in self._open) else f"*{anchor} stands within itself"
        self._values += self._sizes[anchor]
        self._deepest[-1] = max(self._deepest[-1], self._depths[anchor])
        return self._beyond(self._depths[anchor])

    def _close(self) -> None:
        anchor, before = self._open.pop()
        depth = 1 + self._deepest.pop()
        self._deepest[-1] = max(self._deepest[-1], depth)
        if anchor:
            self._sizes[anchor], self._depths[anchor] = 1 + self._values - before, depth

    def _beyond(self, deeper: int) -> str:
        if len(self._open) + deeper > MOST_DEPTH:
            return f"more than {MOST_DEPTH} levels deep; accepted are {MOST_DEPTH}"
        if self._values > MOST_VALUES:
            return f"more than {MOST_VALUES} values, aliases followed; accepted are {MOST_VALUES}"
        return ""


def _refuse_keys(file: Path, node: yaml.Node | None) -> None:
    """Refuse duplicate keys, of which YAML silently takes the last, and words that it reads as bool."""
    if isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_keys(file, value)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for name, value in node.value:
        line = name.start_mark.line + 1
        if name.tag not in (WORD, MERGE):
            raise SiteInvalid(
                file, line, str(name.value), "YAML does not read this as a word; put it in quotes"
            )
        if name.tag == WORD:
            if name.value in seen:
                before = seen[name.value]
                raise SiteInvalid(file, line, name.value, f"given on line {before} already; give it once")
            seen[name.value] = line
        _refuse_keys(file, value)
