"""The options that people read about are those there are."""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.search import METHODS
from ambs_hpc.search.method_options import CLASSIC, AmbsOptions, LatinOptions, read_options

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


NUMBERS = [
    (defaults, field.name)
    for defaults in (AmbsOptions(), LatinOptions())
    for field in fields(defaults)
    if not isinstance(getattr(defaults, field.name), str)
]


@pytest.mark.parametrize("value", [99_999_999_999, "1e300", float("inf"), float("nan"), "1e999", -1])
@pytest.mark.parametrize(("defaults", "name"), NUMBERS, ids=[name for _, name in NUMBERS])
def test_a_number_beyond_all_use_is_refused(
    defaults: AmbsOptions | LatinOptions, name: str, value: object
) -> None:
    """A slip of zeros would fill the memory in the middle of a campaign."""
    with pytest.raises(UsageError, match=rf"option {name}=.*give a (whole )?number"):
        read_options("ambs", defaults, {name: value})  # type: ignore[type-var]
