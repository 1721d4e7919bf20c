"""Alembic's entry point: runs the migrations on the caller's connection, in the caller's transaction."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table=context.config.attributes["version_table"],
    transaction_per_migration=False,
)
# Alembic begins no transaction: the caller's covers the version row too, so that no half migration can stay.
context.run_migrations()
