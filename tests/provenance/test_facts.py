"""What is found of sources and programs: bounded, without secrets, and told in words where it differs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ambs_hpc.provenance.comparison_words import facts_differences, facts_words
from ambs_hpc.provenance.facts import (
    MOST_FILE_BYTES,
    installed_packages,
    provenance_facts,
    source_digests,
)

FACTS = {
    "git": {"commit": "1" * 40, "diff": ""},
    "files": {"model.py": "aa", "problem.py": "bb"},
    "modules": ["gcc/12", "cuda/12.2"],
    "python": "3.11.7",
    "executable": "/env/bin/python",
    "machine": "x86_64",
    "ambs_hpc": "0.1.0",
    "packages": {"numpy": "2.0", "torch": "2.1"},
}


def test_values_of_the_environment_are_not_kept(tmp_path: Path) -> None:
    """Everybody who reads the database reads this, and tokens live in environments."""
    environment = {"PATH": os.environ["PATH"], "API_TOKEN": "hunter2", "LOADEDMODULES": "gcc/12:cuda/12.2"}
    facts = provenance_facts(tmp_path, environment, path=[])
    assert "hunter2" not in json.dumps(facts)
    assert facts["modules"] == ["gcc/12", "cuda/12.2"]
    assert facts["git"] == {"unknown": "no git repository"}


def test_only_plain_small_files_are_read(tmp_path: Path) -> None:
    """A named pipe would be waited for, and a huge file read for minutes."""
    (tmp_path / "problem.py").write_text("x = 1\n")
    os.mkfifo(tmp_path / "pipe.py")
    with (tmp_path / "huge.py").open("wb") as huge:
        huge.truncate(MOST_FILE_BYTES + 1)
    (tmp_path / "data.csv").write_text("1\n")
    digests = source_digests(tmp_path, 10.0)
    assert digests["pipe.py"] == "no regular file"
    assert digests["huge.py"] == f"{MOST_FILE_BYTES + 1} bytes"
    assert len(digests["problem.py"]) == 16
    assert list(digests) == ["huge.py", "pipe.py", "problem.py"]
    assert list(source_digests(tmp_path / "gone", 10.0)) == ["."]


def test_packages_are_known_by_the_names_of_their_folders(tmp_path: Path) -> None:
    """Reading the files of hundreds of packages takes minutes on a busy parallel file system."""
    for place, name in (
        ("first", "numpy-2.0.dist-info"),
        ("second", "numpy-1.0.dist-info"),
        ("second", "My_Package-3.1-py3.11.egg-info"),
        ("second", "numpy"),
    ):
        (tmp_path / place / name).mkdir(parents=True)
    path = [str(tmp_path / "first"), str(tmp_path / "gone.zip"), str(tmp_path / "second")]
    assert installed_packages(path) == {"my-package": "3.1", "numpy": "2.0"}


def test_differences_are_told_in_words() -> None:
    """A person must see at once whether it is the code, a package or a module."""
    other = {
        **FACTS,
        "git": {"commit": "2" * 40, "diff": ""},
        "files": {"model.py": "ab", "problem.py": "bb"},
        "modules": ["gcc/12", "cuda/12.4"],
        "python": "3.12.1",
        "packages": {"numpy": "2.0", "torch": "2.2", "jax": "0.4"},
    }
    assert facts_differences(FACTS, FACTS) == []
    assert facts_differences(FACTS, other) == [
        "git 1111111111 -> 2222222222",
        "files model.py",
        "Python 3.11.7 -> 3.12.1",
        "packages torch 2.1 -> 2.2, jax none -> 0.4",
        "modules -cuda/12.2, +cuda/12.4",
    ]
    uncommitted = {**FACTS, "git": {"commit": "1" * 40, "diff": "cc"}}
    assert facts_differences(FACTS, uncommitted) == ["changes that are not committed"]
    assert facts_differences(FACTS, {**FACTS, "modules": ["cuda/12.2", "gcc/12"]}) == [
        "modules in another order"
    ]
    assert (
        facts_words(uncommitted) == "git 1111111111, changed since (diff cc); Python 3.11.7; ambs_hpc 0.1.0"
    )
    assert facts_words({}) == "Python unknown; ambs_hpc unknown"
