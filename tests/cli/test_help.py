"""`--help` says what each command does, to the end of the sentence."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.cli.whole_summaries import first_sentence


def groups() -> dict[str, Any]:
    """All groups of commands by the words that lead to them."""
    program: Any = typer.main.get_command(app)
    inner = {name: one for name, one in program.commands.items() if getattr(one, "commands", {})}
    return {"": program, **inner}


@pytest.mark.parametrize("words", groups(), ids=lambda words: words or "ambs")
def test_no_summary_is_cut(words: str) -> None:
    """A sentence that ends in ... tells a beginner nothing."""
    said = CliRunner().invoke(app, [*words.split(), "--help"], terminal_width=80).output
    table = " ".join(said.split("Commands:")[1].split())
    assert "..." not in table
    for command in groups()[words].commands.values():
        assert command.hidden or "".join(first_sentence(command.help).split()) in "".join(table.split())


def test_first_sentence_is_one_line() -> None:
    """Docstrings are wrapped where the code's line ends, and go on with details."""
    assert first_sentence("Does it\n    at once. And more.\n\n    Details.") == "Does it at once."
    assert first_sentence("Does it") == "Does it"


@pytest.mark.parametrize("command", ["serve", "report", "plot", "importance", "ensemble", "why"])
def test_help_says_where_one_campaign_has_to_be_named(command: str) -> None:
    """These are about one campaign and refuse to choose; "by default all" would promise what is refused."""
    said = " ".join(CliRunner().invoke(app, [command, "--help"], terminal_width=80).output.split())
    assert "--campaign NAME This campaign; needed where there are several." in said
