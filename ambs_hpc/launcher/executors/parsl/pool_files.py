"""The files by which a launcher and the nodes of a pool talk, read and written beside its loop.

A shared file system may hang, and may show what nobody has written: nothing of it reaches the loop unchecked.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ambs_hpc.launcher.executors.parsl.pool_reports import PoolReports
from ambs_hpc.launcher.executors.parsl.worker import CANCELLED, LOOK_SECONDS, NODES, PLACES, SharedLines
from ambs_hpc.launcher.supervisor.messages import NodeProbed, Reported

Item = TypeVar("Item")

LARGEST_BYTES = 1 << 16  # of what a node tells; it writes some hundreds
LONGEST_TEXT = 2000  # characters
LARGEST_NUMBER = 2.0**63  # some file systems say to have nearly so many inodes


@dataclass(frozen=True, slots=True)
class NodeLost:
    """The manager of the node's workers is gone."""

    node: str


@dataclass(frozen=True, slots=True)
class NodeFound:
    """A node that was lost has a manager again."""

    node: str


@dataclass(frozen=True, slots=True)
class NodeOccupied:
    """A launcher of another allocation has the node; `who` in words, "" once it is free."""

    node: str
    who: str


@dataclass(frozen=True, slots=True)
class ObjectiveImported:
    """The first import of an objective there took so many seconds."""

    node: str
    function: str
    seconds: float


NodeNews = NodeLost | NodeFound | NodeOccupied | ObjectiveImported | NodeProbed


class PoolFiles:
    """Reads and writes the files of one pool in a thread for which nobody waits."""

    def __init__(
        self,
        folder: Path,
        nodes: Collection[str],
        tell: Callable[[NodeNews], None],
        take: Callable[[Reported], None],
    ) -> None:
        """
        Args:
            folder: the pool's.
            nodes: of which it may tell; what names others is dropped.
            tell: takes what is new of nodes.
            take: takes what evaluations report.
        """
        self._folder, self._nodes, self._tell = folder / NODES, frozenset(nodes), tell
        self._cancelled = folder / CANCELLED
        self._lines = SharedLines(folder / PLACES)
        self._reports = PoolReports(folder, take)
        self._read: dict[str, int] = {}  # files of nodes, and of which age
        self._places: queue.SimpleQueue[tuple[int, int, str]] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()  # lines for the file of cancellations
        self._unwritten = b""
        self._is_over = False
        self._wakeup = threading.Event()

    def begin(self) -> None:
        """Look at the files until the end."""
        threading.Thread(target=self._live, daemon=True, name="pool files").start()

    def end(self) -> None:
        """Look no more; returns at once, whatever the file system does."""
        self._is_over = True
        self._wakeup.set()

    def cancel(self, pairs: Sequence[tuple[int, int]], grace_seconds: float) -> None:
        """Have workers end these (id, attempt) pairs; said again until the file system takes it."""
        for pair in pairs:
            self._orders.put(json.dumps([*pair, grace_seconds]).encode() + b"\n")
        self._wakeup.set()

    def places(self) -> list[tuple[int, int, str]]:
        """(id, attempt, node) of evaluations that have run for a while, each once."""
        return drained(self._places)

    def look(self) -> None:
        """Write what is to be told, and take what is new."""
        self._write_orders()
        for evaluation_id, attempt, node in self._lines.further():
            if isinstance(node, str) and node in self._nodes:
                self._places.put((evaluation_id, attempt, node))
        self._reports.look()
        with contextlib.suppress(OSError):
            for file in sorted(self._folder.glob("*.json")):
                self._look_at(file)

    def _live(self) -> None:
        while not self._is_over:
            self.look()
            self._wakeup.wait(LOOK_SECONDS)
            self._wakeup.clear()

    def _write_orders(self) -> None:
        orders = drained(self._orders)
        self._unwritten += b"".join(orders)
        if not self._unwritten:
            return
        try:
            with self._cancelled.open("ab", buffering=0) as file:
                self._unwritten = self._unwritten[file.write(self._unwritten) :]
        except OSError:  # a part of a line may be there: it ends before the next
            self._unwritten = b"\n" + self._unwritten.lstrip(b"\n")

    def _look_at(self, file: Path) -> None:
        with contextlib.suppress(OSError):
            changed = file.stat().st_mtime_ns
            if self._read.get(file.name) == changed:
                return
            with file.open("rb") as told:
                news = news_of(told.read(LARGEST_BYTES))
            self._read[file.name] = changed
            if news is not None and news.node in self._nodes:
                self._tell(news)


def news_of(text: bytes) -> NodeOccupied | ObjectiveImported | NodeProbed | None:
    """What a node tells in this JSON text; None when it has none of the known forms."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    match told:
        case {"node": str(node), "taken": str(who)}:
            return NodeOccupied(node, who[:LONGEST_TEXT])
        case {"node": str(node), "function": str(function), "import_seconds": seconds} if _is_number(seconds):
            return ObjectiveImported(node, function[:LONGEST_TEXT], float(seconds))
        case {
            "node": str(node),
            "is_binding": bool(is_binding),
            "at": at,
            "trouble": str(trouble),
            "facts": dict(facts),
        } if _is_number(at):
            known = {name: value for name, value in facts.items() if _is_fact(value)}
            return NodeProbed(node, is_binding, float(at), trouble[:LONGEST_TEXT], known)
    return None


def drained(items: queue.SimpleQueue[Item]) -> list[Item]:
    """What has come, without waiting."""
    found: list[Item] = []
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(items.get_nowait())
    return found


def _is_number(value: Any) -> bool:
    """NaN is none."""
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return is_numeric and abs(value) < LARGEST_NUMBER


def _is_fact(value: Any) -> bool:
    return value is None or isinstance(value, bool | str) or _is_number(value)
