"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _allocation()
    _campaign()
    _campaign_progress()
    _launcher()
    _evaluation()
    _evaluation_event()
    if op.get_bind().dialect.name == "postgresql":
        # A queue's rows change soon after they are stored: without this most entries of its READY index are
        # dead by the time vacuum comes.
        op.execute("ALTER TABLE evaluation SET (autovacuum_vacuum_scale_factor = 0.02)")
        op.execute("ALTER TABLE campaign_progress SET (fillfactor = 50)")
        op.execute("ALTER TABLE launcher SET (fillfactor = 50)")


def _allocation() -> None:
    op.create_table(
        "allocation",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("scheduler", sa.Text(), nullable=False),
        sa.Column("scheduler_id", sa.Text(), nullable=True),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("submitted_at", sa.Double(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ends_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint("state <> ''", name="ck_allocation_state"),
        sa.PrimaryKeyConstraint("id", name="pk_allocation"),
        sa.UniqueConstraint("scheduler", "scheduler_id", name="uq_allocation_scheduler_scheduler_id"),
    )


def _campaign() -> None:
    op.create_table(
        "campaign",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("problem", sa.JSON(), nullable=False),
        sa.Column("objective", sa.JSON(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("run_directory", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("method_options", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("max_evaluations", sa.Integer(), nullable=True),
        sa.Column("max_failures", sa.Integer(), nullable=False),
        sa.Column("max_interruptions", sa.Integer(), nullable=False),
        sa.CheckConstraint("direction IN ('minimize', 'maximize')", name="ck_campaign_direction"),
        sa.CheckConstraint("name <> ''", name="ck_campaign_name"),
        sa.CheckConstraint("max_evaluations >= 0", name="ck_campaign_max_evaluations"),
        sa.CheckConstraint("max_failures >= 1 AND max_interruptions >= 0", name="ck_campaign_budgets"),
        sa.PrimaryKeyConstraint("id", name="pk_campaign"),
        sa.UniqueConstraint("name", name="uq_campaign_name"),
    )


def _campaign_progress() -> None:
    op.create_table(
        "campaign_progress",
        sa.Column("campaign_id", ID, autoincrement=False, nullable=False),
        sa.Column("enqueued", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("finish_sequence", sa.BigInteger(), nullable=False),
        sa.Column("search_owner", sa.Text(), nullable=True),
        sa.Column("search_heartbeat_at", sa.Double(), nullable=True),
        sa.CheckConstraint(
            "(search_owner IS NULL) = (search_heartbeat_at IS NULL)", name="ck_campaign_progress_search"
        ),
        sa.CheckConstraint(
            "done >= 0 AND failed >= 0 AND cancelled >= 0 AND done + failed + cancelled <= enqueued",
            name="ck_campaign_progress_counters",
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_campaign_progress_campaign_id"),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_campaign_progress"),
    )


def _launcher() -> None:
    op.create_table(
        "launcher",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("process_started", sa.BigInteger(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("allocation_id", ID, nullable=True),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("heartbeat_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.CheckConstraint("slots >= 1", name="ck_launcher_slots"),
        sa.ForeignKeyConstraint(["allocation_id"], ["allocation.id"], name="fk_launcher_allocation_id"),
        sa.PrimaryKeyConstraint("id", name="pk_launcher"),
    )


def _evaluation() -> None:
    op.create_table(
        "evaluation", *_evaluation_columns(), *_evaluation_constraints(), *_evaluation_ranges_and_keys()
    )
    op.create_index(
        "ix_evaluation_best",
        "evaluation",
        ["campaign_id", "objective"],
        postgresql_where=sa.text("state = 'DONE'"),
        sqlite_where=sa.text("state = 'DONE'"),
    )
    op.create_index(
        "ix_evaluation_failed",
        "evaluation",
        ["campaign_id", "failure_kind"],
        postgresql_where=sa.text("state = 'FAILED'"),
        sqlite_where=sa.text("state = 'FAILED'"),
    )
    op.create_index(
        "ix_evaluation_finished",
        "evaluation",
        ["campaign_id", "finish_sequence"],
        postgresql_where=sa.text("finish_sequence IS NOT NULL"),
        sqlite_where=sa.text("finish_sequence IS NOT NULL"),
    )
    op.create_index(
        "ix_evaluation_ready",
        "evaluation",
        [sa.literal_column("priority DESC"), "id"],
        postgresql_where=sa.text("state = 'READY'"),
        sqlite_where=sa.text("state = 'READY'"),
    )
    op.create_index(
        "ix_evaluation_running",
        "evaluation",
        ["launcher_id", "campaign_id"],
        postgresql_where=sa.text("state = 'RUNNING'"),
        sqlite_where=sa.text("state = 'RUNNING'"),
    )


def _evaluation_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("proposal_kind", sa.Text(), nullable=False),
        sa.Column("proposal_mean", sa.Double(), nullable=True),
        sa.Column("proposal_std", sa.Double(), nullable=True),
        sa.Column("proposal_acquisition", sa.Double(), nullable=True),
        sa.Column("cores", sa.Integer(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("memory_gib", sa.Double(), nullable=False),
        sa.Column("nodes", sa.Integer(), nullable=False),
        sa.Column("ranks_per_node", sa.Integer(), nullable=False),
        sa.Column("whole_node", sa.Boolean(), nullable=False),
        sa.Column("time_limit_seconds", sa.Double(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("launcher_id", ID, nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("claimed_at", sa.Double(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("finish_sequence", sa.BigInteger(), nullable=True),
        sa.Column("objective", sa.Double(), nullable=True),
        sa.Column("metrics", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("failure_kind", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("exit_status", sa.Integer(), nullable=True),
        sa.Column("node", sa.Text(), nullable=False),
    ]


def _evaluation_constraints() -> list[sa.Constraint]:
    return [
        sa.CheckConstraint(
            "(state = 'DONE') = (objective IS NOT NULL)", name="ck_evaluation_done_has_objective"
        ),
        sa.CheckConstraint(
            "(state = 'FAILED') = (failure_kind IS NOT NULL)", name="ck_evaluation_failed_has_kind"
        ),
        sa.CheckConstraint(
            "(state IN ('CANCELLED', 'DONE', 'FAILED')) = (finish_sequence IS NOT NULL)",
            name="ck_evaluation_final_has_sequence",
        ),
        sa.CheckConstraint(
            "(state IN ('CANCELLED', 'DONE', 'FAILED')) = (finished_at IS NOT NULL)",
            name="ck_evaluation_final_has_time",
        ),
        sa.CheckConstraint(
            "failure_kind IN ('ERROR', 'TIMEOUT', 'OUT_OF_MEMORY', 'BAD_RESULT', 'LOST')",
            name="ck_evaluation_failure_kind",
        ),
        sa.CheckConstraint("state <> 'READY' OR launcher_id IS NULL", name="ck_evaluation_ready_is_free"),
        sa.CheckConstraint(
            "state <> 'RUNNING' OR (launcher_id IS NOT NULL AND claimed_at IS NOT NULL AND attempt >= 1)",
            name="ck_evaluation_running_is_held",
        ),
        sa.CheckConstraint(
            "state IN ('READY', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED')", name="ck_evaluation_state"
        ),
    ]


def _evaluation_ranges_and_keys() -> list[sa.Constraint]:
    return [
        sa.CheckConstraint(
            "cores >= 1 AND gpus >= 0 AND nodes >= 1 AND ranks_per_node >= 1 AND memory_gib >= 0",
            name="ck_evaluation_resources",
        ),
        sa.CheckConstraint(
            "memory_gib BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308",
            name="ck_evaluation_memory_is_finite",
        ),
        sa.CheckConstraint(
            "objective BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308",
            name="ck_evaluation_objective_is_finite",
        ),
        sa.CheckConstraint(
            "ordinal >= 0 AND attempt >= 0 AND failures >= 0 AND interruptions >= 0",
            name="ck_evaluation_counts_from_zero",
        ),
        sa.CheckConstraint("time_limit_seconds > 0", name="ck_evaluation_time_limit"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_evaluation_campaign_id"),
        sa.ForeignKeyConstraint(["launcher_id"], ["launcher.id"], name="fk_evaluation_launcher_id"),
        sa.PrimaryKeyConstraint("id", name="pk_evaluation"),
        sa.UniqueConstraint("campaign_id", "ordinal", name="uq_evaluation_campaign_id_ordinal"),
    ]


def _evaluation_event() -> None:
    op.create_table(
        "evaluation_event",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("evaluation_id", ID, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("move", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("launcher_id", ID, nullable=True),
        sa.Column("node", sa.Text(), nullable=True),
        sa.Column("failure_kind", sa.Text(), nullable=True),
        sa.Column("exit_status", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name="fk_evaluation_event_evaluation_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_evaluation_event"),
    )
    op.create_index("ix_evaluation_event_evaluation", "evaluation_event", ["evaluation_id", "id"])
