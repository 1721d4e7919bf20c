"""A database, a campaign and a claim have random identities; a launcher says where its pid is its own."""

import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "database_identity",
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_database_identity"),
    )
    op.add_column("campaign", sa.Column("uid", sa.Text(), nullable=False, server_default=""))
    op.add_column("evaluation", sa.Column("claim_token", sa.Text(), nullable=False, server_default=""))
    op.add_column("launcher", sa.Column("namespace", sa.Text(), nullable=False, server_default=""))
    op.add_column("evaluation_event", sa.Column("claim_token", sa.Text()))
    connection = op.get_bind()
    connection.execute(
        sa.text("INSERT INTO database_identity (uid, created_at) VALUES (:uid, :now)"),
        {"uid": secrets.token_hex(8), "now": time.time()},
    )
    for campaign_id in connection.execute(sa.text("SELECT id FROM campaign")).scalars().all():
        connection.execute(
            sa.text("UPDATE campaign SET uid = :uid WHERE id = :id"),
            {"uid": secrets.token_hex(8), "id": campaign_id},
        )
