"""The rows and events that a run left in its database, read once for all checks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from ambs_hpc.queue.schema.tables import (
    allocation,
    campaign_progress,
    evaluation,
    evaluation_event,
    launcher,
)
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.states import Move, State

if TYPE_CHECKING:
    from sqlalchemy import Connection

ENDINGS = frozenset({Move.COMPLETE, Move.FAIL, Move.LOSE, Move.CANCEL, Move.ACCEPT_LATE})


@dataclass(frozen=True)
class RecordedCampaign:
    """One campaign as the database has it.

    Args:
        rows: of `evaluation`, by ordinal.
        events: of `evaluation_event`, in the order of their ids, by evaluation.
        progress: the row of `campaign_progress`.
    """

    rows: Sequence[DatabaseRow]
    events: dict[int, list[DatabaseRow]]
    progress: DatabaseRow

    @property
    def is_complete(self) -> bool:
        """Whether all that was enqueued is in a final state."""
        return all(State(row.state).is_final for row in self.rows)

    def all_events(self) -> list[DatabaseRow]:
        """The events of all evaluations, in the order of their ids."""
        return sorted((one for story in self.events.values() for one in story), key=lambda one: one.id)


def read_campaign(connection: Connection) -> RecordedCampaign:
    """The only campaign of the database."""
    events: dict[int, list[DatabaseRow]] = defaultdict(list)
    for one in connection.execute(select(evaluation_event).order_by(evaluation_event.c.id)):
        events[one.evaluation_id].append(one)
    rows = connection.execute(select(evaluation).order_by(evaluation.c.ordinal)).all()
    return RecordedCampaign(rows, events, connection.execute(select(campaign_progress)).one())


def digest_of(connection: Connection) -> str:
    """A digest of everything that the run stored: two runs of a seed have the same."""
    digest = hashlib.sha256()
    for table in (evaluation_event, evaluation, campaign_progress, launcher, allocation):
        for row in connection.execute(select(table).order_by(*table.primary_key.columns)):
            digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()
