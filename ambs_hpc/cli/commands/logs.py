"""`ambs logs`: what an evaluation printed."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ambs_hpc.cli.commands.show import EvaluationId
from ambs_hpc.cli.shared.options import Database
from ambs_hpc.cli.shared.terminal import HarmlessOutput, echo
from ambs_hpc.errors import NotFound

FOLLOW_SECONDS = 0.3
CHUNK_BYTES = 1 << 16


def logs(
    evaluation_id: EvaluationId,
    stderr: Annotated[bool, typer.Option("--stderr", help="Print stderr instead of stdout.")] = False,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, help="Number of the attempt; by default the last.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue until the evaluation ends.")
    ] = False,
    db: Database = None,
) -> None:
    r"""Print stdout or stderr of an evaluation.

    Control characters are written out, as \x1b; on a terminal, colours stay. The file that `ambs show` names
    has the exact bytes.
    """
    from ambs_hpc.api.kept_files.attempt_files import folder_of
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.queue import reading, show_evaluation
    from ambs_hpc.records import IMPORTED

    engine = open_engine(db)
    with reading(engine) as connection:
        story = show_evaluation(connection, evaluation_id)
    number = attempt or story.row.attempt
    folder = Path(folder_of(story, number))
    file = folder / ("stderr" if stderr else "stdout")
    is_imported = story.proposal.kind == IMPORTED
    if not file.exists() and (is_imported or story.row.state.is_final or not follow):
        why = _why_missing(number, Path(story.campaign.definition.run_directory))
        if is_imported:
            why = "it was imported and ran elsewhere"
        raise NotFound(f"Evaluation {evaluation_id} has no {file}: {why}.")

    def has_ended() -> bool:
        with reading(engine) as connection:
            return show_evaluation(connection, evaluation_id).row.state.is_final

    _print(file, follow=follow, has_ended=has_ended)
    _name_the_other(evaluation_id, folder, stderr=stderr, attempt=attempt)


def _why_missing(attempt: int, runs: Path) -> str:
    """Why an attempt's file is not there; `runs` is where the campaign's are."""
    if attempt == 0:
        return "it has not started yet"
    why = "nothing was started, or the files were removed"
    if runs.exists():
        return why
    moved = "where its folder was moved, the same `ambs run PROBLEM` from the new one stores where it is"
    return f"{why}; the campaign's run folder is not there either: {moved}"


def _name_the_other(evaluation_id: int, folder: Path, *, stderr: bool, attempt: int | None) -> None:
    """Say where the words are, when they are not in the stream that was asked for."""
    asked, other = ("stderr", "stdout") if stderr else ("stdout", "stderr")
    if _size(folder / asked) or not _size(folder / other):
        return
    option = ("" if stderr else " --stderr") + (f" --attempt {attempt}" if attempt else "")
    told = f"Its {asked} is empty; its {other} is not: ambs logs {evaluation_id}{option}"
    echo(told, err=True)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _print(file: Path, *, follow: bool, has_ended: Callable[[], bool]) -> None:
    shown = HarmlessOutput(colours=sys.stdout.isatty())
    position = 0
    while True:
        ended = not follow or has_ended()
        position = _print_from(file, position, shown)
        if ended:
            sys.stdout.write(shown.end())
            return
        time.sleep(FOLLOW_SECONDS)


def _print_from(file: Path, position: int, shown: HarmlessOutput) -> int:
    """Write the file's contents from `position` on; the new position.

    Raises:
        NotFound: it is no regular file.
    """
    try:
        descriptor = os.open(
            file, os.O_RDONLY | os.O_NONBLOCK
        )  # a named pipe in its place would be waited for
    except FileNotFoundError:
        return position
    with open(descriptor, "rb") as log:  # noqa: PTH123 (a descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotFound(f"{file} is no regular file, so the evaluation has put something in its place.")
        log.seek(position)
        while chunk := log.read(CHUNK_BYTES):
            sys.stdout.write(shown.feed(chunk))
        sys.stdout.flush()
        return log.tell()
