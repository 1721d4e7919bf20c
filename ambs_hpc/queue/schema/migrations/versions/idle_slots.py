"""Launchers store how busy their slots are, and why some are idle."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("launcher", sa.Column("busy_seconds", sa.Double(), nullable=False, server_default="0"))
    op.add_column("launcher", sa.Column("idle", sa.Text(), nullable=False, server_default=""))
