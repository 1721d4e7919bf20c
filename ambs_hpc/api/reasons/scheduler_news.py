"""Asking schedulers before a question is answered, as far as the one who asks may store their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambs_hpc.errors import DatabaseRefused
from ambs_hpc.sites import refresh

if TYPE_CHECKING:
    from sqlalchemy import Engine


def ask_schedulers(engine: Engine, user: str, now: float) -> list[str]:
    """Ask each scheduler once and store what it says; what could not be heard, in words.

    A user who may only read the database is told what is stored.

    Args:
        now: seconds since 1970 UTC.
    """
    try:
        return [str(one) for one in refresh(engine, user, now).unheard]
    except DatabaseRefused:
        return ["you may only read this database, so that what schedulers say now cannot be stored"]
