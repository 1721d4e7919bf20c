"""docs/database.md promises columns and shows queries; both are true on both databases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.queue import run_read_only_sql
from ambs_hpc.queue.schema.views import NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "database.md").read_text()
QUERIES = [line for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def test_every_view_is_described_to_the_last_column(any_engine: Engine) -> None:
    """A column that is not in the page is not promised; one that is missing breaks scripts."""
    promised = dict(re.findall(r"^\| `(v_\w+)` \|[^|]*\| ([^|]*) \|$", PAGE, re.MULTILINE))
    assert set(promised) == set(NAMES)
    for name, columns in promised.items():
        assert run_read_only_sql(any_engine, f"SELECT * FROM {name}")[0] == columns.split(", ")


@pytest.mark.parametrize("query", QUERIES)
def test_the_queries_of_the_page_run(any_engine: Engine, query: str) -> None:
    """People copy them."""
    assert run_read_only_sql(any_engine, query)[0]
