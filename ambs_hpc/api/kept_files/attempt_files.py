"""Where the files of an evaluation's attempt are, also of a campaign whose folder has moved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.launcher.paths import attempt_folder

if TYPE_CHECKING:
    from ambs_hpc.queue import EvaluationStory


def folder_of(story: EvaluationStory, attempt: int) -> str:
    """The folder of that attempt: among the campaign's present runs, unless it was left in earlier ones."""
    now, then = story.campaign.definition.run_directory, story.revision.definition.run_directory
    folders = [attempt_folder(runs, story.row.ordinal, attempt) for runs in (now, then)]
    return next((one for one in folders if Path(one).is_dir()), folders[0])
