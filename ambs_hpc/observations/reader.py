"""The one way into a source of results: a file, the standard input, or an Optuna storage."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ambs_hpc.errors import UsageError
from ambs_hpc.observations.columns import table_observations, table_points
from ambs_hpc.observations.raw_observation import RawObservation, RawPoint
from ambs_hpc.observations.table_rows import TableRow, read_csv, read_json

MOST_BYTES = 1 << 30  # of a file; what is larger is no table of evaluations
STANDARD_INPUT = "-"
NO_NAMES: Mapping[str, str] = MappingProxyType({})


def read_observations(
    source: str,
    *,
    objective: str | None = None,
    renamed: Mapping[str, str] = NO_NAMES,
    study: str | None = None,
) -> list[RawObservation]:
    """The results that a source holds, in its order; nothing is compared with a space.

    Args:
        source: a .csv or .json file (of `ambs export`, DeepHyper, or any table with a column a parameter),
            "-" for the standard input, or the URL of an Optuna storage, as "sqlite:///old.db".
        objective: column of the objective; None for "objective". Not for Optuna.
        renamed: new names of parameters by their old ones.
        study: name of the Optuna study; None where the storage has only one.

    Raises:
        UsageError: the source cannot be read as a whole; the message says what to give instead. What is
            wrong with single rows is in their `ending` and `words`.
    """
    if is_storage(source):
        from ambs_hpc.observations.optuna_study import study_observations

        if objective is not None:
            raise UsageError("--objective names a column; an Optuna study has one objective, which is taken.")
        return study_observations(source, study, renamed)
    if study is not None:
        raise UsageError(f"--study {study}: {source} is a file. Give the storage's URL by --optuna URL.")
    return table_observations(source, _rows(source), objective, renamed)


def is_storage(source: str) -> bool:
    """Whether it is the URL of an Optuna storage, which has no columns, and not a table."""
    return "://" in source


def read_points(source: str) -> list[RawPoint]:
    """The configurations that a file holds, in its order.

    Args:
        source: a .json file with a list of objects, or a .csv file with a column a parameter; "-" for the
            standard input. Of a table with p: columns only those are read.

    Raises:
        UsageError: the source, or a row of it, cannot be read.
    """
    return table_points(source, _rows(source))


def _rows(source: str) -> list[TableRow]:
    where, data = _content(source)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{where} is not text in UTF-8 ({error.reason} at byte {error.start}). Save it as CSV in UTF-8; "
            "Parquet can be written again by `ambs export csv`."
        ) from error
    is_json = source.endswith((".json", ".jsonl")) or text.lstrip()[:1] in ("[", "{")
    return read_json(where, text) if is_json else read_csv(where, text)


def _content(source: str) -> tuple[str, bytes]:
    if source == STANDARD_INPUT:
        return "standard input", sys.stdin.buffer.read()
    path = Path(source)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{source} is larger than 1 GiB: give a table with one row an evaluation.")
        return source, path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{source} cannot be read: {error.strerror or error}. Give a .csv or .json file, or - for the "
            "standard input."
        ) from error
