"""Observations of other problems are kept with the campaign that starts warm from them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LARGEST = "1.7976931348623157e308"


def upgrade() -> None:
    op.create_table(
        "source",
        sa.Column("id", ID, sa.Identity(), nullable=False),
        sa.Column("campaign_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("name <> ''", name="ck_source_name"),
        sa.CheckConstraint("direction IN ('minimize', 'maximize')", name="ck_source_direction"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_source_campaign_id"),
        sa.PrimaryKeyConstraint("id", name="pk_source"),
        sa.UniqueConstraint("campaign_id", "name", name="uq_source_campaign_id_name"),
    )
    op.create_table(
        "source_observation",
        sa.Column("source_id", ID, autoincrement=False, nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("objective", sa.Double(), nullable=True),
        sa.CheckConstraint("ordinal >= 0", name="ck_source_observation_ordinal"),
        sa.CheckConstraint(
            f"objective BETWEEN -{LARGEST} AND {LARGEST}", name="ck_source_observation_objective_is_finite"
        ),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name="fk_source_observation_source_id"),
        sa.PrimaryKeyConstraint("source_id", "ordinal", name="pk_source_observation"),
    )
