"""Balsam's client, whose requirements are old, fits into one environment with everything of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# Hydra's antlr4 comes as source alone, which pip does not resolve for other Pythons; it needs nothing else.
# wandb wants a pydantic that Balsam excludes: its extra is for an environment without Balsam.
NOT_ASKED = {"test", "hydra", "wandb"}
NARROW = {"pydantic": "1.", "psutil": "5.", "tblib": "1.", "globus-sdk": "3."}  # as far as Balsam goes

pytestmark = [pytest.mark.balsam, pytest.mark.timeout(240)]


def all_requirements() -> list[str]:
    """Of the package and of the extras that people install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [lines for extra, lines in project["optional-dependencies"].items() if extra not in NOT_ASKED]
    return [str(Requirement(line)) for lines in (project["dependencies"], *extras) for line in lines]


def test_everything_fits_beside_balsam(tmp_path: Path) -> None:
    """Asked of pip, for each Python that we support."""
    asked = ["--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--target", str(tmp_path)]
    command = [sys.executable, "-m", "pip", "install", *asked, "--only-binary", ":all:"]
    processes = {
        version: subprocess.Popen(
            [*command, "--python-version", version, *all_requirements()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for version in PYTHONS
    }
    for version, process in processes.items():
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, f"Python {version}: {err[-2000:]}"
        report = json.loads(out[out.index("{") :])
        found = {one["metadata"]["name"].lower(): one["metadata"]["version"] for one in report["install"]}
        assert found["balsam"].startswith("0.7")
        assert {name: found[name][: len(prefix)] for name, prefix in NARROW.items()} == NARROW
