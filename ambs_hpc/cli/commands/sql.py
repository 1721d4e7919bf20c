"""`ambs sql`: runs a read-only query on the views."""

from __future__ import annotations

from typing import Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, Database


def sql(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="A SELECT statement, for instance on v_evaluations.")
    ],
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Run a read-only query; the database itself refuses anything else."""
    from ambs_hpc.cli.shared.options import chosen_database, open_engine
    from ambs_hpc.cli.shared.output import print_json, print_table
    from ambs_hpc.postgres_server import reader_instead
    from ambs_hpc.queue import run_read_only_sql

    columns, rows = run_read_only_sql(open_engine(reader_instead(chosen_database(db))), query)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
