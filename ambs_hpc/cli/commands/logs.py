"""`ambs logs`: what an evaluation printed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ambs_hpc.cli.commands.show import EvaluationId
from ambs_hpc.cli.shared.options import Database

FOLLOW_SECONDS = 0.3
CHUNK_BYTES = 1 << 16


def logs(
    evaluation_id: EvaluationId,
    stderr: Annotated[bool, typer.Option("--stderr", help="Print stderr instead of stdout.")] = False,
    attempt: Annotated[
        int | None, typer.Option("--attempt", help="Number of the attempt; by default the last.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue until the evaluation ends.")
    ] = False,
    db: Database = None,
) -> None:
    """Print stdout or stderr of an evaluation."""
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.errors import NotFound
    from ambs_hpc.launcher.paths import attempt_folder
    from ambs_hpc.queue import reading, show_evaluation

    engine = open_engine(db)
    with reading(engine) as connection:
        story = show_evaluation(connection, evaluation_id)
    number = attempt or story.row.attempt
    folder = Path(attempt_folder(story.campaign.definition.run_directory, story.row.ordinal, number))
    file = folder / ("stderr" if stderr else "stdout")
    if not file.exists() and not follow:
        why = "it has not started yet" if number == 0 else "nothing was started, or the files were removed"
        raise NotFound(f"Evaluation {evaluation_id} has no {file}: {why}.")

    def has_ended() -> bool:
        with reading(engine) as connection:
            return show_evaluation(connection, evaluation_id).row.state.is_final

    _print(file, follow=follow, has_ended=has_ended)


def _print(file: Path, *, follow: bool, has_ended: object) -> None:
    position = 0
    while True:
        ended = not follow or (callable(has_ended) and has_ended())
        position = _print_from(file, position)
        if ended:
            return
        time.sleep(FOLLOW_SECONDS)


def _print_from(file: Path, position: int) -> int:
    """Write the file's contents from `position` on; the new position."""
    if not file.exists():
        return position
    with file.open("rb") as log:
        log.seek(position)
        while chunk := log.read(CHUNK_BYTES):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return log.tell()
