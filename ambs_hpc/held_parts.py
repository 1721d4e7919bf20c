"""What an allocation had from when to when, as schedulers tell and the ledger counts."""

from __future__ import annotations

from typing import NamedTuple


class HeldPart(NamedTuple):
    """A part of an allocation's time in which it had the same nodes; times are seconds since 1970 UTC.

    A node that failed is taken from it, and one that was put back into the queue gets others later.

    Args:
        ended_at: None while it lasts.
        nodes: how many it had, >= 1.
        names: of them, as the scheduler writes them; () where it does not say.
    """

    started_at: float
    ended_at: float | None
    nodes: int
    names: tuple[str, ...] = ()
