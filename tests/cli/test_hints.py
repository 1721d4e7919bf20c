"""Commands in what people are told work where they are pasted: in the same folder, on the same database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from ambs_hpc.cli.main import app
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.hints import WITH_DATABASE, call_with, pasteable
from ambs_hpc.queue import open_database
from tests.queue.unusable import healthy

COMPLETED = [
    ("ambs rerun 3", "ambs rerun --db q.db 3"),
    (
        "see `ambs allocations`, ambs show 17; then: ambs submit",
        "see `ambs allocations --db q.db`, ambs show --db q.db 17; then: ambs submit --db q.db",
    ),
    ("ambs allocations cancel 3", "ambs allocations cancel --db q.db 3"),
    ("ambs show 17", "ambs show --db q.db 17"),
    ("`ambs nodes`", "`ambs nodes --db q.db`"),
    *((one, one) for one in ("ambs db upgrade", "/x/ambs run", "ambs listing", "ambs init", "ambs: no")),
    ("ambs list --db other.db", "ambs list --db other.db"),
]


COMMAND = r"ambs (?:show|logs|why|list|status|best|nodes)[^;,)\n`]*"


@pytest.fixture(autouse=True)
def called_without() -> Iterator[None]:
    yield
    call_with(None)


@pytest.mark.parametrize(("text", "expected"), COMPLETED)
def test_a_command_names_the_database_that_was_named(text: str, expected: str) -> None:
    """It would else look in another one, or in none."""
    assert pasteable(text) == text
    call_with("q.db")
    assert (pasteable(text), pasteable(expected)) == (expected, expected)


def test_no_hint_repeats_a_password() -> None:
    """What is shown may be seen by others, and is copied into tickets."""
    call_with("postgresql://me:secret@host/db")
    assert pasteable("ambs list") == "ambs list --db 'postgresql://me:***@host/db'"
    assert pasteable("ambs list", "my file.db") == "ambs list --db 'my file.db'"


def test_all_commands_that_take_a_database_are_known() -> None:
    """Who adds a command adds it to the list, or its hints do not work."""
    commands = dict(get_command(app).commands)  # type: ignore[attr-defined]  # it is a group
    for name, group in list(commands.items()):
        commands |= {f"{name} {sub}": one for sub, one in getattr(group, "commands", {}).items()}
    found = {name for name, one in commands.items() if any("--db" in each.opts for each in one.params)}
    assert found - {"init", "db upgrade"} == set(WITH_DATABASE)


def test_stored_texts_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Only what we say is completed."""
    call_with("q.db")
    write("ambs list\n", is_stored=True)
    write("ambs list\n")
    assert capsys.readouterr().out == "ambs list\nambs list --db q.db\n"


def test_hints_of_commands_work_where_they_are_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is run as it was printed, and finds the database and the campaign."""
    monkeypatch.chdir(tmp_path)
    engine = open_database("q.db")
    healthy(engine)
    healthy(engine, "other")
    hints = set()
    for line in ("why failed -c good", "why 3", "why 22", "why idle", "status", "importance -c good"):
        ambs(f"{line} --db q.db")
        hints |= set(re.findall(COMMAND, capsys.readouterr().out))
    assert len(hints) > 4
    for hint in hints:
        assert " --db q.db" in hint
        if "logs" not in hint:  # there are no files
            ambs(hint.removeprefix("ambs "))
    engine.dispose()


def ambs(line: str) -> None:
    get_command(app).main(line.split(), prog_name="ambs", standalone_mode=False)
