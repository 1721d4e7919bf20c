"""The `balsam` executor: evaluations are handed to a Balsam site, whose own launchers pack and start them.

Files that both sides see are the truth: how an attempt ended, and that it lives. Balsam's word counts for
jobs that ended without leaving any.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ambs_hpc.errors import ShapeNeverFits
from ambs_hpc.launcher.container_command import Containers
from ambs_hpc.launcher.executors.attempt_ends import blamed, outcome_of
from ambs_hpc.launcher.executors.balsam import files
from ambs_hpc.launcher.executors.balsam.jobs import cores_of, new_job, on_one_node, queue_of
from ambs_hpc.launcher.executors.balsam.link import QUEUE, BalsamLink
from ambs_hpc.launcher.executors.balsam.messages import Key, News, ReadBooks
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted, Placed, Unloadable
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.executors.start_request import bounded
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Packing
from ambs_hpc.launcher.paths import run_directory_of
from ambs_hpc.launcher.supervisor.messages import ImportFailed, StartRequest, to_json
from ambs_hpc.launcher.supervisor.outcome import not_begun, read_outcome
from ambs_hpc.launcher.supervisor.spawn import REQUEST, make_folder
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.schedulers.balsam.values import Job
from ambs_hpc.states import FailureKind

logger = logging.getLogger(__name__)

LISTEN_SECONDS = 0.2  # between two looks for endings
HEARTBEAT_LOOK_SECONDS = 5.0  # between two looks for processes that have fallen silent
# Balsam takes so long from a job to its start: what ends meanwhile must be there already.
LATENCY_SECONDS = 10.0
MOST_AHEAD = 250  # of each slot
UNKNOWN_AHEAD = 4  # of each slot, until one has ended
# A launcher of Balsam's that died holds for five minutes what it had taken ahead.
PASSED_OVER_SECONDS = 90.0
# After Balsam's word that a job is over, for the file that says how to become visible here.
VISIBLE_SECONDS = 10.0
NEVER_FITS = (
    "Evaluation {id} asks for {resources}; nodes of Balsam site {site!r} have {most}. "
    "Correct `resources` in the problem, or use another executor."
)


@dataclass
class _BalsamRun:
    claim: Claim
    request: StartRequest
    run_directory: str
    handed_at: float  # monotonic, or when it was last offered again
    over: News | None = None  # what Balsam said of its end
    decide_at: float = float("inf")  # monotonic


class BalsamExecutor:
    """Keeps a window of evaluations in Balsam: what its batch jobs can run, and a little ahead.

    An attempt is begun by whoever makes a file in its folder, so it runs once, whatever Balsam repeats; and
    one that is taken back before it began never begins.
    """

    def __init__(
        self,
        link: BalsamLink,
        site: str,
        packing: Packing,
        grace_seconds: float,
        slots: int | None,
        report_log: ReportLog | None = None,
    ) -> None:
        """
        Args:
            packing: of one node, as Balsam sees its nodes.
            slots: evaluations in Balsam at once; None: what its batch jobs can run, and some ahead.
        """
        self._link, self._site, self._packing = link, site, packing
        self._grace_seconds, self._slots = grace_seconds, slots
        self._report_log = report_log or ReportLog()
        self._containers = Containers(NodePool((), ""), has_supervisors=False)
        self._running: dict[int, _BalsamRun] = {}
        self._adopted: Collection[Key] = ()  # attempts that a launcher before us may have handed over
        self._ready: list[Ended] = []  # known before anybody asked
        self._deaths: Counter[int] = Counter()  # of supervisors, by evaluation
        self._mean_seconds: float | None = None
        self._look_at_heartbeats_at = float("-inf")
        self._last_begun = float("-inf")  # when the last of those that have begun was handed over
        self._file_words = ""
        link.begin()

    # -- what fits ----------------------------------------------------------------------------------

    def count(self, shape: Resources) -> int:
        if self._never_fits(shape):
            return 0
        return max(0, self._window(shape) - len(self._running))

    def room(self) -> Resources | None:
        smallest = Resources()
        return self.capacity() if self.count(smallest) > 0 else None

    def capacity(self) -> Resources | None:
        one = self._packing.capacity()
        if one is None or not self._link.largest_batch:
            return one
        return Resources(one.cores, one.gpus, one.memory_gib, self._link.largest_batch, whole_node=True)

    def most(self, shape: Resources) -> int:
        if self._slots is not None:
            return self._slots
        nodes = max(1, self._link.active_nodes)
        if shape.takes_whole_nodes:
            return max(1, nodes // shape.nodes)
        return nodes * self._packing.most(shape)

    @property
    def troubles(self) -> Sequence[str]:
        largest, claims = self._link.largest_batch, [one.claim for one in self._running.values()]
        told = [
            f"evaluation {one.id} asks for {one.resources.nodes} nodes, and the largest batch job of Balsam "
            f"site {self._site} has {largest}"
            for one in claims
            if one.resources.nodes > largest > 0
        ][:1]
        if largest and not self._link.has_mpi and any(one.resources.needs_launch_command for one in claims):
            told.append(f"programs of several ranks wait, and no batch job of {self._site} is in mpi mode")
        return [*self._link.troubles, *told, *filter(None, [self._file_words])]

    def placed(self) -> list[Placed]:
        return []  # Balsam does not say on which of its nodes a job runs

    def _window(self, shape: Resources) -> int:
        if self._slots is not None:
            return self._slots
        ahead = UNKNOWN_AHEAD
        if self._mean_seconds is not None:
            ahead = min(MOST_AHEAD, 1 + int(LATENCY_SECONDS / max(self._mean_seconds, 1e-3)))
        return self.most(shape) * (1 + ahead)

    def _never_fits(self, shape: Resources) -> bool:
        return self._packing.never_fits(on_one_node(shape))

    # -- the seam -----------------------------------------------------------------------------------

    def start(self, claim: Claim, request: StartRequest) -> bool:
        if self._never_fits(claim.resources):
            most = self._packing.capacity()
            raise ShapeNeverFits(
                NEVER_FITS.format(id=claim.id, resources=claim.resources, site=self._site, most=most)
            )
        key, run_directory = (claim.id, claim.attempt), run_directory_of(request.folder)
        request = self._containers.entered(request)
        cores = cores_of(claim.resources, self._packing)
        request = bounded(request, claim.resources, cores, claim.token, self._grace_seconds)
        running = _BalsamRun(claim, request, run_directory, time.monotonic())
        self._running[claim.id] = running
        is_known = key in self._adopted and files.has_request(request.folder)
        if is_known:
            outcome = read_outcome(request.folder, claim.attempt, claim.token)
            if outcome is not None:
                self._link.finalise_found(key, {QUEUE: queue_of(run_directory)})
                self._finish(running, outcome_of(outcome))
                return True
        else:
            try:
                _hand_over(request, run_directory)
            except OSError as error:
                self._finish(running, _not_begun(request, error))
                return True
        job = new_job(claim, request, self._packing, self._grace_seconds)
        self._link.create(key, job, may_exist=is_known)
        return True

    def poll(self, timeout_seconds: float) -> list[Ended]:
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._look()
            left = deadline - time.monotonic()
            if self._ready or left <= 0:
                ended, self._ready = self._ready, []
                return ended
            time.sleep(min(LISTEN_SECONDS, left))

    def _look(self) -> None:
        try:
            self._read_ends()
            self._hear()
            self._check_heartbeats()
            self._decide()
        except OSError as error:  # a shared file system has such moments; what cannot be seen has not changed
            if not self._file_words:
                logger.warning("files of evaluations cannot be read: %s", error)
            self._file_words = f"files of evaluations cannot be read: {error}"
        else:
            self._file_words = ""

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        for evaluation_id in ids:
            running = self._running.get(evaluation_id)
            if running is None:
                continue
            claim, folder = running.claim, running.request.folder
            try:
                is_ours = files.take(folder, time.time())
                if not is_ours:
                    files.ask_to_stop(folder, grace_seconds)
            except OSError as error:
                logger.warning("evaluation %d could not be asked to stop: %s", claim.id, error)
                continue
            if is_ours:  # it had not begun, and now never will
                self._finish(running, Interrupted(claim.id, claim.attempt, "stopped", started=False))

    def succeed(
        self, adopted: Collection[Key], run_directories: Collection[str], read_books: ReadBooks
    ) -> None:
        """Go on where launchers that died stopped, and have jobs of theirs ended that nobody wants any more.

        Args:
            adopted: attempts that will be started again: their jobs are looked for first.
            run_directories: of the campaigns that we serve.
            read_books: called in another thread.
        """
        self._adopted = frozenset(adopted)
        for run_directory in run_directories:
            self._link.end_orphans({QUEUE: queue_of(run_directory)}, read_books, _end_orphan)

    def close(self) -> None:
        self._link.close()

    # -- what ends ----------------------------------------------------------------------------------

    @property
    def _run_directories(self) -> set[str]:
        return {one.run_directory for one in self._running.values()}

    def _read_ends(self) -> None:
        for run_directory in self._run_directories:
            for (evaluation_id, attempt), file in files.told_ends(run_directory).items():
                running = self._running.get(evaluation_id)
                if running is None or running.claim.attempt != attempt:
                    continue  # of another launcher's, or of an attempt that was given up
                message = files.read_end(file)
                if message is not None:
                    self._understand(running, message)
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(file)  # noqa: PTH108  once for every evaluation

    def _understand(self, running: _BalsamRun, message: files.End) -> None:
        claim = running.claim
        if isinstance(message, ImportFailed):
            request = running.request
            assert request.function is not None
            self._ready.append(Unloadable(request.function, request.module_directory, message.error))
            reason = "its module cannot be imported"
            self._finish(running, Interrupted(claim.id, claim.attempt, reason, started=False))
        elif message.stopped:
            ended = Interrupted(claim.id, claim.attempt, message.stopped, started=message.has_begun)
            self._finish(running, ended)
        else:
            self._deaths.pop(claim.id, None)
            self._last_begun = max(self._last_begun, running.handed_at)
            self._finish(running, outcome_of(message))

    def _finish(self, running: _BalsamRun, ended: Outcome | Interrupted) -> None:
        claim = running.claim
        key = (claim.id, claim.attempt)
        del self._running[claim.id]
        self._report_log.note_end(running.request, has_told_all=False)
        if isinstance(ended, Outcome):
            self._link.forget(key)
            self._learn(ended.finished_at - ended.started_at)
        else:  # Balsam may hold it to be restarted
            self._link.withdraw([key])
        self._ready.append(ended)

    def _learn(self, seconds: float) -> None:
        known = self._mean_seconds
        self._mean_seconds = seconds if known is None else 0.9 * known + 0.1 * seconds

    # -- what Balsam says, and what it does not ----------------------------------------------------------

    def _hear(self) -> None:
        for news in self._link.news():
            evaluation_id, attempt = news.key
            running = self._running.get(evaluation_id)
            if running is not None and running.claim.attempt == attempt:
                running.over = news
                running.decide_at = min(running.decide_at, time.monotonic() + VISIBLE_SECONDS)

    def _check_heartbeats(self) -> None:
        """Find those whose process has died without a word, long before Balsam does."""
        now = time.monotonic()
        if now < self._look_at_heartbeats_at or not self._running:
            return
        self._look_at_heartbeats_at = now + HEARTBEAT_LOOK_SECONDS
        clocks = {one: files.clock_of(one) for one in self._run_directories}
        waiting: list[_BalsamRun] = []
        for one in self._running.values():
            heartbeat_at = files.heartbeat_at(one.request.folder)
            if heartbeat_at is None:
                waiting.append(one)
            elif clocks[one.run_directory] - heartbeat_at > files.SILENT_SECONDS:
                one.decide_at = min(one.decide_at, now)
            else:
                self._last_begun = max(self._last_begun, one.handed_at)
        self._offer_again(waiting, now)

    def _offer_again(self, waiting: Sequence[_BalsamRun], now: float) -> None:
        """Those that wait for long while later ones begin, or while a batch job has nothing to do."""
        is_idle = self._link.is_running and len(waiting) == len(self._running)
        passed_over = [
            one
            for one in waiting
            if now - one.handed_at > PASSED_OVER_SECONDS and (is_idle or one.handed_at < self._last_begun)
        ]
        for one in passed_over:
            one.handed_at = now
        self._link.loosen((one.claim.id, one.claim.attempt) for one in passed_over)

    def _decide(self) -> None:
        now = time.monotonic()
        for running in [one for one in self._running.values() if one.decide_at <= now]:
            verdict = self._verdict(running)
            if verdict is None:  # it lives, whatever Balsam says: a repeated start has found it running
                running.decide_at = now + HEARTBEAT_LOOK_SECONDS
            else:
                self._finish(running, verdict)

    def _verdict(self, running: _BalsamRun) -> Outcome | Interrupted | None:
        """Of one that Balsam calls over or whose process is silent, and that left no word."""
        claim, folder, news = running.claim, running.request.folder, running.over
        outcome = read_outcome(folder, claim.attempt, claim.token)
        if outcome is not None:
            return outcome_of(outcome)
        if files.take(folder, time.time()):
            if news is not None and news.state in ("RUN_ERROR", "FAILED"):
                return _failed_in_balsam(running, news)
            reason = f"Balsam: {'never began' if news is None else news.state}"
            return Interrupted(claim.id, claim.attempt, reason, started=False)
        has_failed = news is not None and news.state in ("RUN_ERROR", "FAILED")
        if not has_failed and not _is_silent(running):
            return None
        if news is not None and news.return_code:
            self._deaths[claim.id] += 1
            if self._deaths[claim.id] > 1:
                return blamed(running.request, self._site)
        files.ask_to_stop(folder, 0.0)  # should it wake up after all
        said = "its process fell silent" if news is None else f"Balsam: {news.state}"
        return Interrupted(claim.id, claim.attempt, said)


def _is_silent(running: _BalsamRun) -> bool:
    """Whether it began, and has not been heard for long."""
    heartbeat_at = files.heartbeat_at(running.request.folder)
    now = files.clock_of(running.run_directory)
    return heartbeat_at is not None and now - heartbeat_at > files.SILENT_SECONDS


def _hand_over(request: StartRequest, run_directory: str) -> None:
    """The request lies in the attempt's folder, without anything that an earlier database left there."""
    folder = request.folder
    make_folder(folder)
    files.clear(folder, run_directory, (request.id, request.attempt))
    temporary = f"{folder}/{REQUEST}.{os.getpid()}"
    with open(temporary, "w") as file:  # noqa: PTH123  once for every evaluation
        file.write(to_json(request))
    os.replace(temporary, f"{folder}/{REQUEST}")  # noqa: PTH105


def _not_begun(request: StartRequest, error: OSError) -> Outcome | Interrupted:
    """Of an attempt that could not be handed over: where the file system is at fault it is no failure."""
    report = not_begun(request, error)
    if report.stopped:
        return Interrupted(request.id, request.attempt, report.stopped, started=False)
    return outcome_of(report)


def _end_orphan(job: Job) -> None:
    files.call_off(job.folder, time.time())


def _failed_in_balsam(running: _BalsamRun, news: News) -> Outcome:
    """Its program could not even be started."""
    claim, now = running.claim, time.time()
    status = "" if news.return_code is None else f" with exit status {news.return_code}"
    error = f"Balsam could not start it{status}\n{news.words}".strip()
    key, failure = (claim.id, claim.attempt, claim.token), FailureKind.ERROR
    return Outcome(*key, now, now, "", failure=failure, error=error, exit_status=news.return_code)
