"""The site builds without a warning, says what the program has, and needs nothing from the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
import yaml

import ambs_hpc
from ambs_hpc.cli.main import app
from ambs_hpc.queue.schema import views
from ambs_hpc.sites import site_names
from ambs_hpc.sites.json_schema import site_schema
from tests.databases import wait_until
from tests.documentation.blocks import DOCS
from tests.reporting.chromium import PROGRAM, Page, browser

ROOT = DOCS.parent
IS_CI = bool(os.environ.get("CI"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; a dead link, a dead anchor or a page that is missing in its navigation is an error."""
    if find_spec("mkdocs") is None and not IS_CI:
        pytest.skip("needs the extra `docs`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_navigation() -> None:
    """Told without a build, with the line to add: a page that nobody finds is not read."""
    named = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE))
    there = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    assert there - named == set(), "add a line to `nav` in mkdocs.yml"


def test_reference_has_every_command_and_option(site: Path) -> None:
    """It is made from the program; this holds that it is made from all of it."""
    text = words_of(site / "reference" / "commands.html")
    waiting = [(name, one) for name, one in typer.main.get_command(app).commands.items()]  # type: ignore[attr-defined]
    while waiting:
        name, command = waiting.pop()
        waiting += [(f"{name} {inner}", one) for inner, one in getattr(command, "commands", {}).items()]
        if not getattr(command, "commands", {}) and not command.hidden:
            assert f"ambs {name}" in text
            shown = [one for one in command.params if not getattr(one, "hidden", False)]
            assert all(option in text for one in shown for option in one.opts if option.startswith("-"))


def test_reference_has_every_view_key_site_and_name(site: Path) -> None:
    """What is added to the program is in the reference without anybody's help."""
    assert all(name in words_of(site / "reference" / "views.html") for name in views.NAMES)
    keys = words_of(site / "reference" / "site-files.html")
    assert all(key in keys for kind in site_schema()["$defs"].values() for key in kind.get("properties", {}))
    assert all(name in keys for name in site_names())
    api = (site / "reference" / "python-api.html").read_text()
    assert all(f'">{name}</a>' in api or f".{name}" in api for name in ambs_hpc.__all__)


def words_of(page: Path) -> str:
    """The text of a page without its markup."""
    return re.sub(r"<[^>]+>", "", page.read_text())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if PROGRAM is None and not IS_CI:
        pytest.skip("needs Chromium")
    with browser(tmp_path_factory.mktemp("chromium")) as one:
        yield one


def test_search_works_from_the_disk_without_a_network(site: Path, page: Page) -> None:
    """A compute centre's machine may have no network, and a copy by scp has no server."""
    page.open(site / "tutorials" / "first-picture.html")
    wait_until(lambda: not page.value("document.querySelector('.md-search').hidden"), 20)
    query = "document.querySelector('.md-search__input')"
    page.value(f"{query}.focus(), {query}.value = 'walltime', {query}.dispatchEvent(new Event('input')), 0")
    found = "Array.from(document.querySelectorAll('.md-search-result__link'), one => one.href)"
    wait_until(lambda: any("launching.html" in one for one in page.value(found)), 20)
    assert [one for one in page.requests if not one.startswith(("file:", "data:"))] == []
    assert page.complaints == []


@pytest.mark.parametrize("file", [ROOT / "mkdocs.yml"], ids=lambda file: file.name)
def test_settings_name_no_foreign_host(file: Path) -> None:
    """Fonts, scripts and icons from elsewhere would tell somebody who reads what."""
    assert "://" not in re.sub(r"#.*", "", file.read_text())
    assert yaml.safe_load(file.read_text())["theme"]["font"] is False
