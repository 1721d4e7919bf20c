"""People add evaluations and tell results of elsewhere; their ordinals are negative."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

OLD = "ordinal >= 0 AND attempt >= 0 AND failures >= 0 AND interruptions >= 0"
NEW = (
    "attempt >= 0 AND failures >= 0 AND interruptions >= 0 AND "
    "(ordinal < 0) = (proposal_kind IN ('manual', 'imported'))"
)


def upgrade() -> None:
    for name in ("added", "imported"):
        op.add_column("campaign_progress", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("ck_evaluation_counts_from_zero", "evaluation")
        op.create_check_constraint("ck_evaluation_counts_from_zero", "evaluation", NEW)
    else:
        _edit_stored_schema()


def _edit_stored_schema() -> None:
    """Change the constraint on SQLite without a copy of the table, which other tables refer to.

    Source: https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes": for
    changes that leave what is stored as it is. No stored row contradicts the new one.
    """
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    changed = connection.execute(
        sa.text(
            "UPDATE sqlite_master SET sql = replace(sql, :old, :new) "
            "WHERE type = 'table' AND name = 'evaluation' AND instr(sql, :old) > 0"
        ),
        {"old": OLD, "new": NEW},
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")
    assert changed.rowcount == 1
