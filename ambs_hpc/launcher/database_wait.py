"""A launcher's start while its database, or the campaign in it, is not there: it is waited for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from ambs_hpc.errors import (
    DatabaseError,
    DatabaseLocked,
    DatabaseRefused,
    DatabaseUnreachable,
    NoSuchCampaign,
)

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
BY_HAND_SECONDS = 60.0
FIRST_RETRY_SECONDS, RETRY_SECONDS = 0.25, 2.0
TELL_SECONDS = 30.0


def wait_seconds(asked: float | None, *, is_in_allocation: bool) -> float:
    """How long a launcher waits at its start: what was asked, else in an allocation until its end.

    An allocation may have waited for days, and may begin before its search has made the tables.
    """
    if asked is not None:
        return asked
    return float("inf") if is_in_allocation else BY_HAND_SECONDS


def once_it_answers(call: Callable[[], Result], *, seconds: float) -> Result:
    """Make the call until the database answers and has what is asked for; says what it waits for.

    Args:
        seconds: to wait at most, for what can pass without anybody's doing or by a search that begins.

    Raises:
        DatabaseError, NoSuchCampaign: it does not pass, or has not within that time.
    """
    began = time.monotonic()
    tell_at, pause = float("-inf"), FIRST_RETRY_SECONDS
    while True:
        try:
            return call()
        except (DatabaseError, NoSuchCampaign) as error:
            now = time.monotonic()
            left = began + seconds - now
            if left <= 0 or not _passes(error):
                raise
            if now >= tell_at:
                tell_at = now + TELL_SECONDS
                how_long = "until this launcher ends" if seconds == float("inf") else f"at most {seconds:g} s"
                logger.warning("waiting %s (--wait): %s", how_long, error)
        time.sleep(min(pause, left))
        pause = min(2 * pause, RETRY_SECONDS)


def _passes(error: DatabaseError | NoSuchCampaign) -> bool:
    if isinstance(error, DatabaseRefused):
        return error.passes
    return isinstance(error, DatabaseUnreachable | DatabaseLocked | NoSuchCampaign)
