"""Removes checkpoints that a campaign's policy does not keep, and nothing else.

Removed is what lies where the campaign's own evaluations look for it, in the folder that carries the
campaign's uid: never through a symbolic link, and never of an evaluation that could be started meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.errors import DatabaseLocked, DatabaseUnreachable
from ambs_hpc.launcher.paths import checkpoint_folder
from ambs_hpc.problem.allow_list import is_run_directory_allowed
from ambs_hpc.problem.checkpoint_policy import KEEP_ALL, kept_best
from ambs_hpc.queue import (
    SpareCheckpoint,
    get_campaign,
    list_campaigns,
    note_freed,
    reading,
    remove_checkpoints,
    spare_checkpoints,
    transaction,
    unfreed_checkpoints,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Campaign

logger = logging.getLogger(__name__)

AT_ONCE = 16  # folders that are renamed while their evaluations are locked
LAST_SECONDS = 2.0  # at a launcher's end, when it begins no other folder
PUT_AWAY = ".removed"  # behind the name of a folder that is being removed


class CheckpointKeeper:
    """Removes in a thread beside its launcher: a parallel file system may take a minute for a folder."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Begin to remove what is not kept, unless that is going on."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._remove, args=(float("inf"),), daemon=True)
            self._thread.start()

    def last(self) -> None:
        """The launcher ends: remove what can be removed within a moment."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(LAST_SECONDS)
        else:
            self._remove(LAST_SECONDS)

    def _remove(self, seconds: float) -> None:
        try:
            with reading(self._engine) as connection:
                campaigns = [one for one in list_campaigns(connection) if _removes(one)]
            until = time.monotonic() + seconds
            for campaign in campaigns:
                while self._remove_some(campaign, until) and time.monotonic() < until:
                    pass
        except (DatabaseUnreachable, DatabaseLocked) as error:
            logger.warning("database away, checkpoints are removed later: %s", error)
        except OSError as error:
            logger.warning("checkpoints are removed later: %s", error)

    def _remove_some(self, campaign: Campaign, until: float) -> bool:
        """Remove the next few of a campaign; False when there are no more, or it has been revised."""
        keep_best = kept_best(campaign.definition.problem.get("checkpoints", KEEP_ALL))
        assert keep_best is not None
        run_directory = campaign.definition.run_directory
        with reading(self._engine) as connection:
            if get_campaign(connection, campaign.id).revision != campaign.revision:
                return False  # looked at anew in a while, by what it is now
            left_over = unfreed_checkpoints(connection, campaign.id, AT_ONCE)
            spare = spare_checkpoints(connection, campaign, keep_best, AT_ONCE)
        self._free(run_directory, left_over, until)  # of a launcher that was killed meanwhile
        sized = [(one, _size(_folder(run_directory, one))) for one in spare]
        with transaction(self._engine) as connection:
            put_away = remove_checkpoints(
                connection, campaign, sized, lambda one: _put_away(run_directory, _folder(run_directory, one))
            )
        self._free(run_directory, spare, until)
        if put_away:
            logger.info("checkpoints removed campaign=%s number=%d", campaign.name, len(put_away))
        return len(spare) == AT_ONCE

    def _free(self, run_directory: str, put_away: Sequence[SpareCheckpoint], until: float) -> None:
        if freed := _freed(run_directory, put_away, until):
            with transaction(self._engine) as connection:
                note_freed(connection, freed)


def _removes(campaign: Campaign) -> bool:
    """Whether checkpoints of the campaign may be removed, and by us."""
    definition = campaign.definition
    is_own = bool(definition.uid) and Path(definition.run_directory).name == definition.uid
    keeps_all = kept_best(definition.problem.get("checkpoints", KEEP_ALL)) is None
    return is_own and not keeps_all and is_run_directory_allowed(definition.run_directory)


def _folder(run_directory: str, one: SpareCheckpoint) -> Path:
    return Path(checkpoint_folder(run_directory, one.ordinal, one.configuration))


def _put_away(run_directory: str, folder: Path) -> bool:
    """Take a checkpoint from where its evaluation looks for it; False where there is none of ours."""
    if not _is_inside(run_directory, folder):
        return False
    folder.rename(_put_away_as(folder))  # within its folder: at once, or not at all
    return True


def _put_away_as(folder: Path) -> Path:
    return folder.with_name(folder.name + PUT_AWAY)


def _is_inside(run_directory: str, folder: Path) -> bool:
    """Whether it is a folder, not a link, and no link leads from the run directory to it."""
    try:
        is_folder = stat.S_ISDIR(folder.lstat().st_mode)
    except FileNotFoundError:
        return False
    root = Path(run_directory)
    is_direct = folder.parent.resolve() == root.resolve() / folder.parent.relative_to(root)
    if not (is_folder and is_direct):
        logger.warning("not removed, it is a link or lies behind one: %s", folder)
    return is_folder and is_direct


def _freed(run_directory: str, candidates: Sequence[SpareCheckpoint], until: float) -> list[SpareCheckpoint]:
    """Those whose files are gone, which they are to be."""
    freed = []
    for one in candidates:
        folder = _put_away_as(_folder(run_directory, one))
        if _is_inside(run_directory, folder) and time.monotonic() < until:
            shutil.rmtree(folder, ignore_errors=True)  # it follows no links
        if not os.path.lexists(folder):
            freed.append(one)
    return freed


def _size(folder: Path) -> int:
    """Bytes in a folder, 0 where it is not one; links count as themselves."""
    total = 0
    with contextlib.suppress(OSError):  # it may just be removed
        if stat.S_ISDIR(folder.lstat().st_mode):
            for root, _folders, files in os.walk(folder):
                total += sum(Path(root, name).lstat().st_size for name in files)
    return total
