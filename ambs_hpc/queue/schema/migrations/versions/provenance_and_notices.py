"""With which sources and programs a campaign ran, and what people were told of it."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "provenance",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.CheckConstraint("digest <> ''", name="ck_provenance_digest"),
        sa.PrimaryKeyConstraint("digest", name="pk_provenance"),
    )
    op.create_table(
        "provenance_use",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("launcher_id", ID, nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.CheckConstraint("revision >= 1", name="ck_provenance_use_revision"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_provenance_use_campaign_id"),
        sa.ForeignKeyConstraint(["launcher_id"], ["launcher.id"], name="fk_provenance_use_launcher_id"),
        sa.ForeignKeyConstraint(["digest"], ["provenance.digest"], name="fk_provenance_use_digest"),
        sa.PrimaryKeyConstraint("id", name="pk_provenance_use"),
    )
    op.create_index("ix_provenance_use_campaign", "provenance_use", ["campaign_id", "id"])
    op.create_table(
        "notice",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.CheckConstraint("audience <> '' AND key <> '' AND kind <> ''", name="ck_notice_names"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_notice_campaign_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notice"),
        sa.UniqueConstraint("campaign_id", "audience", "key", name="uq_notice_campaign_id_audience_key"),
    )
