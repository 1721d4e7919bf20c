"""Exports hold what is stored, and a spreadsheet takes no stored text for a formula."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow.parquet
import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.reporting.table_export import csv_text, write_parquet


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\uff1d1", "=cmd|'/c x'!A0"]
)
def test_a_formula_is_text(text: str) -> None:
    """A name of a metric as well as an error."""
    ((name,), (value,)) = csv.reader(io.StringIO(csv_text([{text: text}]), newline=""))
    assert (name, value) == (f"'{text}", f"'{text}")


def test_numbers_stay_numbers() -> None:
    """A negative objective is no formula, and what is missing is empty."""
    rows = [{"a": -1, "b": -0.5, "c": None, "d": True, "e": "x=1"}, {"a": -(2**70)}]
    assert csv_text(rows) == "a,b,c,d,e\n-1,-0.5,,True,x=1\n-1180591620717411303424,,,,\n"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_line_end_in_a_cell_begins_no_row(end: str) -> None:
    """What follows it would be the first cell of a row, and a formula."""
    assert csv_text([{"error": f"x{end}=1"}]) == f'error\n"x{end}=1"\n'


def test_parquet_holds_every_metric(tmp_path: Path) -> None:
    """What no type of it can hold becomes text, and exact."""
    wide = 2**64 - 59
    columns = {
        "wide": [1, wide],
        "mixed": [1, 2.5],
        "mixed wide": [2**60 + 1, 0.5],
        "nested": [[1, "a"], 3],
        "flag": [True, 1],
        "nan": [float("nan"), 1.0],
        "formula": ["=1", "-1"],
        "half": ["\ud800", None],
        "int": [-5, None],
        "huge": [10**400, 0.5],
    }
    rows = [{name: values[index] for name, values in columns.items()} for index in (0, 1)]
    write_parquet(rows, tmp_path / "t.parquet")
    read = pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert str(read.pop("nan")) == "[nan, 1.0]"
    assert read == {
        "wide": ["1", str(wide)],
        "mixed": [1.0, 2.5],
        "mixed wide": [str(2**60 + 1), "0.5"],
        "nested": ["[1, 'a']", "3"],
        "flag": ["True", "1"],
        "formula": ["=1", "-1"],
        "half": ["\\ud800", None],
        "int": [-5, None],
        "huge": [str(10**400), "0.5"],
    }


def test_a_column_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever pyarrow objects to, it is one message."""
    monkeypatch.setattr("ambs_hpc.reporting.table_export._uniform", lambda values: [object()])
    with pytest.raises(UsageError, match="Column 'm:odd' cannot be written"):
        write_parquet([{"m:odd": 1}], tmp_path / "t.parquet")


def test_columns_of_parameters_come_in_their_order() -> None:
    """The first row may lack one that is inactive in it, and that must not stand behind the metrics."""
    rows = [{"id": 1, "p:b": 1, "m:x": 2}, {"id": 2, "p:c": 3, "p:b": 4, "p:a": 5, "m:x": 6}]
    assert csv_text(rows, ["p:c", "p:b", "p:gone", "p:a"]).splitlines()[0] == "id,p:c,p:b,p:a,m:x"
    assert csv_text(rows).splitlines()[0] == "id,p:b,m:x,p:c,p:a"
