"""Whether the allocation around this launcher is over, and when it will be, asked beside its loop.

Some schedulers end an allocation without a signal that reaches its script, and give its nodes to others.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Mapping

from ambs_hpc.errors import UsageError
from ambs_hpc.launcher.node_pool import Tenancy
from ambs_hpc.launcher.supervisor.process_tree import waited_for
from ambs_hpc.launcher.watch.lifeline import Lifeline
from ambs_hpc.schedulers import AllocationState, Backoff, CouldNotAsk, StatusAnswer, ask

logger = logging.getLogger(__name__)

VARIABLE = "AMBS_WATCH_SECONDS"  # between two questions; 0 watches nothing
# With the pause before a second question and the time of the answers, an end is noticed within a minute.
ASK_SECONDS = 30.0
# Some schedulers tell no more exactly than this when an allocation began, and so when it ends.
UNSURE_SECONDS = 5.0
CONFIRM_SECONDS = 5.0  # until what the scheduler says not to know, or to end, is asked for again, at most
ANSWER_SECONDS = 20.0


class AllocationWatch:
    """Asks the scheduler in a thread, at intervals that its silence lengthens, and at once after a loss.

    Only an answer ends the allocation: a scheduler that cannot be reached cannot give its nodes away either.
    Where its commands do not exist on the node, a lost lifeline has to do.
    """

    def __init__(
        self, tenancy: Tenancy, environ: Mapping[str, str], lifeline: Lifeline | None = None
    ) -> None:
        """
        Raises:
            UsageError: the interval in the environment is no number of seconds.
        """
        self._tenancy, self._environ = tenancy, environ
        seconds = interval_seconds(environ)
        self._is_off = seconds == 0.0
        self._interval_seconds = seconds or ASK_SECONDS
        # The first question has been asked already: for the end of the walltime.
        self._backoff = Backoff(self._interval_seconds, asked_at=time.monotonic())
        self._question = tenancy.scheduler.status([tenancy.scheduler_id])
        self._can_ask = shutil.which(self._question.argv[0], path=environ.get("PATH")) is not None
        self._lifeline = lifeline or Lifeline()
        self._has_lost = False
        self._is_doubtful = False  # by the last answer: unknown to the scheduler, or about to end
        self._over = ""
        self._first_end = self._end = tenancy.ends_at
        self._thread: threading.Thread | None = None
        if not (self._can_ask or self._is_off):
            program = self._question.argv[0]
            logger.info("no %s here: the script's parent and output alone tell its end", program)

    def over(self) -> str:
        """Why the allocation is over, in words; "" while nobody says that it is. Never waits."""
        if self._is_off or self._over:
            return self._over
        lost = "" if self._has_lost else self._lifeline.lost()
        if lost and not self._can_ask:
            self._over = lost
        if self._can_ask and not self.is_asking and (lost or self._is_due(time.monotonic())):
            self._has_lost |= bool(lost)  # not before: what is under way was asked before the loss
            self._thread = threading.Thread(target=self._ask, daemon=True, name="allocation")
            self._thread.start()
        return self._over

    @property
    def is_asking(self) -> bool:
        """Whether an answer is under way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def moved_seconds(self) -> float:
        """By how much the end of the walltime was put off since `Tenancy.ends_at`; negative: it is sooner.

        Two words of the scheduler are compared, so that a clock of ours that steps moves nothing.
        """
        return 0.0 if self._end is None or self._first_end is None else self._end - self._first_end

    def _is_due(self, now: float) -> bool:
        if self._is_doubtful and self._backoff.asked_at is not None:
            return now >= self._backoff.asked_at + min(CONFIRM_SECONDS, self._interval_seconds)
        return self._backoff.due(now)

    def _ask(self) -> None:
        processes: set[int] = set()

        def note(pid: int) -> None:
            processes.add(pid)
            waited_for.add(pid)  # nobody else collects its exit status, which says much

        try:
            answer = ask(
                self._question,
                environ=self._environ,
                timeout_seconds=ANSWER_SECONDS,
                note_process=note,
            )
        except Exception:  # a thread's border: an answer in an unknown form is none
            logger.exception("scheduler's answer not understood")
            answer = CouldNotAsk(self._question.argv[0], "its answer was not understood")
        finally:
            waited_for.difference_update(processes)
        self._hear(answer)

    def _hear(self, answer: StatusAnswer | CouldNotAsk) -> None:
        self._backoff = self._backoff.note(time.monotonic(), answer)
        if isinstance(answer, CouldNotAsk):
            logger.info("allocation not asked about: %s", answer)
            return
        status = answer.known.get(self._tenancy.scheduler_id)
        if status is not None and status.state in (AllocationState.ENDING, AllocationState.ENDED):
            words = f"is ended by the scheduler ({status.own_state or status.state.value})"
            self._hear_end(words, is_certain=status.state is AllocationState.ENDED)
        elif self._tenancy.scheduler_id in answer.vanished:
            self._hear_end("is not known to the scheduler any more", is_certain=False)
        elif status is not None:
            self._is_doubtful = False
            if status.state is AllocationState.RUNNING and status.ends_at is not None:
                self._note_end(status.ends_at)

    def _note_end(self, ends_at: float) -> None:
        if self._first_end is None:
            self._first_end = self._end = ends_at
        elif self._end is not None and abs(ends_at - self._end) >= UNSURE_SECONDS:
            logger.info("end of walltime moved seconds=%+.0f", ends_at - self._end)
            self._end = ends_at

    def _hear_end(self, words: str, *, is_certain: bool) -> None:
        """It seems to be over: one answer may be a mistake, or tell of a moment that passes."""
        if is_certain or self._is_doubtful:
            self._over = f"{self._tenancy.name} {words}"
        self._is_doubtful = True


def interval_seconds(environ: Mapping[str, str]) -> float:
    """Seconds between two questions, >= 0; 0 for none.

    Raises:
        UsageError: the environment has something else.
    """
    text = environ.get(VARIABLE, "").strip()
    try:
        seconds = float(text or ASK_SECONDS)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds < float("inf"):
        raise UsageError(
            f"{VARIABLE}={text!r}: give the seconds between two questions to the scheduler, or 0 to ask none."
        )
    return seconds
