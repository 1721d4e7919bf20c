"""Maps rows to the values that cross units, and values to what a database can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ambs_hpc.errors import RowUnusable
from ambs_hpc.queue.sql.stored_values import check_problem, configuration_or_none, object_in, tell_fault
from ambs_hpc.records import Campaign, Launcher, NewCampaign, NewLauncher, Proposal, Resources

# A row with the columns of its statement; SQLAlchemy 2.0 and 2.1 spell its type differently.
DatabaseRow = Any

LONGEST_ERROR = 20_000  # characters; the whole stderr is a file
LONGEST_SIGNATURE = 200
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?([eE][-+]?\d+)?")


def text_value(text: str) -> str:
    """The text without what PostgreSQL refuses: NUL, and halves of characters from undecodable output."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def json_value(value: object) -> Any:
    """The value without what JSON in a database cannot hold; NaN and the infinities become null."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return text_value(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {text_value(str(key)): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    raise TypeError(f"{value!r} of type {type(value).__name__} is not a JSON value")


def error_value(error: str) -> str:
    """The error as it is stored: of a very long one only its end, where the exception is named."""
    text = text_value(error)
    return text if len(text) <= LONGEST_ERROR else "[...]\n" + text[-LONGEST_ERROR:]


def signature(error: str) -> str:
    """What similar errors have in common: the last line, with `#` for its numbers."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return _NUMBERS.sub("#", lines[-1])[:LONGEST_SIGNATURE] if lines else ""


def campaign_value(row: DatabaseRow) -> Campaign:
    """A row of `campaign`.

    Raises:
        RowUnusable: it is no campaign of ours.
    """
    fields = row._asdict()
    revision = fields.pop("revision")
    check_problem(row.id, row.problem, row.direction)
    for name in ("objective", "method_options"):
        object_in(fields[name], "campaign", row.id, name)
    return Campaign(fields.pop("id"), fields.pop("created_at"), NewCampaign(**fields), revision)


def launcher_value(row: DatabaseRow) -> Launcher:
    """A row of `launcher` with the column `heartbeat_age`."""
    identity = NewLauncher(
        row.host,
        row.pid,
        row.process_started,
        row.slots,
        row.allocation_id,
        row.survives_in,
        row.namespace,
        _serves(row),
    )
    seconds = row.heartbeat_at - row.started_at
    return Launcher(
        row.id, identity, row.heartbeat_age, row.ended_at is not None, seconds, row.busy_seconds, row.idle
    )


def _serves(row: DatabaseRow) -> tuple[int, ...] | None:
    """The campaigns that a launcher serves; all where that cannot be read."""
    if row.serves is None or (isinstance(row.serves, list) and all(type(one) is int for one in row.serves)):
        return None if row.serves is None else tuple(row.serves)
    tell_fault(RowUnusable("launcher", row.id, "serves", row.serves, "a JSON list of the ids of campaigns"))
    return None


def resources_value(row: DatabaseRow) -> Resources:
    """The resource columns of a row of `evaluation`."""
    memory_gib = float(row.memory_gib)  # SQLite's RETURNING says 0 where 0.0 is stored
    return Resources(row.cores, row.gpus, memory_gib, row.nodes, row.ranks_per_node, row.whole_node)


def proposal_value(row: DatabaseRow) -> Proposal:
    """The configuration and proposal columns of a row of `evaluation`; UNUSABLE where it has none."""
    return Proposal(
        configuration_or_none(row.configuration, row.id),
        row.proposal_kind,
        row.proposal_mean,
        row.proposal_std,
        row.proposal_acquisition,
    )
