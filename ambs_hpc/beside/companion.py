"""The thread beside a loop: it may hang in a file system or a network for as long as it likes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ambs_hpc.errors import AmbsError, DatabaseError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from ambs_hpc.beside.notifier import Notifier
    from ambs_hpc.beside.provenance_recorder import ProvenanceRecorder

logger = logging.getLogger(__name__)

FIRST_SECONDS, PAUSE_SECONDS = 1.0, 15.0
LAST_SECONDS = 5.0  # that the end of a program waits for what is still to be told
ABANDON_SECONDS = 0.5  # the same where the program was told to end


class Companion:
    """Looks every few seconds, until it is closed; whatever goes wrong in it, its program goes on.

    Args:
        campaign_ids: says which campaigns the program has to do with by now; called in the thread.
        recorder: None where provenance is nobody's business here.
        notifier: None where nobody wants to be told.
        until_met_seconds: before the first look, and between two while there is no such campaign.
    """

    def __init__(
        self,
        campaign_ids: Callable[[], Sequence[int]],
        recorder: ProvenanceRecorder | None,
        notifier: Notifier | None,
        until_met_seconds: float = FIRST_SECONDS,
    ) -> None:
        self._campaign_ids, self._recorder, self._notifier = campaign_ids, recorder, notifier
        self._until_met_seconds = until_met_seconds
        self._is_over = threading.Event()
        self._exhausted: tuple[int, ...] = ()
        self._gave_up = ""
        self._thread = threading.Thread(target=self._run, daemon=True, name="companion")

    def start(self) -> Companion:
        """Begin to look."""
        self._thread.start()
        return self

    def close(self, seconds: float = LAST_SECONDS, exhausted: Sequence[int] = (), gave_up: str = "") -> None:
        """Look once more, and wait at most so long for the end of that.

        Args:
            exhausted: ids of campaigns of which nothing more can be proposed.
            gave_up: why the program asks for no more allocations, though evaluations wait.
        """
        self._exhausted, self._gave_up = tuple(exhausted), gave_up
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        pause = self._until_met_seconds
        try:
            while not self._is_over.wait(pause):
                pause = self._look()
            self._look()
        except Exception:
            logger.exception("notices and provenance end here; what runs goes on")

    def _look(self) -> float:
        """Look once; seconds until the next look."""
        try:
            ids = list(self._campaign_ids())
            if self._recorder is not None:
                self._recorder.look(ids)
            if self._notifier is not None:
                self._notifier.look(ids, self._exhausted, self._gave_up)
        except DatabaseError as error:
            logger.debug("not looked at: %s", error)
            return PAUSE_SECONDS
        return PAUSE_SECONDS if ids else self._until_met_seconds


def begin_companion(
    engine: Engine, folder: Path, campaign_ids: Callable[[], Sequence[int]], launcher_id: int | None = None
) -> Companion:
    """A companion that looks already, with the notices that ambs.yml of the folder asks for.

    Args:
        launcher_id: None for a search.
    """
    from ambs_hpc.beside.provenance_recorder import ProvenanceRecorder

    recorder = ProvenanceRecorder(engine, launcher_id)
    return Companion(campaign_ids, recorder, _asked_for(engine, folder)).start()


def begin_notices(engine: Engine, folder: Path, name: str | None) -> Companion | None:
    """A companion of a program that neither searches nor launches; None where ambs.yml asks for no notices.

    Args:
        name: of the only campaign of which it tells; None for all that concern this user.
    """
    from ambs_hpc.beside.followed_campaigns import FollowedCampaigns

    notifier = _asked_for(engine, folder)
    if notifier is None:
        return None
    return Companion(FollowedCampaigns(engine, name).ids, None, notifier, PAUSE_SECONDS).start()


def _asked_for(engine: Engine, folder: Path) -> Notifier | None:
    from ambs_hpc.beside.notifier import notifier_of

    try:
        return notifier_of(engine, folder, logger.warning)
    except AmbsError as error:  # a mistake in a file of settings ends no program that could do without
        logger.warning("no notices: %s", error)
        return None
