"""The tables and the constraints on them; `migrations/` builds exactly this, and a test compares the two.

Times are seconds since 1970 UTC. JSON is kept as text that round-trips floats exactly (on PostgreSQL `json`,
not `jsonb`, which would turn 1e16 into an integer); the views offer `jsonb` to readers.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    cast,
    literal_column,
)

from ambs_hpc.records import IMPORTED
from ambs_hpc.states import FINAL, FailureKind, State

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

# SQLite gives ids by itself only to a column that is declared INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", Id, Identity(), primary_key=True)


def _one_of(column: str, names: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(name) for name in names)})"


def _finite(column: str) -> str:
    # PostgreSQL puts NaN above every number and SQLite stores it as NULL, so that one range refuses all three
    # of NaN and the infinities on both.
    return f"{column} BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308"


_FINAL = _one_of("state", sorted(state.value for state in FINAL))

# One row. A database that was removed and made again under the same URL is another one.
database_identity = Table(
    "database_identity",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
)

campaign = Table(
    "campaign",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("problem", JSON, nullable=False),
    Column("objective", JSON, nullable=False),
    Column("direction", Text, nullable=False),
    Column("directory", Text, nullable=False),
    Column("run_directory", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("method_options", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("max_evaluations", Integer),
    Column("max_failures", Integer, nullable=False),
    Column("max_interruptions", Integer, nullable=False),
    Column("uid", Text, nullable=False, server_default=""),
    Column("revision", Integer, nullable=False, server_default="1"),  # the newest of its `campaign_revision`s
    Column("priority", Integer, nullable=False, server_default="0"),  # of what is enqueued
    UniqueConstraint("name"),
    CheckConstraint("name <> ''", name="name"),
    CheckConstraint(_one_of("direction", ["minimize", "maximize"]), name="direction"),
    CheckConstraint("max_evaluations >= 0", name="max_evaluations"),
    CheckConstraint("max_failures >= 1 AND max_interruptions >= 0", name="budgets"),
)

# The campaign as it was from a time on; never changed. Number 1 is what it was made as.
campaign_revision = Table(
    "campaign_revision",
    metadata,
    Column("campaign_id", Id, ForeignKey(campaign.c.id), nullable=False, autoincrement=False),
    Column("number", Integer, nullable=False, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("who", Text, nullable=False),  # user@host
    Column("changes", JSON, nullable=False),  # [{"field", "before", "after", "words"}]
    Column("effects", JSON, nullable=False),  # what became of evaluations, in numbers
    Column("definition", JSON, nullable=False),  # all of it afterwards
    PrimaryKeyConstraint("campaign_id", "number"),
    CheckConstraint("number >= 1", name="number"),
)

# What changes with every ending stands apart from the wide row that never does, so that an ending rewrites
# a few bytes. Its row is also the lock under which a campaign's endings get their sequence numbers.
campaign_progress = Table(
    "campaign_progress",
    metadata,
    Column("campaign_id", Id, ForeignKey(campaign.c.id), primary_key=True, autoincrement=False),
    Column("enqueued", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("finish_sequence", BigInteger, nullable=False),
    Column("search_owner", Text),
    Column("search_heartbeat_at", Double),
    Column("added", Integer, nullable=False, server_default="0"),  # by people: also in `enqueued`
    Column(
        "imported", Integer, nullable=False, server_default="0"
    ),  # results of elsewhere: in no other count
    Column("paused", Integer, nullable=False, server_default="0"),
    CheckConstraint(
        "done >= 0 AND failed >= 0 AND cancelled >= 0 AND paused >= 0 AND "
        "done + failed + cancelled + paused <= enqueued",
        name="counters",
    ),
    CheckConstraint("(search_owner IS NULL) = (search_heartbeat_at IS NULL)", name="search"),
)

allocation = Table(
    "allocation",
    metadata,
    _id(),
    Column("site", Text, nullable=False),
    Column("scheduler", Text, nullable=False),
    Column("scheduler_id", Text),
    Column("request", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("submitted_at", Double),
    Column("started_at", Double),
    Column("ends_at", Double),  # end of its walltime, as the scheduler reports it
    Column("ended_at", Double),
    Column("detail", Text, nullable=False),
    Column("told_ended_at", Double),  # its end in the scheduler's words; `ended_at` may be when we looked
    Column("expected_start_at", Double),  # as the scheduler expected while it waited
    Column("held", JSON(none_as_null=True)),  # parts with other nodes, as `held_parts.HeldPart`; NULL for one
    UniqueConstraint("scheduler", "scheduler_id"),
    CheckConstraint("state <> ''", name="state"),
)

launcher = Table(
    "launcher",
    metadata,
    _id(),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("process_started", BigInteger, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("allocation_id", Id, ForeignKey(allocation.c.id)),
    Column("started_at", Double, nullable=False),
    Column("heartbeat_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("busy_seconds", Double, nullable=False, server_default="0"),
    Column("idle", Text, nullable=False, server_default=""),
    Column("survives_in", Text, nullable=False, server_default=""),
    Column("namespace", Text, nullable=False, server_default=""),
    Column("serves", JSON(none_as_null=True)),  # ids of campaigns; NULL for all
    CheckConstraint("slots >= 1", name="slots"),
)

evaluation = Table(
    "evaluation",
    metadata,
    _id(),
    Column("campaign_id", Id, ForeignKey(campaign.c.id), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("configuration", JSON, nullable=False),
    Column("proposal_kind", Text, nullable=False),
    Column("proposal_mean", Double),
    Column("proposal_std", Double),
    Column("proposal_acquisition", Double),
    Column("cores", Integer, nullable=False),
    Column("gpus", Integer, nullable=False),
    Column("memory_gib", Double, nullable=False),
    Column("nodes", Integer, nullable=False),
    Column("ranks_per_node", Integer, nullable=False),
    Column("whole_node", Boolean, nullable=False),
    Column("time_limit_seconds", Double),
    Column("priority", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),  # the latest one; 0 before the first claim
    Column("failures", Integer, nullable=False),
    Column("interruptions", Integer, nullable=False),
    Column("launcher_id", Id, ForeignKey(launcher.c.id)),  # who holds it; once it has ended, who ended it
    Column("created_at", Double, nullable=False),
    Column("claimed_at", Double),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("finish_sequence", BigInteger),
    Column("objective", Double),
    Column("metrics", JSON(none_as_null=True)),
    Column("failure_kind", Text),
    Column("error", Text, nullable=False),  # of the last attempt that failed, also while READY for another
    Column("signature", Text, nullable=False),  # the error without its numbers, for grouping
    Column("exit_status", Integer),
    Column("node", Text, nullable=False),
    Column("claim_token", Text, nullable=False, server_default=""),  # of the latest claim
    Column("revision", Integer, nullable=False, server_default="1"),  # of its campaign, whose limits it has
    # What a revision says that it is once it is READY again; {} where it lies outside of the newest space.
    Column("next_configuration", JSON(none_as_null=True)),
    # The step of the rung beyond which it may not run now: while RUNNING, its launcher is to end it.
    Column("paused_rung", BigInteger),
    UniqueConstraint("campaign_id", "ordinal"),
    CheckConstraint(_one_of("state", [state.value for state in State]), name="state"),
    CheckConstraint(_one_of("failure_kind", [kind.value for kind in FailureKind]), name="failure_kind"),
    CheckConstraint("(state = 'DONE') = (objective IS NOT NULL)", name="done_has_objective"),
    CheckConstraint(_finite("objective"), name="objective_is_finite"),
    CheckConstraint("(state = 'FAILED') = (failure_kind IS NOT NULL)", name="failed_has_kind"),
    CheckConstraint(
        "state <> 'RUNNING' OR (launcher_id IS NOT NULL AND claimed_at IS NOT NULL AND attempt >= 1)",
        name="running_is_held",
    ),
    CheckConstraint("state <> 'READY' OR launcher_id IS NULL", name="ready_is_free"),
    CheckConstraint(
        "state <> 'PAUSED' OR (paused_rung IS NOT NULL AND launcher_id IS NULL)", name="paused_at"
    ),
    CheckConstraint(f"({_FINAL}) = (finish_sequence IS NOT NULL)", name="final_has_sequence"),
    CheckConstraint(f"({_FINAL}) = (finished_at IS NOT NULL)", name="final_has_time"),
    CheckConstraint(
        "attempt >= 0 AND failures >= 0 AND interruptions >= 0 AND "
        "(ordinal < 0) = (proposal_kind IN ('manual', 'imported'))",
        name="counts_from_zero",
    ),
    CheckConstraint(
        "cores >= 1 AND gpus >= 0 AND nodes >= 1 AND ranks_per_node >= 1 AND memory_gib >= 0",
        name="resources",
    ),
    CheckConstraint(_finite("memory_gib"), name="memory_is_finite"),
    CheckConstraint("time_limit_seconds > 0", name="time_limit"),
)

# A condition of a partial index must stand in the statement as text: SQLite does not use the index when the
# state arrives as a bound parameter.
is_ready: ColumnElement[bool] = evaluation.c.state == literal_column("'READY'")
is_running: ColumnElement[bool] = evaluation.c.state == literal_column("'RUNNING'")
is_paused: ColumnElement[bool] = evaluation.c.state == literal_column("'PAUSED'")
is_done: ColumnElement[bool] = evaluation.c.state == literal_column("'DONE'")
is_failed: ColumnElement[bool] = evaluation.c.state == literal_column("'FAILED'")
is_cancelled: ColumnElement[bool] = evaluation.c.state == literal_column("'CANCELLED'")
is_in: dict[State, ColumnElement[bool]] = {
    State.READY: is_ready,
    State.RUNNING: is_running,
    State.PAUSED: is_paused,
    State.DONE: is_done,
    State.FAILED: is_failed,
    State.CANCELLED: is_cancelled,
}
# Text as well, for the planner: almost all rows are not imported.
is_from_here: ColumnElement[bool] = evaluation.c.proposal_kind != literal_column(f"'{IMPORTED}'")
is_outside: ColumnElement[bool] = cast(evaluation.c.next_configuration, Text) == literal_column("'{}'")
is_finished: ColumnElement[bool] = evaluation.c.finish_sequence.is_not(None)


def unindexed(column: ColumnElement[int]) -> ColumnElement[int]:
    """The column's value, in a form that no index offers.

    For conditions beside one of those above: without statistics, planners of both databases take the index by
    campaign instead of the small one by state, and read everything that has finished.
    """
    return column + literal_column("0")


def _partial(
    name: str, *columns: ColumnElement[object] | Column[object], where: ColumnElement[bool]
) -> Index:
    return Index(name, *columns, postgresql_where=where, sqlite_where=where)


_partial("ix_evaluation_ready", evaluation.c.priority.desc(), evaluation.c.id, where=is_ready)
_partial("ix_evaluation_running", evaluation.c.launcher_id, evaluation.c.campaign_id, where=is_running)
_partial("ix_evaluation_paused", evaluation.c.campaign_id, evaluation.c.paused_rung, where=is_paused)
_partial("ix_evaluation_finished", evaluation.c.campaign_id, evaluation.c.finish_sequence, where=is_finished)
_partial("ix_evaluation_best", evaluation.c.campaign_id, evaluation.c.objective, where=is_done)
_partial("ix_evaluation_failed", evaluation.c.campaign_id, evaluation.c.failure_kind, where=is_failed)

evaluation_event = Table(
    "evaluation_event",
    metadata,
    _id(),
    Column("evaluation_id", Id, ForeignKey(evaluation.c.id), nullable=False),
    Column("at", Double, nullable=False),
    Column("move", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("launcher_id", Id),
    Column("node", Text),
    Column("failure_kind", Text),
    Column("exit_status", Integer),
    Column("started_at", Double),  # of the attempt that this move ended
    Column("finished_at", Double),
    Column("detail", Text),
    Column("claim_token", Text),  # of the claim that this move began or ended
    Column("revision", Integer),  # of a claim: of its campaign, where that is not the first
    Index("ix_evaluation_event_evaluation", "evaluation_id", "id"),
)

# What happened on nodes; never changed. A node is forgiven by an event, too: only failures after it count.
node_event = Table(
    "node_event",
    metadata,
    _id(),
    Column("at", Double, nullable=False),
    Column("stored_at", Double, nullable=False),  # later: a launcher first looks whether other nodes have it
    Column("site", Text, nullable=False),  # "" outside of allocations: names of nodes repeat among machines
    Column("node", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("is_failure", Boolean, nullable=False),
    Column("detail", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("uid", Text, nullable=False),
    Column("launcher_id", Id),  # who saw it
    CheckConstraint("node <> '' AND kind <> ''", name="names"),
    Index("ix_node_event_at", "at"),
)

# Observations of other problems, from which the search of a campaign starts warm. Copied, so that the
# search stays a function of this database whatever becomes of where they are from.
source = Table(
    "source",
    metadata,
    _id(),
    Column("campaign_id", Id, ForeignKey(campaign.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("campaign_id", "name"),
    CheckConstraint("name <> ''", name="name"),
    CheckConstraint(_one_of("direction", ["minimize", "maximize"]), name="direction"),
)

source_observation = Table(
    "source_observation",
    metadata,
    Column("source_id", Id, ForeignKey(source.c.id), primary_key=True, autoincrement=False),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
    Column("configuration", JSON, nullable=False),
    Column("objective", Double),  # none where the evaluation failed
    CheckConstraint("ordinal >= 0", name="ordinal"),
    CheckConstraint(_finite("objective"), name="objective_is_finite"),
)

# What evaluations told of themselves while they ran. All attempts together are one curve; where several have
# told of the same step, readers take the newest attempt's.
report = Table(
    "report",
    metadata,
    Column("evaluation_id", Id, ForeignKey(evaluation.c.id), nullable=False, autoincrement=False),
    Column("step", BigInteger, nullable=False, autoincrement=False),
    Column("attempt", Integer, nullable=False, autoincrement=False),
    Column("objective", Double, nullable=False),
    Column("metrics", JSON(none_as_null=True)),
    Column("at", Double, nullable=False),
    Column("thinned", Integer, nullable=False),  # reports of the attempt just before it that are not kept
    PrimaryKeyConstraint("evaluation_id", "step", "attempt"),
    CheckConstraint("step >= 0 AND attempt >= 1 AND thinned >= 0", name="counts_from_zero"),
    CheckConstraint(_finite("objective"), name="objective_is_finite"),
)
