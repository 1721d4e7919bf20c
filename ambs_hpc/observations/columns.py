"""What the columns of a table mean: our export's, DeepHyper's, or one column a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.observations.raw_observation import RawObservation, RawPoint, RowEnding, ending_of
from ambs_hpc.observations.table_rows import TableRow
from ambs_hpc.states import FailureKind, State

PARAMETER, METRIC = "p:", "m:"
OBJECTIVE = "objective"
NESTED = "configuration"  # where `ambs list --json` has the parameters
# Columns by which a table is known to be of `ambs export`, or of DeepHyper (all versions with p: columns).
_OURS, _DEEPHYPER = {"state", "ordinal", "attempt"}, {"job_id", "job_status"}
DEEPHYPER_DIRECTION = "maximize"


def table_observations(
    where: str, rows: Sequence[TableRow], objective: str | None, renamed: Mapping[str, str]
) -> list[RawObservation]:
    """The rows of a table as results.

    Raises:
        UsageError: there is no row, no such column of the objective, or no column of a renamed name.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row.cells))
    if not columns:
        raise UsageError(f"{where} has no row below its header: there is nothing to tell.")
    column = _objective_column(where, columns, objective, renamed)
    names = list(dict.fromkeys(name for row in rows for name in _parameter_names(row, column)))
    _check_renamed(where, [*names, *columns], renamed)
    return [_observation(row, column, renamed) for row in rows]


def table_points(where: str, rows: Sequence[TableRow]) -> list[RawPoint]:
    """The configurations of a table; every column is a parameter, unless some are marked as such.

    Raises:
        UsageError: there is no row, or one of them is broken.
    """
    if not rows:
        raise UsageError(f"{where} holds no configuration.")
    for row in rows:
        if row.broken:
            raise UsageError(f"{row.place} {row.broken}.")
    return [RawPoint(row.place, _values(row, None, {})[0]) for row in rows]


def _objective_column(
    where: str, columns: Sequence[str], objective: str | None, renamed: Mapping[str, str]
) -> str:
    wanted = objective or OBJECTIVE
    for name in (wanted, METRIC + wanted, *(old for old, new in renamed.items() if new == wanted)):
        if name in columns:
            return name
    several = [name for name in columns if name.startswith(f"{OBJECTIVE}_")]
    if objective is None and several:
        raise UsageError(
            f"{where} has several objectives ({', '.join(several)}), a campaign has one: choose by "
            f"--objective {several[0]}."
        )
    raise UsageError(
        f"{where} has no column {wanted!r}. Say which holds the objective by --objective COLUMN. "
        + nearest(wanted, columns)
    )


def _check_renamed(where: str, names: Sequence[str], renamed: Mapping[str, str]) -> None:
    for old, new in renamed.items():
        if new in names and new not in renamed and new != old.removeprefix(PARAMETER):
            raise UsageError(f"--map {old}={new}: {where} has a column {new!r} as well. Rename one of them.")
        if old.removeprefix(PARAMETER) not in names and old not in names:
            raise UsageError(f"--map {old}={new}: {where} has no column {old!r}. " + nearest(old, names))


def _parameter_names(row: TableRow, objective: str) -> list[str]:
    """The names of what may be parameters: those that are marked as such, or all but the objective."""
    nested = row.cells.get(NESTED)
    if isinstance(nested, Mapping):
        return [str(name) for name in nested]
    marked = [name.removeprefix(PARAMETER) for name in row.cells if name.startswith(PARAMETER)]
    return marked or [name for name in row.cells if name != objective]


def _observation(row: TableRow, objective: str, renamed: Mapping[str, str]) -> RawObservation:
    if row.broken:
        return RawObservation(row.place, {}, RowEnding.REFUSED, words=row.broken)
    columns = row.cells.keys()
    values, is_exact = _values(row, objective, renamed)
    ending, number, words = ending_of(row.cells.get(objective))
    kind = ""
    if columns >= _OURS:
        ending, number, words, kind = _of_our_state(row, ending, number, words)
    return RawObservation(
        place=row.place,
        values=values,
        ending=ending,
        objective=number,
        words=words,
        failure_kind=kind,
        metrics=_metrics(row, objective),
        is_exact=is_exact,
        direction=_direction(row),
        campaign=str(row.cells.get("campaign") or "") if columns >= _OURS else "",
    )


def _values(
    row: TableRow, objective: str | None, renamed: Mapping[str, str]
) -> tuple[dict[str, object], bool]:
    nested = row.cells.get(NESTED)
    is_marked = any(name.startswith(PARAMETER) for name in row.cells)
    if isinstance(nested, Mapping):
        found: dict[str, object] = {str(name): value for name, value in nested.items()}
    elif is_marked:
        found = {n.removeprefix(PARAMETER): v for n, v in row.cells.items() if n.startswith(PARAMETER)}
    else:
        found = {name: value for name, value in row.cells.items() if name != objective}
    by_plain_name = {old.removeprefix(PARAMETER): new for old, new in renamed.items()}
    values = {by_plain_name.get(name, name): value for name, value in found.items()}
    for old, new in renamed.items():  # a column that was not marked as a parameter is one by its new name
        if old in row.cells and old != objective:
            values[new] = row.cells[old]
    return values, isinstance(nested, Mapping) or is_marked


def _of_our_state(
    row: TableRow, ending: RowEnding, number: float | None, words: str
) -> tuple[RowEnding, float | None, str, str]:
    state, kind = str(row.cells.get("state")), str(row.cells.get("failure_kind") or "")
    if state == State.FAILED.value:
        if kind == FailureKind.LOST.value:
            return (
                RowEnding.SKIPPED,
                None,
                "was lost by its machine, which says nothing of the configuration",
                "",
            )
        said = str(row.cells.get("error") or kind)
        return RowEnding.FAILED, None, said, kind if kind in list(FailureKind) else ""
    if state != State.DONE.value:
        return RowEnding.SKIPPED, None, f"is {state}", ""
    return ending, number, words, ""


def _metrics(row: TableRow, objective: str) -> dict[str, object]:
    nested = row.cells.get("metrics")
    if isinstance(nested, Mapping):
        return {str(name): value for name, value in nested.items()}
    marked = {n: v for n, v in row.cells.items() if n.startswith(METRIC) and n != objective}
    return {n.removeprefix(METRIC): _number_or(v) for n, v in marked.items() if v not in ("", None)}


def _number_or(value: object) -> object:
    if not isinstance(value, str):
        return value
    for convert in (int, float):
        try:
            return convert(value)
        except ValueError:
            continue
    return value


def _direction(row: TableRow) -> str | None:
    columns = row.cells.keys()
    if columns >= _OURS:
        said = row.cells.get("direction")
        return str(said) if said in ("minimize", "maximize") else None
    is_deephyper = columns >= _DEEPHYPER and any(name.startswith(PARAMETER) for name in columns)
    return DEEPHYPER_DIRECTION if is_deephyper else None
