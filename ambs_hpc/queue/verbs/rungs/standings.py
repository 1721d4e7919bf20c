"""The values on the rungs of campaigns, for decisions: a process reads each row once, then what is new.

A decision holds the lock of its campaign, and a campaign may have tens of thousands of values.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, select

from ambs_hpc.fidelity import Fidelity, keep_shares
from ambs_hpc.queue.schema.rung_tables import rung_result
from ambs_hpc.queue.schema.tables import campaign
from ambs_hpc.queue.sql.row_mapping import DatabaseRow

MOST_KNOWN = 20  # campaigns


class Standings:
    """The values on the rungs of one campaign, of which the caller has a copy of its own.

    Args:
        by_rung: values to be minimised, by the evaluations' ids, in the order in which they came.
    """

    def __init__(self, known: _Known, fidelity: Fidelity) -> None:
        self._known, self._fidelity, self._rungs = known, fidelity, fidelity.rungs()
        self.by_rung: dict[int, dict[int, float | None]] = {
            rung: dict(known.by_rung[rung]) for rung in self._rungs
        }
        self._ends = len(self.by_rung[self._rungs[-1]])

    def shares(self) -> tuple[float, ...]:
        """As `keep_shares`; computed anew where another evaluation has come to its end."""
        fidelity, ends = self._fidelity, len(self.by_rung[self._rungs[-1]])
        found = self._known.shares.get(fidelity)
        if found is not None and found[0] == ends == self._ends:
            return found[1]
        shares = keep_shares(fidelity, [self.by_rung[rung] for rung in self._rungs])
        if ends == self._ends:  # what is not committed stays the caller's
            self._known.shares[fidelity] = (ends, shares)
        return shares


def standings_of(connection: Connection, campaign_id: int, fidelity: Fidelity) -> Standings:
    """All values on the rungs of a campaign."""
    columns = select(campaign.c.uid, campaign.c.direction).where(campaign.c.id == campaign_id)
    uid, direction = connection.execute(columns).one()
    sign = 1.0 if direction == "minimize" else -1.0
    with _lock:  # not while the database is asked: another thread reads all for itself meanwhile
        known = _known.pop((uid, campaign_id), None) or _Known()
    if not known.follow(_rows_from(connection, campaign_id, known.last_id), sign):
        known = _Known()
        known.follow(_rows_from(connection, campaign_id, known.last_id), sign)
    found = Standings(known, fidelity)
    with _lock:
        if uid:
            _known[(uid, campaign_id)] = known  # as the newest
        while len(_known) > MOST_KNOWN:
            del _known[next(iter(_known))]
    return found


class _Known:
    """What was read of one campaign. Its last row is read again: where it is another one, all are."""

    def __init__(self) -> None:
        self.by_rung: dict[int, dict[int, float | None]] = defaultdict(dict)
        self.shares: dict[Fidelity, tuple[int, tuple[float, ...]]] = {}
        self._last: tuple[Any, ...] | None = None

    @property
    def last_id(self) -> int:
        """Of the last row; 0 before the first."""
        return 0 if self._last is None else int(self._last[0])

    def follow(self, rows: Iterable[DatabaseRow], sign: float) -> bool:
        """Add the rows behind the last one, with which they begin; False where they do not.

        They do not where it was rolled back, or the database went back to an older copy.
        """
        following = [tuple(row) for row in rows]
        if self._last is not None and following[:1] != [self._last]:
            return False
        for row in following[0 if self._last is None else 1 :]:
            _id, evaluation_id, rung, value, *_ = row
            self.by_rung[rung][evaluation_id] = sign * value
            self._last = row
        return True


_known: dict[tuple[str, int], _Known] = {}
_lock = threading.Lock()  # a launcher decides in one thread, and looks for checkpoints in another


def _rows_from(connection: Connection, campaign_id: int, first_id: int) -> list[Any]:
    given = {"campaign": campaign_id, "first": first_id}
    return list(connection.execute(_FROM, given).all())


_FROM = (
    select(
        *(rung_result.c[name] for name in ("id", "evaluation_id", "rung", "value", "step", "attempt", "at"))
    )
    .where(
        rung_result.c.campaign_id == bindparam("campaign"),
        rung_result.c.id >= bindparam("first", type_=BigInteger()),
    )
    .order_by(rung_result.c.id)
)
