"""What tables of our own, of DeepHyper and of anybody say, before a space is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.observations import RawObservation, RowEnding, read_observations

# As DeepHyper 0.13.2 writes it: values of finished calls, "F..." for those that failed.
DEEPHYPER = """\
p:units,p:lr,p:activation,objective,job_id,job_status,m:timestamp_submit,m:timestamp_gather
64,0.0031622776601683794,relu,0.91,0,DONE,0.52,3.9
17,0.5,tanh,F_out_of_memory,1,DONE,0.53,4.1
9,0.25,tanh,F_CANCELLED,2,CANCELLED,0.54,4.4
"""


def written(folder: Path, text: str, name: str = "old.csv") -> str:
    file = folder / name
    file.write_text(text, newline="")
    return str(file)


def test_deephypers_results_are_read_with_their_failures(tmp_path: Path) -> None:
    """Years of searches lie in this format: nothing in it may be lost or taken for something else."""
    source = written(tmp_path, DEEPHYPER)
    times = {"timestamp_submit": 0.52, "timestamp_gather": 3.9}
    first, second, third = read_observations(source)
    assert first == RawObservation(
        f"{source}, line 2",
        {"units": "64", "lr": "0.0031622776601683794", "activation": "relu"},
        RowEnding.DONE,
        0.91,
        metrics=times,
        direction="maximize",
    )
    assert (second.ending, second.objective, second.words) == (RowEnding.FAILED, None, "F_out_of_memory")
    assert (third.ending, third.words) == (RowEnding.SKIPPED, "was cancelled")


@pytest.mark.parametrize(
    ("cell", "ending", "objective"),
    [
        ("1e-3", RowEnding.DONE, 0.001),
        ("nan", RowEnding.FAILED, None),
        ("inf", RowEnding.FAILED, None),
        ("", RowEnding.SKIPPED, None),
        ("good", RowEnding.REFUSED, None),
    ],
)
def test_an_objective_is_a_number_a_failure_or_nothing(
    cell: str, ending: RowEnding, objective: float | None, tmp_path: Path
) -> None:
    """An empty cell is no failure: it may be an evaluation that still ran when the table was written."""
    (row,) = read_observations(written(tmp_path, f"x,objective\n1,{cell}\n"))
    assert (row.ending, row.objective) == (ending, objective)


def test_columns_and_delimiters_of_spreadsheets_are_understood(tmp_path: Path) -> None:
    """A table that was saved by a spreadsheet has a mark at its beginning, semicolons, and other names."""
    source = written(tmp_path, '\ufefflearning rate;loss;day\r\n0.1;2.5;"a\nb"\r\n\r\n0.2;3;b\r\n')
    rows = read_observations(source, objective="loss", renamed={"learning rate": "lr"})
    assert [(row.place.split(", ")[1], row.values, row.objective, row.is_exact) for row in rows] == [
        ("line 3", {"lr": "0.1", "day": "a\nb"}, 2.5, False),
        ("line 5", {"lr": "0.2", "day": "b"}, 3.0, False),
    ]


def test_json_keeps_types_and_may_nest_configurations(tmp_path: Path) -> None:
    """`ambs list --json` nests them, and a text in JSON is no number."""
    entry = {"configuration": {"x": 1, "kind": "1"}, "objective": 2, "metrics": {"epochs": 3}}
    ours = {"state": "READY", "ordinal": 4, "attempt": 0, "objective": None, "configuration": {"x": 2}}
    for text in (json.dumps([entry, ours]), f"{json.dumps(entry)}\n{json.dumps(ours)}\n"):
        first, second = read_observations(written(tmp_path, text, "old.json"))
        assert first.values == {"x": 1, "kind": "1"}
        assert (first.objective, first.metrics) == (2.0, {"epochs": 3})
        assert (second.ending, second.words) == (RowEnding.SKIPPED, "is READY")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: its first line must name the columns"),
        ("x,objective\n", "has no row below its header"),
        ("x,x,objective\n1,2,3\n", "the column 'x' is there twice"),
        ("x,objektive\n1,2\n", "has no column 'objective'. Say which holds the objective by --objective"),
        ("p:x,objective_0,objective_1\n1,2,3\n", "choose by --objective objective_0"),
        ("[1, 2", "is not JSON"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_give(text: str, message: str, tmp_path: Path) -> None:
    """A person must be able to mend the file, or the command, from the message alone."""
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        read_observations(written(tmp_path, text))


def test_a_broken_row_is_refused_alone(tmp_path: Path) -> None:
    """One unquoted comma must not shift a row's values under other names, nor refuse the others."""
    first, second = read_observations(written(tmp_path, "name,x,objective\na,b,1,2\na,1,2\n"))
    assert first.ending is RowEnding.REFUSED
    assert first.words == "has 4 cells under 3 columns: quote texts that hold a delimiter"
    assert second.ending is RowEnding.DONE


def test_a_map_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    """A misspelt column would otherwise be a parameter without a value in every row."""
    source = written(tmp_path, DEEPHYPER)
    with pytest.raises(UsageError, match=r"has no column 'unit'. Did you mean 'units'"):
        read_observations(source, renamed={"unit": "width"})
    with pytest.raises(UsageError, match="has a column 'lr' as well"):
        read_observations(source, renamed={"units": "lr"})


def test_the_column_of_the_objective_may_be_mapped_as_others_are(tmp_path: Path) -> None:
    """It is the first thing that a person tries; it is no parameter by that, also where these are marked."""
    for x in ("x", "p:x"):
        source = written(tmp_path, f"{x},top1\n1,0.5\n")
        (row,) = read_observations(source, objective="accuracy", renamed={"top1": "accuracy"})
        assert (row.objective, dict(row.values)) == (0.5, {"x": "1"})
