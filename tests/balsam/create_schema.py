"""Make the tables of Balsam's server; run by the Python of its own environment.

Balsam's wheel has no migrations, and what its models say of one index is not valid SQL.
"""

import balsam.server.models as models
from sqlalchemy import Index

table = models.Job.__table__
for index in [one for one in table.indexes if one.name == "ix_jobs_tags"]:
    table.indexes.discard(index)
Index("ix_jobs_tags", table.c.tags, postgresql_using="gin", postgresql_ops={"tags": "jsonb_path_ops"})
models.create_tables()
