"""Evaluations as a table for analysis: a pandas DataFrame where pandas is installed, else plain records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from ambs_hpc.errors import UsageError
from ambs_hpc.queue import EvaluationRow, Report

TIMES = ("created_at", "started_at", "finished_at")
# The columns that every table has, in this order; parameters and metrics stand after `objective`.
FIRST = ("id", "ordinal", "state", "objective")
LAST = (
    *("failure_kind", "error", "run_seconds", *TIMES),
    *("node", "allocation", "attempt", "failures", "interruptions", "exit_status", "priority"),
)

REPORTED = ("step", "objective", "attempt", "at", "thinned")


def records(rows: Sequence[EvaluationRow], parameters: Sequence[str]) -> list[dict[str, Any]]:
    """One dict an evaluation, all with the same keys in the same order; what is not there is None.

    Args:
        parameters: names that get a column `p:NAME` even where no evaluation has them; metrics get `m:NAME`.
    """
    metrics = dict.fromkeys(name for row in rows for name in row.metrics)
    return [_record(row, parameters, list(metrics)) for row in rows]


def frame(rows: Sequence[EvaluationRow], parameters: Sequence[str]) -> Any:
    """The records as a pandas DataFrame; times are of type datetime64 in UTC.

    Raises:
        UsageError: pandas is not installed.
    """
    pandas = _pandas()
    found = records(rows, parameters)
    columns = list(found[0]) if found else [*FIRST, *(f"p:{name}" for name in parameters), *LAST]
    table = pandas.DataFrame(found, columns=columns)
    for name in TIMES:
        table[name] = pandas.to_datetime(table[name], utc=True)
    for name in ("objective", "run_seconds"):
        table[name] = table[name].astype(float)
    return table


def report_records(reports: Sequence[Report]) -> list[dict[str, Any]]:
    """One dict a report, all with the same keys in the same order; a metric that is not there is None."""
    metrics = dict.fromkeys(name for one in reports for name in one.metrics)
    return [
        {
            "step": one.step,
            "objective": one.objective,
            "attempt": one.attempt,
            "at": datetime.fromtimestamp(one.at, tz=timezone.utc),
            "thinned": one.thinned,
            **{f"m:{name}": one.metrics.get(name) for name in metrics},
        }
        for one in reports
    ]


def report_frame(reports: Sequence[Report]) -> Any:
    """The same as a pandas DataFrame.

    Raises:
        UsageError: pandas is not installed.
    """
    pandas = _pandas()
    found = report_records(reports)
    table = pandas.DataFrame(found, columns=list(found[0]) if found else list(REPORTED))
    table["at"] = pandas.to_datetime(table["at"], utc=True)
    return table


def has_pandas() -> bool:
    """Whether pandas is installed; it is not imported."""
    import importlib.util

    return importlib.util.find_spec("pandas") is not None


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UsageError(
            "DataFrames need pandas: pip install 'ambs-hpc[notebook]'; as_frame=False goes without."
        ) from error
    return pandas


def _record(row: EvaluationRow, parameters: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    fields = asdict(row)
    fields["state"] = row.state.value
    fields["failure_kind"] = row.failure_kind.value if row.failure_kind else None
    for name in TIMES:
        seconds = fields[name]
        fields[name] = None if seconds is None else datetime.fromtimestamp(seconds, tz=timezone.utc)
    ran = row.started_at is not None and row.finished_at is not None and row.state.value != "CANCELLED"
    fields["run_seconds"] = (row.finished_at or 0.0) - (row.started_at or 0.0) if ran else None
    return {
        **{name: fields[name] for name in FIRST},
        **{f"p:{name}": row.configuration.get(name) for name in parameters},
        **{f"m:{name}": row.metrics.get(name) for name in metrics},
        **{name: fields[name] for name in LAST},
    }
