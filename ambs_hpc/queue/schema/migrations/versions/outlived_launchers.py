"""Launchers say where their evaluations survive them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("launcher", sa.Column("outlived_by", sa.Text(), nullable=False, server_default=""))
