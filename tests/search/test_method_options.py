"""The options that people read about are those there are."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from ambs_hpc.search import METHODS
from ambs_hpc.search.method_options import CLASSIC, AmbsOptions

PAGE = (Path(__file__).parents[2] / "docs" / "searching.md").read_text()


def test_the_page_tells_every_option_with_its_defaults() -> None:
    """A default that changes in the code alone would mislead who reads the table."""
    told = {
        name: (ours, classic)
        for name, ours, classic in re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", PAGE, flags=re.MULTILINE)
    }

    def written(value: object) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)

    classic = asdict(CLASSIC)
    assert told == {
        name: (written(value), written(classic[name])) for name, value in asdict(AmbsOptions()).items()
    }


def test_the_page_names_every_method() -> None:
    """A method that is registered and not on the page is found by nobody."""
    rows = PAGE.split("| method |")[1].split("\n\n")[0]
    told = set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in rows.splitlines() if "`" in row)))
    assert told == set(METHODS)
