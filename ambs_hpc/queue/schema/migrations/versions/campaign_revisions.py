"""Campaigns may change while they live, as dated revisions."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DEFINITION = (
    *("problem", "objective", "direction", "directory", "run_directory", "method", "method_options", "seed"),
    *("max_evaluations", "max_failures", "max_interruptions"),
)


def upgrade() -> None:
    op.add_column("campaign", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("campaign", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("evaluation", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("evaluation", sa.Column("next_configuration", sa.JSON(none_as_null=True)))
    op.add_column("evaluation_event", sa.Column("revision", sa.Integer()))
    op.create_table(
        "campaign_revision",
        sa.Column("campaign_id", ID, nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("effects", sa.JSON(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.CheckConstraint("number >= 1", name="ck_campaign_revision_number"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_campaign_revision_campaign_id"),
        sa.PrimaryKeyConstraint("campaign_id", "number", name="pk_campaign_revision"),
    )
    _store_firsts(op.get_bind())


def _store_firsts(connection: sa.Connection) -> None:
    """Every campaign that there is gets what it is now as its first revision."""
    columns = ", ".join(("id", "created_at", *DEFINITION))
    found = connection.execute(sa.text(f"SELECT {columns} FROM campaign"))
    for row in found.mappings().all():
        definition = {name: _value(name, row[name]) for name in DEFINITION} | {"priority": 0}
        connection.execute(
            sa.text(
                "INSERT INTO campaign_revision (campaign_id, number, at, who, changes, effects, definition) "
                "VALUES (:id, 1, :at, '', '[]', '{}', :definition)"
            ).bindparams(sa.bindparam("definition", type_=sa.JSON())),
            {"id": row["id"], "at": row["created_at"], "definition": definition},
        )


def _value(name: str, value: object) -> object:
    """A column of JSON as its value, which SQLite gives as text."""
    is_text = name in ("problem", "objective", "method_options") and isinstance(value, str)
    return json.loads(str(value)) if is_text else value
