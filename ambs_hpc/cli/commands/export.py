"""`ambs export`: all evaluations as one table for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.shared.options import CampaignName, Database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ambs_hpc.queue import EvaluationRow

FORMATS = ("csv", "json", "parquet")


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="csv, json or parquet.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write; by default stdout.")
    ] = None,
    campaign: CampaignName = None,
    db: Database = None,
) -> None:
    """Write every evaluation: one column for each parameter (p:NAME) and metric (m:NAME)."""
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign, open_engine
    from ambs_hpc.errors import UsageError, nearest

    if form not in FORMATS:
        raise UsageError(f"{form}: no such format. {nearest(form, FORMATS)}")
    if form == "parquet" and output is None:
        raise UsageError("parquet is not text: give --output FILE.")
    with queue.reading(open_engine(db)) as connection:
        only = named_campaign(connection, campaign)
        rows = queue.list_evaluations(connection, only.id if only else None, limit=None)
    flat = [flattened(row) for row in rows]
    if form == "parquet":
        assert output is not None
        _write_parquet(flat, output)
        return
    text = _csv(flat) if form == "csv" else _json(flat)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text)


def flattened(row: EvaluationRow) -> dict[str, Any]:
    """One evaluation as plain columns; parameters are p:NAME, metrics m:NAME."""
    from dataclasses import asdict

    fields = asdict(row)
    configuration, metrics = fields.pop("configuration"), fields.pop("metrics")
    fields["state"] = row.state.value
    fields["failure_kind"] = row.failure_kind.value if row.failure_kind else None
    return {
        **fields,
        **{f"p:{name}": value for name, value in configuration.items()},
        **{f"m:{name}": value for name, value in metrics.items()},
    }


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _json(rows: Sequence[dict[str, Any]]) -> str:
    import json

    return json.dumps(rows, indent=2) + "\n"


def _write_parquet(rows: Sequence[dict[str, Any]], file: Path) -> None:
    from ambs_hpc.errors import UsageError

    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError("parquet needs pyarrow: pip install 'ambs-hpc[parquet]'.") from error
    columns = {name: _uniform([row.get(name) for row in rows]) for name in _columns(rows)}
    pyarrow.parquet.write_table(pyarrow.table(columns), file)


def _uniform(values: list[Any]) -> list[Any]:
    """A column of one type: choices of several types, and nested metrics, become texts."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and not kinds & {dict, list}:
        return values
    if kinds <= {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]
