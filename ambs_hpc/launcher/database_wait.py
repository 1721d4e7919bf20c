"""A launcher's start while its database is away: an allocation that waited for days must not end for that."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from ambs_hpc.errors import DatabaseError, DatabaseLocked, DatabaseRefused, DatabaseUnreachable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
BY_HAND_SECONDS = 120.0
RETRY_SECONDS = 2.0
TELL_SECONDS = 30.0


def once_it_answers(call: Callable[[], Result], *, is_in_allocation: bool) -> Result:
    """Make the call until the database answers; says now and then what it waits for.

    Args:
        is_in_allocation: waits until its end, and for what refuses now and passes as well: an allocation may
            begin before its search has made the tables. Else a person waits for BY_HAND_SECONDS at most.

    Raises:
        DatabaseError: it does not pass, or has not within that time.
    """
    deadline = float("inf") if is_in_allocation else time.monotonic() + BY_HAND_SECONDS
    tell_at = float("-inf")
    while True:
        try:
            return call()
        except DatabaseError as error:
            now = time.monotonic()
            if now >= deadline or not _passes(error, is_in_allocation=is_in_allocation):
                raise
            if now >= tell_at:
                tell_at = now + TELL_SECONDS
                logger.warning("waiting for the database: %s", error)
        time.sleep(RETRY_SECONDS)


def _passes(error: DatabaseError, *, is_in_allocation: bool) -> bool:
    if isinstance(error, DatabaseRefused):
        return is_in_allocation and error.passes
    return isinstance(error, DatabaseUnreachable | DatabaseLocked)
