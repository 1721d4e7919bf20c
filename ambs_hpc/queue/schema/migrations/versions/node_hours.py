"""What node-hours are accounted for with: nodes of launchers, why slots are idle, ends as schedulers tell."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("allocation", sa.Column("told_ended_at", sa.Double(), nullable=True))
    op.add_column("allocation", sa.Column("expected_start_at", sa.Double(), nullable=True))
    op.create_table(
        "launcher_node",
        sa.Column("launcher_id", ID, autoincrement=False, nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("cores", sa.Integer(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("memory_gib", sa.Double(), nullable=True),
        sa.Column("most", sa.Double(), nullable=True),
        sa.CheckConstraint(
            "cores >= 1 AND gpus >= 0 AND memory_gib > 0 AND most > 0", name="ck_launcher_node_capacity"
        ),
        sa.ForeignKeyConstraint(["launcher_id"], ["launcher.id"], name="fk_launcher_node_launcher_id"),
        sa.PrimaryKeyConstraint("launcher_id", "node", name="pk_launcher_node"),
    )
    op.create_table(
        "launcher_idleness",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("launcher_id", ID, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["launcher_id"], ["launcher.id"], name="fk_launcher_idleness_launcher_id"),
        sa.PrimaryKeyConstraint("id", name="pk_launcher_idleness"),
    )
    op.create_index("ix_launcher_idleness_launcher", "launcher_idleness", ["launcher_id", "id"])
