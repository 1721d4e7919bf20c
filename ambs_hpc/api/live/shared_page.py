"""The newest page, made by one thread for all who watch, and by none while nobody does."""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ambs_hpc.errors import AmbsError, DatabaseLocked, DatabaseUnreachable

logger = logging.getLogger(__name__)

REST_FACTOR = 10.0  # between two pages at least so many times what the last one took to make
NO_ANSWER = "No answer from the database; trying again."
FIRST_PAGE_SECONDS = 120.0
LINGER_SECONDS = 20.0  # for which a page is still made after the last one who watched has gone


@dataclass(frozen=True, slots=True)
class ServedPage:
    """A page as it is sent: its number from 1, when it was made, and the document compressed by gzip."""

    version: int
    made_at: float
    compressed: bytes


class SharedPage:
    """Makes a page anew where something changed, at most once in `least_seconds`.

    Args:
        stamp: what tells one state of the campaign from another; a few small statements.
        make: the document of a version, as text. It may take seconds.
    """

    def __init__(
        self, stamp: Callable[[], Hashable], make: Callable[[int], str], least_seconds: float
    ) -> None:
        self._stamp, self._make, self._least = stamp, make, least_seconds
        self._changed = threading.Condition()
        self._page: ServedPage | None = None
        self._trouble, self._made_of = "", None
        self._watchers, self._last_wanted, self._is_open = 0, 0.0, True
        self.made = 0
        self._thread = threading.Thread(target=self._keep_making, name="ambs-page", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Make no more pages; who waits is woken."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    @property
    def trouble(self) -> str:
        """Why there is no newer page, in words; "" for nothing."""
        return self._trouble

    @property
    def is_open(self) -> bool:
        """Whether pages are still made."""
        return self._is_open

    def newest(self) -> ServedPage | None:
        """The newest page; the first one is waited for. None where it cannot be made, see `trouble`."""
        deadline = time.monotonic() + FIRST_PAGE_SECONDS
        with self._changed:
            self._want()
            while self._page is None and self._is_open and not self._trouble:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    break
            return self._page

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Somebody watches meanwhile."""
        with self._changed:
            self._watchers += 1
            self._want()
        try:
            yield
        finally:
            with self._changed:
                self._watchers -= 1
                self._last_wanted = time.monotonic()

    def wait(self, version: int, trouble: str, seconds: float) -> tuple[int, str]:
        """The version and the trouble once one differs from these, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._now() != (version, trouble) or not self._is_open, seconds)
            return self._now()

    def _now(self) -> tuple[int, str]:
        return (0 if self._page is None else self._page.version), self._trouble

    def _want(self) -> None:
        self._last_wanted = time.monotonic()
        self._changed.notify_all()

    def _is_wanted(self) -> bool:
        return self._watchers > 0 or time.monotonic() - self._last_wanted < LINGER_SECONDS

    def _keep_making(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_wanted() or not self._is_open)
                if not self._is_open:
                    return
            began = time.monotonic()
            self._make_if_changed()
            pause = max(self._least, REST_FACTOR * (time.monotonic() - began))
            with self._changed:
                if self._changed.wait_for(lambda: not self._is_open, pause):
                    return

    def _make_if_changed(self) -> None:
        page, trouble = None, ""
        try:
            stamp = self._stamp()
            if self._page is None or stamp != self._made_of:
                version = 1 if self._page is None else self._page.version + 1
                compressed = gzip.compress(self._make(version).encode(), compresslevel=4)
                page = ServedPage(version, time.time(), compressed)
                self._made_of = stamp  # type: ignore[assignment]  # any value that can be compared
                self.made += 1
        except (DatabaseUnreachable, DatabaseLocked) as error:  # it comes back; the last page stays
            trouble = f"{NO_ANSWER} {error}"
        except AmbsError as error:
            trouble = str(error)
        except Exception as error:
            logger.exception("page could not be made")
            trouble = f"The page could not be made: {type(error).__name__}."
        with self._changed:
            self._page, self._trouble = page or self._page, trouble
            self._changed.notify_all()
