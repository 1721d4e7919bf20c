"""What is learned from: results of a campaign, sampled where there are many, and its failures beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, or_, select

from ambs_hpc.queue.reads.reports import FailureGroup
from ambs_hpc.queue.schema.tables import evaluation, is_done, is_failed, is_finished, is_from_here, is_ready
from ambs_hpc.queue.sql.bulk import id_in
from ambs_hpc.queue.sql.row_mapping import DatabaseRow
from ambs_hpc.queue.sql.stored_values import configuration_in, number_in_row, object_in, usable, word_in
from ambs_hpc.records import Configuration
from ambs_hpc.states import FailureKind

LONGEST_NUMBERS = 100  # that stand in the place of a signature's marks


class StoredResult(NamedTuple):
    """A configuration and what it gave, in the user's units."""

    id: int
    configuration: Configuration
    objective: float
    node: str
    metrics: Mapping[str, object] = {}


class SampledResults(NamedTuple):
    """Some of `number` results, or all of them, in the order of their ids."""

    number: int
    results: list[StoredResult]


class StoredFailure(NamedTuple):
    """A failed evaluation, with what a cause is looked for in."""

    id: int
    configuration: Configuration
    kind: FailureKind
    signature: str
    node: str


class FailureWords(NamedTuple):
    """The last line of what failures of one signature said: of all of them, or of the newest one."""

    said: str
    is_of_all: bool

    @property
    def told(self) -> str:
        """To be put behind their kind."""
        return f": {self.said}" if self.is_of_all else f", such as: {self.said}"


def sampled_results(
    connection: Connection,
    campaign_id: int,
    most: int,
    *,
    imported: bool = True,
    with_metrics: bool = False,
) -> SampledResults:
    """Results of a campaign: the same ones each time, evenly spread over its life.

    Args:
        most: number of results above which they are sampled.
        imported: also those of elsewhere.
        with_metrics: read their metrics, which may be long.
    """
    column = evaluation.c
    where = [is_done, column.campaign_id == campaign_id]
    if not imported:
        where.append(is_from_here)
    # The ids come out of an index; a configuration is read only where it is wanted.
    ids = sorted(connection.execute(select(column.id).where(*where)).scalars())
    step = max(1.0, len(ids) / most)
    chosen = [ids[int(place * step)] for place in range(min(most, len(ids)))]
    statement = (
        select(column.id, column.configuration, column.objective, column.node)
        .where(id_in(connection, column.id, chosen), is_done)
        .order_by(column.id)
    )
    if with_metrics:
        statement = statement.add_columns(column.metrics)
    return SampledResults(len(ids), usable(connection.execute(statement), _result))


def _result(row: DatabaseRow) -> StoredResult:
    number_in_row(row.objective, "evaluation", row.id, "objective")
    metrics = object_in(row[4], "evaluation", row.id, "metrics") if len(row) > 4 else {}
    configuration = configuration_in(row.configuration, row.id)
    return StoredResult(row.id, configuration, row.objective, row.node, metrics)


def stored_failures(
    connection: Connection, campaign_id: int, most: int, ended_by: float | None = None
) -> list[StoredFailure]:
    """The newest failures of a campaign, those of elsewhere left out, in the order of their ids.

    Args:
        ended_by: only those that had ended by this time.
    """
    column = evaluation.c
    ended = [] if ended_by is None else [column.finished_at <= ended_by]
    statement = (
        select(column.id, column.configuration, column.failure_kind, column.signature, column.node)
        .where(is_failed, is_from_here, column.campaign_id == campaign_id, *ended)
        .order_by(column.id.desc())
        .limit(most)
    )
    rows = connection.execute(statement).all()
    return usable(reversed(rows), _failure)


def _failure(row: DatabaseRow) -> StoredFailure:
    kind = word_in(FailureKind, row.failure_kind, "evaluation", row.id, "failure_kind")
    return StoredFailure(row.id, configuration_in(row.configuration, row.id), kind, row.signature, row.node)


def failure_words(
    connection: Connection, campaign_id: int, groups: Sequence[FailureGroup]
) -> list[FailureWords]:
    """What failures of a campaign said, group by group, by one statement for all of them."""
    column, alike = evaluation.c, (evaluation.c.failure_kind, evaluation.c.signature)
    cut = [group.signature for group in groups if "#" in group.signature]
    of_each = (
        select(*alike, func.min(column.error), func.max(column.error), func.max(column.id).label("example"))
        .where(is_failed, is_from_here, column.campaign_id == campaign_id, column.signature.in_(cut))
        .group_by(*alike)
        .subquery()
    )
    statement = select(of_each, column.error).join(of_each, of_each.c.example == column.id)
    found = {(row[0], row[1]): row[2:] for row in (connection.execute(statement) if cut else ())}
    words = []
    for group in groups:
        first, last, _, error = found.get((group.kind.value, group.signature), ("", "", 0, ""))
        lines = [line.strip() for line in error.splitlines() if line.strip()]
        said = lines[-1][: len(group.signature) + LONGEST_NUMBERS] if lines else group.signature
        words.append(FailureWords(said or "(said nothing)", first == last))
    return words


def ended_before(
    connection: Connection, campaign_id: int, at: float, most: int
) -> tuple[int, list[StoredResult]]:
    """How many evaluations had ended by a time, and the newest results among them."""
    column = evaluation.c
    where = (is_finished, column.campaign_id == campaign_id, column.finished_at <= at)
    number = connection.execute(select(func.count()).where(*where)).scalar_one()
    statement = (
        select(column.id, column.configuration, column.objective, column.node)
        .where(*where, is_done)
        .order_by(column.finish_sequence.desc())
        .limit(most)
    )
    return int(number), usable(connection.execute(statement), _result)


def pending_before(connection: Connection, evaluation_id: int) -> int:
    """How many evaluations of the same campaign had been proposed before one and had not ended by then."""
    this = evaluation.alias("this")
    column = evaluation.c
    statement = (
        select(func.count())
        .select_from(this)
        .join(evaluation, column.campaign_id == this.c.campaign_id)
        .where(
            this.c.id == evaluation_id,
            column.id < this.c.id,
            is_from_here,
            or_(column.finished_at.is_(None), column.finished_at > this.c.created_at),
        )
    )
    return int(connection.execute(statement).scalar_one())


def waiting_ahead(connection: Connection, evaluation_id: int, priority: int) -> int:
    """How many evaluations, of all campaigns, wait and are leased before one of this id and priority."""
    column = evaluation.c
    comes_first = or_(
        column.priority > priority, and_(column.priority == priority, column.id < evaluation_id)
    )
    return int(connection.execute(select(func.count()).where(is_ready, comes_first)).scalar_one())
