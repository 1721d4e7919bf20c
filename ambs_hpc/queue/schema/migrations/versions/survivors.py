"""The column that says where evaluations survive their launcher is named as in the code."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # Both databases understand this form; Alembic's own would copy the table on SQLite.
    op.execute("ALTER TABLE launcher RENAME COLUMN outlived_by TO survives_in")
