"""`ambs export`: all evaluations as one table, or as runs of other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.shared.options import AsJson, CampaignName, Database
from ambs_hpc.cli.shared.terminal import echo, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ambs_hpc.queue import EvaluationRow
    from ambs_hpc.records import Campaign

FORMATS = ("csv", "json", "parquet")
BRIDGES = ("mlflow", "tensorboard", "wandb-offline", "optuna")


def export(
    form: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT", help="csv, json or parquet; mlflow, tensorboard, wandb-offline or optuna."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write; by default stdout. For mlflow and the like the folder or file to add to.",
        ),
    ] = None,
    campaign: CampaignName = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Write every evaluation as a table, or add what is new to the files of another program.

    A table has one column for each parameter (p:NAME) and metric (m:NAME).

    Times are UTC in ISO 8601, durations are seconds. `ambs tell` reads CSV and JSON.
    In CSV, a text that a spreadsheet would take for a formula begins with an apostrophe; JSON and Parquet
    hold the exact texts.
    """
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.cli.shared.output import writing
    from ambs_hpc.errors import UsageError, nearest
    from ambs_hpc.reporting.table_export import csv_text, write_parquet

    if form in BRIDGES:
        _export_runs(form, output, campaign, db, as_json=as_json)
        return
    if form not in FORMATS:
        raise UsageError(f"{form}: no such format. {nearest(form, (*FORMATS, *BRIDGES))}")
    if as_json:
        raise UsageError(f"--json belongs to {', '.join(BRIDGES)}; the table as JSON: ambs export json")
    if form == "parquet" and output is None:
        raise UsageError("parquet is not text: give --output FILE.")
    with queue.reading(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        rows = queue.list_evaluations(connection, only.id if only else None, limit=None)
        known = queue.list_campaigns(connection)
    directions = {one.id: one.definition.direction for one in known}
    order = _parameter_order([one for one in known if only is None or one.id == only.id])
    flat = [flattened(row, directions.get(row.campaign_id, "")) for row in rows]
    if form == "parquet":
        assert output is not None
        with writing(output):
            write_parquet(flat, output, order)
        return
    text = csv_text(flat, order) if form == "csv" else _json(flat)
    if output is not None:
        with writing(output):
            output.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    elif sys.stdout.isatty():
        write(text, is_stored=True)
    else:
        sys.stdout.write(text)  # exact: another program reads it


def _export_runs(
    form: str, output: Path | None, campaign: str | None, db: str | None, *, as_json: bool
) -> None:
    """Add to another program's files what they do not have yet of each campaign."""
    from dataclasses import asdict

    from ambs_hpc import queue
    from ambs_hpc.bridges.export_targets import TARGETS, export_campaign
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.cli.shared.output import cell, print_json, writing

    target = TARGETS[form]
    place = Path(target.output) if output is None else output
    engine = open_engine(db)
    with queue.reading(engine) as connection:
        only = named_campaign(connection, campaign)
        chosen = [only] if only else queue.list_campaigns(connection)
    with writing(place, is_added_to=True):
        done = [export_campaign(engine, one, form, place) for one in chosen]
    if as_json:
        print_json({"format": form, "output": str(place), "campaigns": [asdict(one) for one in done]})
        return
    for one in done:
        echo(f"{cell(one.campaign)}: {one.added} new runs, {one.present} were there")
    echo(f"In {place}. Look at it: {target.look.format(output=place)}")


def flattened(row: EvaluationRow, direction: str) -> dict[str, Any]:
    """One evaluation as plain columns; parameters are p:NAME, metrics m:NAME.

    Args:
        direction: of its campaign.
    """
    from dataclasses import asdict

    from ambs_hpc.cli.shared.output import iso_utc

    fields = asdict(row)
    configuration, metrics = fields.pop("configuration"), fields.pop("metrics")
    fields["state"] = row.state.value
    fields["failure_kind"] = row.failure_kind.value if row.failure_kind else None
    for name in ("created_at", "started_at", "finished_at"):
        fields[name] = iso_utc(fields[name])
    fields |= {"run_seconds": row.run_seconds, "direction": direction}
    return {
        **fields,
        **{f"p:{name}": value for name, value in configuration.items()},
        **{f"m:{name}": value for name, value in metrics.items()},
    }


def _parameter_order(campaigns: Sequence[Campaign]) -> list[str]:
    """Columns of parameters in their problems' order."""
    from ambs_hpc.campaign.legal_rows import space_of
    from ambs_hpc.queue import usable

    named = (one["name"] for space in usable(campaigns, space_of) for one in space["hyperparameters"])
    return list(dict.fromkeys(f"p:{name}" for name in named))


def _json(rows: Sequence[dict[str, Any]]) -> str:
    import json

    return json.dumps(rows, indent=2).replace("\x7f", "\\u007f") + "\n"
