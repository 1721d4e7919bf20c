"""conda and pip users get the same packages."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points, requires, version
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import ambs_hpc

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"psycopg2-binary": "psycopg2", "matplotlib": "matplotlib-base", "torch": "pytorch"}


def pip_requirements() -> dict[str, SpecifierSet]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [lines for extra, lines in project["optional-dependencies"].items() if extra != "test"]
    parsed = [Requirement(line) for lines in (project["dependencies"], *extras) for line in lines]
    found = {CONDA_NAMES.get(one.name, one.name).lower(): one.specifier for one in parsed}
    return {**found, "python": SpecifierSet(project["requires-python"])}


def conda_lines() -> list[str]:
    """Packages from conda-forge, and those that pip adds."""
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(line["pip"] for line in lines if isinstance(line, dict))
    return [*(line for line in lines if isinstance(line, str)), *by_pip]


def test_environment_has_the_packages_of_pyproject() -> None:
    """Same packages, same ranges."""
    conda = {}
    for line in conda_lines():
        if line == "pip":
            continue
        name, _, specifier = line.partition(" ")
        conda[name] = SpecifierSet(specifier)
    assert conda == pip_requirements()


@pytest.mark.parametrize("line", conda_lines())
def test_each_dependency_has_a_reason_beside_it(line: str) -> None:
    """A dependency nobody can explain is one nobody dares to remove."""
    text = (ROOT / "environment.yml").read_text()
    assert line.startswith("python ") or re.search(rf"- {re.escape(line)} # \w+", text)


def needed_by(package: str, seen: set[str]) -> set[str]:
    """Everything that an installed package draws in, without extras."""
    if package in seen:
        return seen
    seen.add(package)
    for line in requires(package) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needed_by(requirement.name.lower(), seen)
    return seen


def test_nothing_of_ours_needs_pydantic() -> None:
    """Balsam's client needs version 1 of it, and must fit into the same environment."""
    needed = needed_by("ambs-hpc", set())
    assert "typer" in needed
    assert not needed & {"pydantic", "pydantic-core"}


def test_version_is_one() -> None:
    """What is installed, what is imported and what `ambs --version` prints name the same version."""
    command = [sys.executable, "-m", "ambs_hpc.cli.main", "--version"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == f"ambs_hpc {ambs_hpc.__version__}\n"
    assert version("ambs-hpc") == ambs_hpc.__version__


def test_script_has_the_name_of_the_package_too() -> None:
    """`uvx ambs-hpc` looks for a script of that name."""
    scripts = {one.name: one.value for one in entry_points(group="console_scripts")}
    assert scripts["ambs-hpc"] == scripts["ambs"]


def test_annotations_are_offered_to_type_checkers() -> None:
    """Without the marker they treat everything imported from us as Any."""
    assert (files("ambs_hpc") / "py.typed").is_file()


def test_citation_and_package_have_the_same_licence_and_authors() -> None:
    """Whoever cites reads one file, whoever packages the other."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]
    assert "version" not in citation  # it stands in ambs_hpc/__init__.py alone


def test_hooks_before_a_commit_run_the_linters_of_make() -> None:
    """A hook with versions of its own would refuse what continuous integration accepts."""
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    hooks = {re.sub(r"^\.venv/bin/| --\S+", "", hook["entry"]) for hook in local["hooks"]}
    recipe = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert hooks == {re.sub(r" --\S+| \.$", "", line) for line in re.findall(r"\$\(BIN\)/(.*)", recipe)}
