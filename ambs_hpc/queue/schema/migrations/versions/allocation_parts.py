"""Allocations say from when to when they had how many nodes, where that changed."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("allocation", sa.Column("held", sa.JSON(), nullable=True))
