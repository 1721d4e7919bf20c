"""What happened on nodes is kept between allocations."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "node_event",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("stored_at", sa.Double(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_failure", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("launcher_id", ID, nullable=True),
        sa.CheckConstraint("node <> '' AND kind <> ''", name="ck_node_event_names"),
        sa.PrimaryKeyConstraint("id", name="pk_node_event"),
    )
    op.create_index("ix_node_event_at", "node_event", ["at"])
