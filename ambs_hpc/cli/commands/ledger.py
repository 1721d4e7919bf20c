"""`ambs ledger`: what every node-hour of every allocation was spent on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import write

if TYPE_CHECKING:
    from ambs_hpc.api.node_hours.ledger_reader import Comparison


def ledger(
    campaign: CampaignName = None,
    nodes: Annotated[bool, typer.Option("--nodes", help="Also node by node.")] = False,
    against_scheduler: Annotated[
        bool,
        typer.Option("--against-scheduler", help="Ask schedulers what they charged, and compare."),
    ] = False,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Account for every node-hour: useful, failed, lost, idle and why, start-up; the numbers add up.

    By campaign, allocation and, on request, node, with what the next 100 node-hours may bring.
    """
    import time
    from dataclasses import asdict

    from ambs_hpc.api.node_hours.ledger_reader import compare_with_schedulers, outlooks, read_ledger
    from ambs_hpc.api.node_hours.ledger_totals import as_json as sums_of
    from ambs_hpc.api.node_hours.ledger_words import comparison_table, ledger_tables, remarks
    from ambs_hpc.cli.shared.options import known_campaign, open_engine
    from ambs_hpc.cli.shared.output import print_json, print_table
    from ambs_hpc.identity import user_name
    from ambs_hpc.queue import reading

    engine = open_engine(db)
    if campaign is not None:
        with reading(engine) as connection:
            known_campaign(connection, campaign)
    compared: list[Comparison] | None = None
    if against_scheduler:
        book, compared = compare_with_schedulers(engine, user_name(), time.time())
    else:
        book = read_ledger(engine)
    outlook = outlooks(engine, book, campaign)
    if as_json:
        told = sums_of(book) | {"outlook": [asdict(one) for one in outlook]}
        if compared is not None:
            told["against_scheduler"] = [{**asdict(one), "difference": one.difference} for one in compared]
        print_json(told)
        return
    if not book.holdings:
        write("No allocation has run, and no launcher was started. See: ambs submit, or: ambs run\n")
        return
    tables = ledger_tables(book, campaign, with_nodes=nodes)
    tables += [] if compared is None else [comparison_table(compared)]
    for table in tables:
        print_table(table.columns, table.lines)
        write("\n")
    for words in remarks(book, outlook):
        write(f"{words}\n")
