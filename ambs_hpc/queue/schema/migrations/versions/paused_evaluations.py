"""Evaluations pause at rungs and are promoted; what was removed of checkpoints is known."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LARGEST = "1.7976931348623157e308"
# The constraints that change: the table, the name, what it was, what it is.
CHANGED = (
    (
        "evaluation",
        "state",
        "state IN ('READY', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED')",
        "state IN ('READY', 'RUNNING', 'PAUSED', 'DONE', 'FAILED', 'CANCELLED')",
    ),
    (
        "campaign_progress",
        "counters",
        "done >= 0 AND failed >= 0 AND cancelled >= 0 AND done + failed + cancelled <= enqueued",
        "done >= 0 AND failed >= 0 AND cancelled >= 0 AND paused >= 0 AND "
        "done + failed + cancelled + paused <= enqueued",
    ),
)
PAUSED_AT = "state <> 'PAUSED' OR (paused_rung IS NOT NULL AND launcher_id IS NULL)"


def upgrade() -> None:
    op.add_column("campaign_progress", sa.Column("paused", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("evaluation", sa.Column("paused_rung", sa.BigInteger()))
    if op.get_bind().dialect.name == "postgresql":
        for table, name, _, new in CHANGED:
            op.drop_constraint(f"ck_{table}_{name}", table)
            op.create_check_constraint(f"ck_{table}_{name}", table, new)
        op.create_check_constraint("ck_evaluation_paused_at", "evaluation", PAUSED_AT)
    else:
        ready = "CONSTRAINT ck_evaluation_ready_is_free"
        _edit_stored_schema(
            [
                *((table, old, new) for table, _, old, new in CHANGED),
                ("evaluation", ready, f"CONSTRAINT ck_evaluation_paused_at CHECK ({PAUSED_AT}), \n\t{ready}"),
            ]
        )
    _create_tables()
    _create_table_of_removals()


def _create_tables() -> None:
    is_paused = sa.text("state = 'PAUSED'")
    op.create_index(
        "ix_evaluation_paused",
        "evaluation",
        ["campaign_id", "paused_rung"],
        postgresql_where=is_paused,
        sqlite_where=is_paused,
    )
    op.create_table(
        "rung_result",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("evaluation_id", ID, nullable=False),
        sa.Column("rung", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("promoted_at", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "rung >= 0 AND step >= rung AND attempt >= 1", name="ck_rung_result_counts_from_zero"
        ),
        sa.CheckConstraint(f"value BETWEEN -{LARGEST} AND {LARGEST}", name="ck_rung_result_value_is_finite"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_rung_result_campaign_id"),
        sa.ForeignKeyConstraint(["evaluation_id"], ["evaluation.id"], name="fk_rung_result_evaluation_id"),
        sa.PrimaryKeyConstraint("id", name="pk_rung_result"),
        sa.UniqueConstraint("evaluation_id", "rung", name="uq_rung_result_evaluation_id_rung"),
    )
    op.create_index("ix_rung_result_campaign", "rung_result", ["campaign_id", "id"])


def _create_table_of_removals() -> None:
    op.create_table(
        "removed_checkpoint",
        sa.Column("evaluation_id", ID, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("freed_at", sa.Double(), nullable=True),
        sa.CheckConstraint("attempt >= 1 AND bytes >= 0", name="ck_removed_checkpoint_counts_from_zero"),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluation.id"], name="fk_removed_checkpoint_evaluation_id"
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "attempt", name="pk_removed_checkpoint"),
    )


def _edit_stored_schema(edits: Sequence[tuple[str, str, str]]) -> None:
    """Change constraints on SQLite without copies of the tables, which other tables refer to.

    Source: https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes": for
    changes that leave what is stored as it is. No stored row contradicts the new ones.
    """
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    for table, old, new in edits:
        changed = connection.execute(
            sa.text(
                "UPDATE sqlite_master SET sql = replace(sql, :old, :new) "
                "WHERE type = 'table' AND name = :table AND instr(sql, :old) > 0"
            ),
            {"old": old, "new": new, "table": table},
        )
        assert changed.rowcount == 1, old
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
