"""Evaluations tell of themselves while they run."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LARGEST = "1.7976931348623157e308"


def upgrade() -> None:
    op.create_table(
        "report",
        sa.Column("evaluation_id", ID, autoincrement=False, nullable=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("objective", sa.Double(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("thinned", sa.Integer(), nullable=False),
        sa.CheckConstraint("step >= 0 AND attempt >= 1 AND thinned >= 0", name="ck_report_counts_from_zero"),
        sa.CheckConstraint(
            f"objective BETWEEN -{LARGEST} AND {LARGEST}", name="ck_report_objective_is_finite"
        ),
        sa.ForeignKeyConstraint(["evaluation_id"], ["evaluation.id"], name="fk_report_evaluation_id"),
        sa.PrimaryKeyConstraint("evaluation_id", "step", "attempt", name="pk_report"),
    )
