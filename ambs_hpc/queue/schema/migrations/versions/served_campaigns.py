"""Launchers say which campaigns they serve."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("launcher", sa.Column("serves", sa.JSON(), nullable=True))
