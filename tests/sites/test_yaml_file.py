"""A YAML file that is no settings file ends in a message at once, not in an endless reading."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ambs_hpc.errors import SiteInvalid
from ambs_hpc.sites import load_site, read_folder
from ambs_hpc.sites.yaml_file import read_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: *a{n - 1}, k{n}: *a{n - 1}}}\n" for n in range(1, 40)
)
TOO_MUCH = {
    "bomb": (BOMB, "values, aliases followed; accepted are 5000"),
    "bomb of merges": (MERGES, "values, aliases followed; accepted are 5000|levels deep"),
    "chain of aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 40)),
        "more than 20 levels deep; accepted are 20",
    ),
    "itself": ("a: &a [*a]\n", "stands within itself"),
    "deep": ("[" * 5_000, "more than 20 levels deep; accepted are 20"),
    "deep blocks": ("- " * 5_000 + "x", "more than 20 levels deep"),
    "many": ("- a\n" * 6_000, "more than 5000 values, aliases followed; accepted are 5000"),
    "large": ("# " + "x" * (1 << 18), "larger than 128 KiB; accepted are files up to that size"),
    "number": ("site: " + "9" * 100_000, "without quotes of 100000 characters; accepted are 4096"),
    "sexagesimal": ("site: " + ":".join(["59"] * 1200) + ".5", "not YAML"),
    "twice": ("site: polaris\nsite: theta\n", "line 2: site: given on line 1 already"),
    "no word": ("on: 3\n", "does not read this as a word"),
    "object": ("site: !!python/object/apply:os.system [id]\n", "not YAML"),
}
READERS: dict[str, Callable[[Path], object]] = {
    "ambs.yml": lambda folder: read_folder(folder),
    "mine.yml": lambda folder: load_site("mine", folder),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("case", TOO_MUCH)
def test_too_much_is_told_within_a_second(tmp_path: Path, name: str, case: str) -> None:
    """File, what was seen, what is accepted."""
    text, words = TOO_MUCH[case]
    (tmp_path / name).write_text(text)
    begun = time.process_time()
    with pytest.raises(SiteInvalid, match=words) as caught:
        READERS[name](tmp_path)
    assert time.process_time() - begun < 1.0
    assert str(tmp_path / name) in str(caught.value)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe has no end, and a folder no text."""
    os.mkfifo(tmp_path / "mine.yml")
    for path in (tmp_path / "mine.yml", tmp_path):
        with pytest.raises(SiteInvalid, match=r"no regular file|cannot be read"):
            read_yaml(path)


def test_shared_values_still_are(tmp_path: Path) -> None:
    """An alias within reason is YAML's own way of not repeating oneself."""
    (tmp_path / "ambs.yml").write_text("site: &name polaris\nproject: *name\n")
    assert read_folder(tmp_path).project == "polaris"
