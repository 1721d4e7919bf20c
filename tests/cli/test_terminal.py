"""What other people's programs and rows contain reaches no terminal raw, whichever command shows it."""

from __future__ import annotations

import ast
import json
import logging
import re
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from ambs_hpc.api.progress_display import ProgressBar, open_display
from ambs_hpc.cli.main import app
from ambs_hpc.cli.shared.output import cell
from ambs_hpc.cli.shared.terminal import HarmlessFormatter, HarmlessOutput, harmless, write_traceback
from ambs_hpc.launcher.paths import attempt_folder
from ambs_hpc.queue import claim, fail, open_database, reading, show_evaluation, transaction
from ambs_hpc.states import FailureKind
from tests.queue import stock

ROOT = Path(__file__).parents[2]
# Sets the clipboard, links, clears the screen, C1's own escape, goes back, rings, reorders letters.
HOSTILE = "\x1b]52;c;aWQ=\x07\x1b]8;;http://a\x1b\\x\x1b[2J\x9b2J\x08\x07\r\u202e\u2066[red]x[/red]"
ALLOWED = re.compile("\x1b\\[[0-9;]*m")  # what rich itself writes: colours
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_control_characters_are_written_out() -> None:
    """A reader sees what is there; letters of all scripts, tabs and line ends stay."""
    assert harmless("a\x1b[31mb\x07\x9b\u202ec\ud800") == r"a\x1b[31mb\x07\x9b\u202ec\ud800"
    assert harmless("naïve\tδ 目標 😀\n") == "naïve\tδ 目標 😀\n"


@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_output_keeps_its_colours_only(piece: int) -> None:
    """However it is cut into pieces, in the middle of a letter or of a colour."""
    said = "\x1b[1;31mré\x1b[0m\r\n50%\r100%\x1b[2J\x1b]0;t\x07".encode() + b"\xff\x1b"
    for colours, expected in (
        (True, "\x1b[1;31mré\x1b[0m\n50%\n100%\\x1b[2J\\x1b]0;t\\x07\\xff\\x1b\x1b[0m"),
        (False, "ré\n50%\n100%\\x1b[2J\\x1b]0;t\\x07\\xff\\x1b"),
    ):
        shown = HarmlessOutput(colours=colours)
        pieces = [shown.feed(said[at : at + piece]) for at in range(0, len(said), piece)]
        assert "".join(pieces) + shown.end() == expected


def test_a_log_record_cannot_pass_for_two() -> None:
    """An error text with a line end in it could otherwise forge a line of the log."""
    formatter = HarmlessFormatter("%(levelname)s %(message)s")
    record = logging.makeLogRecord(
        {"levelname": "INFO", "msg": "failed: %s", "args": ("x\x1b\nERROR forged",)}
    )
    assert formatter.format(record) == "INFO failed: x\\x1b\n    ERROR forged"


def test_a_traceback_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected error may quote a stored text."""
    write_traceback(ValueError(HOSTILE))
    said = capsys.readouterr().err
    assert "ValueError" in said
    assert not RAW.search(said)


def test_nothing_is_printed_past_the_terminal_module() -> None:
    """A new command cannot forget it: what else writes to a stream has a reason."""
    writers = {
        "shared/output.py",  # JSON, which escapes by itself
        "commands/export.py",  # into a pipe: exact
        "commands/logs.py",  # what HarmlessOutput has made
    }
    folder = ROOT / "ambs_hpc" / "cli"
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and re.fullmatch(
                r"sys\.std(out|err)(\.buffer)?\.write|typer\.secho|typer\.echo|print", ast.unparse(node.func)
            ):
                found.add(str(path.relative_to(folder)))
    assert found == writers


@pytest.fixture
def hostile_database(sqlite_url: str, tmp_path: Path) -> str:
    """A failed and a waiting evaluation; every text that somebody else may choose is hostile."""
    engine = open_database(sqlite_url)
    with transaction(engine) as connection:
        campaign_id = stock.campaign(connection, run_directory=str(tmp_path), max_failures=1).id
        stock.evaluations(connection, campaign_id, 2)
        launcher_id = stock.launcher(connection, host=HOSTILE)
        (taken,) = claim(connection, launcher_id, 1)
        fail(connection, launcher_id, [stock.failure(taken, FailureKind.ERROR, HOSTILE)])
        own = {"text": HOSTILE, "json": json.dumps({HOSTILE: HOSTILE})}
        connection.execute(text("UPDATE campaign SET name = :text"), own)
        connection.execute(text("UPDATE evaluation SET node = :text, configuration = :json"), own)
        connection.execute(text("UPDATE evaluation SET metrics = :json WHERE state = 'FAILED'"), own)
    with reading(engine) as connection:
        row = show_evaluation(connection, taken.id).row
        story = show_evaluation(connection, taken.id)
    folder = Path(attempt_folder(story.campaign.definition.run_directory, row.ordinal, row.attempt))
    folder.mkdir(parents=True)
    (folder / "stdout").write_bytes(HOSTILE.encode())
    engine.dispose()
    return sqlite_url


COMMANDS = [
    ["status"],
    ["list"],
    ["show", "1"],
    ["logs", "1"],
    ["sql", 'SELECT error, node AS "\x1b]0;[blue]\x07" FROM v_evaluations'],
]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_command_shows_control_characters(
    hostile_database: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,
) -> None:
    """Neither on a terminal nor into a pipe, whose end may be one."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    commands = [*COMMANDS, ["export", "csv"]] if is_terminal else COMMANDS
    for command in commands:
        app([*command, "--db", hostile_database], standalone_mode=False)
        said = capsys.readouterr().out
        assert not RAW.search(ALLOWED.sub("", said)), (command, said)
        assert "[red]" in "".join(said.split()), (command, said)  # no markup, but what is there
        assert ("[blue]" in said) == (command[0] == "sql"), said


def test_json_keeps_the_exact_text(hostile_database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A script gets what is stored, and a terminal that shows the JSON sees escapes."""
    app(["list", "--json", "--db", hostile_database], standalone_mode=False)
    said = capsys.readouterr().out
    assert said.isascii()
    assert not RAW.search(said)
    (row, _) = json.loads(said)
    assert (row["error"], row["node"], row["configuration"]) == (HOSTILE, HOSTILE, {HOSTILE: HOSTILE})


def test_a_pipe_in_place_of_a_log_is_not_waited_for(hostile_database: str, tmp_path: Path) -> None:
    """Whoever runs the evaluation may put there what he likes."""
    import os

    from ambs_hpc.errors import NotFound

    (log,) = tmp_path.rglob("stdout")
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(NotFound, match="no regular file"):
        app(["logs", "1", "--db", hostile_database], standalone_mode=False)


def test_the_progress_bar_takes_no_markup_from_a_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """[/bold] in a name would be an error of markup in the middle of a run."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    display = open_display("[/bold]" + HOSTILE, quiet=False)
    assert isinstance(display, ProgressBar)
    display.close()
    said = capsys.readouterr().err
    assert "[/bold]" in said.replace("\n", "")
    assert "\x1b]52" not in said
    assert "\x07" not in said
    assert "[red]" in cell({"[red]": "x"})
