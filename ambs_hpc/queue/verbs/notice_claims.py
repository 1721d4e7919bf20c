"""A notice is claimed before it is sent: of many processes, one after another or at once, one sends it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, update

from ambs_hpc.queue.schema.watch_tables import notice
from ambs_hpc.queue.sql.clock import now
from ambs_hpc.queue.sql.row_mapping import text_value
from ambs_hpc.queue.verbs.provenance_intake import insert_unless_there

LONGEST_REASON = 500  # characters


@dataclass(frozen=True, slots=True)
class NewNotice:
    """Something to be told of a campaign.

    Args:
        key: names what happened: of notices of one key, one is sent.
        kind: of `notices.rules.KINDS`.
        text: in words.
    """

    campaign_id: int
    audience: str
    key: str
    kind: str
    text: str


def claim_notice(connection: Connection, new: NewNotice) -> int | None:
    """The id of the notice, which is now the caller's to send; None where somebody has claimed it before."""
    statement = (
        insert_unless_there(connection, notice)
        .values(
            campaign_id=new.campaign_id,
            audience=new.audience,
            key=new.key,
            kind=new.kind,
            text=text_value(new.text),
            at=now(connection),
            error="",
        )
        .returning(notice.c.id)
    )
    found = connection.execute(statement).scalar_one_or_none()
    return None if found is None else int(found)


def note_sent(connection: Connection, notice_id: int, error: str = "") -> None:
    """Store that a claimed notice was sent, or why it was not, or only in part."""
    values: dict[str, object] = {"error": text_value(error)[:LONGEST_REASON]}
    if not error:
        values["sent_at"] = now(connection)
    connection.execute(update(notice).where(notice.c.id == notice_id).values(**values))
