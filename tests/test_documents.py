"""Documents say what the code does."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from ambs_hpc.cli.main import app
from ambs_hpc.states import MOVES, FailureKind, State

ROOT = Path(__file__).parent.parent


def test_states_page_lists_every_legal_move() -> None:
    """The page is what people reason from when something is stuck."""
    text = (ROOT / "docs" / "states.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([A-Z, ]*) ?\| ([A-Z]+) \|", text, flags=re.MULTILINE)
    told = {move: (set(sources.replace(",", " ").split()), target) for move, sources, target in rows}
    real = {
        move.value: ({state.value for state in sources}, target.value)
        for move, (sources, target) in MOVES.items()
    }
    assert told == real


def test_states_page_explains_every_failure_kind() -> None:
    """A kind without advice helps nobody."""
    text = (ROOT / "docs" / "states.md").read_text()
    for kind in FailureKind:
        assert re.search(rf"^\| {kind.value} \| .+ \| .+ \|$", text, flags=re.MULTILINE)
    assert {state.value for state in State} <= set(re.findall(r"[A-Z]+", text))


PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@cache
def program() -> Any:
    """All commands; to build them takes a tenth of a second."""
    return typer.main.get_command(app)


def commands_in(page: Path) -> list[list[str]]:
    """Lines of `ambs ...` in blocks and between backticks, split into words."""
    text = page.read_text()
    found = re.findall(r"^ *(ambs [^\n#`]+)", text, flags=re.MULTILINE) + re.findall(r"`(ambs [^`]+)`", text)
    return [line.replace("...", "").split() for line in found if "," not in line]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    """What people paste works, as far as names go."""
    for words in commands_in(page):
        command = program()
        for word in words[1:]:
            inner = getattr(command, "commands", {})
            if inner and word in inner:
                command = inner[word]
            elif inner and not word.startswith("-"):
                assert getattr(command, "invoke_without_command", False), f"{page.name}: {' '.join(words)}"
            elif word.startswith("--"):
                known = {name for one in command.params for name in one.opts} | {"--help"}
                assert word in known, f"{page.name}: {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative ones; others are not ours to keep."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} names {target}"


def test_campaigns_page_names_every_field_of_a_problem() -> None:
    """Whoever wants to change one looks there whether it may be."""
    from ambs_hpc.problem.definition import accepted_fields

    page = (ROOT / "docs" / "campaigns.md").read_text()
    what_a_campaign_is = {"name", "space", "objective", "direction"}
    rows = "".join(re.findall(r"^\| (.+?) \|", page, flags=re.MULTILINE))
    for field in set(accepted_fields()) - what_a_campaign_is:
        assert f"`{field}`" in rows, f"docs/campaigns.md does not say whether {field} may change"
    assert all(f"**{one}**" in page for one in ("objective", "direction", "space"))
