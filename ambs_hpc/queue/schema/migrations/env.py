"""Alembic's entry: runs the migrations on the connection, and in the transaction, of the caller."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    version_table=context.config.attributes["version_table"],
    transaction_per_migration=False,
)
# No transaction of Alembic's: the caller's covers the version row too, so that half a migration cannot stay.
context.run_migrations()
