"""The launcher's conversation with Balsam's service, beside the loop, which must not wait for it.

Whatever cannot be asked changes nothing: jobs are created when the service is back, and never twice.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from ambs_hpc.errors import AmbsError
from ambs_hpc.launcher.executors.balsam.messages import Books, Key, News, ReadBooks
from ambs_hpc.schedulers.balsam.values import (
    UNFINISHED,
    BalsamSite,
    Batch,
    Job,
    JobEnding,
    NewJob,
    seconds_of,
    text_of,
)

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0  # between two questions about what has changed
SITE_SECONDS = 10.0  # between two looks at the site and its batch jobs
PATIENCE_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)  # before asking again when the service did not answer
OVERLAP_SECONDS = 10.0  # changes are asked for again: they are not seen in the order of their times
DEAF_SECONDS = 120.0  # an agent refreshes its site several times a minute
SETTLE_SECONDS = 60.0  # for Balsam to note an end by itself
LAST_SECONDS = 5.0  # to withdraw and finalise jobs at the end
AT_ONCE = 500  # jobs created by one request
MARK = {"ambs": "evaluation"}  # the tag of all jobs of ours
CAMPAIGN, QUEUE, EVALUATION, ATTEMPT = "ambs_campaign", "ambs_queue", "ambs_evaluation", "ambs_attempt"
TOKEN = "ambs_token"  # of the claim: attempts of a database that was removed had the same numbers
ACTIVE = ("pending_submission", "queued", "running")  # batch jobs that are, or will be, there
OVER = ("RUN_DONE", "POSTPROCESSED", "JOB_FINISHED", "RUN_ERROR", "FAILED", "RUN_TIMEOUT", "RESTART_READY")


class Service(Protocol):
    """The part of `BalsamService` that the link uses."""

    def site(self, name: str) -> BalsamSite: ...

    def register_application(self, site_id: int) -> int: ...

    def create_jobs(self, application_id: int, new: Sequence[NewJob]) -> list[Job]: ...

    def jobs(
        self,
        application_id: int,
        *,
        tags: Mapping[str, str],
        states: Collection[str] = (),
        changed_since: str | None = None,
    ) -> list[Job]: ...

    def settle_jobs(self, ids: Sequence[int], state: str, words: str) -> None: ...

    def loosen_jobs(self, ids: Sequence[int]) -> None: ...

    def endings(self, ids: Sequence[int]) -> list[JobEnding]: ...

    def batches(self, *, site_id: int | None = None, states: Sequence[str] = ()) -> list[Batch]: ...


class BalsamLink:
    """Creates, follows and withdraws jobs of one site, in a thread of its own."""

    def __init__(self, service: Service, site: BalsamSite) -> None:
        self._service, self._site = service, site
        self._application: int | None = None
        self._lock = threading.Lock()
        self._new: dict[Key, NewJob] = {}
        self._unwanted: set[int] = set()
        self._stuck: set[int] = set()
        self._ended: dict[int, float] = {}  # jobs that are over for us, and since when
        self._ids: dict[Key, int] = {}
        self._sought: dict[Key, Mapping[str, str]] = {}  # ended; their jobs are of a launcher before us
        self._orphan_searches: list[tuple[Mapping[str, str], ReadBooks, Callable[[Job], None]]] = []
        self._doubtful: set[Key] = set()  # of new ones: those that may exist
        self._is_unsure = False  # whether any of the new ones may: an answer was lost
        self._changed_since = float("inf")  # by the server's clock; nothing is followed yet
        self._told: dict[int, str] = {}
        self._failures = 0
        self._site_at = float("-inf")
        self._service_words = self._agent_words = ""
        self.active_nodes = 0  # of batch jobs that are, or will be, there
        self.largest_batch = 0
        self.is_running = False  # whether any of them is
        self.has_mpi = False  # whether any of them starts programs of several ranks
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    def begin(self) -> None:
        """Start the thread that talks with Balsam."""
        self._thread.start()

    @property
    def troubles(self) -> list[str]:
        """What a person should know about the connection, as sentences."""
        return [words for words in (self._service_words, self._agent_words) if words]

    def create(self, key: Key, job: NewJob, *, may_exist: bool) -> None:
        """Have the job created.

        Args:
            may_exist: a launcher before us may have had it created: it is looked for first.
        """
        with self._lock:
            self._new[key] = job
            if may_exist:
                self._doubtful.add(key)
        self._wake.set()

    def withdraw(self, keys: Iterable[Key]) -> None:
        """Have jobs that have not begun end without beginning; they are forgotten either way."""
        with self._lock:
            for key in keys:
                self._new.pop(key, None)
                if (job_id := self._ids.pop(key, None)) is not None:
                    self._unwanted.add(job_id)
        self._wake.set()

    def loosen(self, keys: Iterable[Key]) -> None:
        """Have jobs that do not begin offered again to all launchers of Balsam's."""
        with self._lock:
            self._stuck.update(self._ids[key] for key in keys if key in self._ids)

    def forget(self, key: Key) -> None:
        """Note that the end of an attempt is known; Balsam learns of it, or is told."""
        with self._lock:
            self._new.pop(key, None)
            if (job_id := self._ids.pop(key, None)) is not None:
                self._ended[job_id] = time.monotonic()

    def finalise_found(self, key: Key, tags: Mapping[str, str]) -> None:
        """Its end is known; its job, which a launcher before us may have had created, has these tags."""
        with self._lock:
            self._sought[key] = {**MARK, **tags}
        self._wake.set()

    def end_orphans(self, tags: Mapping[str, str], read_books: ReadBooks, end: Callable[[Job], None]) -> None:
        """Have unfinished jobs with these tags end that nobody holds.

        Args:
            read_books: called in the thread, after the jobs have been listed: a job that is created meanwhile
                is not among them, and one that was listed is held or is not.
            end: called in the thread for each of them, before Balsam is told.
        """
        with self._lock:
            self._orphan_searches.append((tags, read_books, end))
        self._wake.set()

    def news(self) -> list[News]:
        """The news since the last call."""
        found = []
        while not self._news.empty():
            found.append(self._news.get())
        return found

    def close(self) -> None:
        """Withdraw what is still to be withdrawn, for a moment, and end."""
        self._over.set()
        self._wake.set()
        self._thread.join(LAST_SECONDS + 1.0)

    # -- in its thread ------------------------------------------------------------------------------

    def _live(self) -> None:
        while not self._over.is_set():
            self._round()
            patience = PATIENCE_SECONDS[min(self._failures, len(PATIENCE_SECONDS)) - 1]
            if self._failures:
                self._over.wait(patience)
            else:
                self._wake.wait(POLL_SECONDS)
            self._wake.clear()
        deadline = time.monotonic() + LAST_SECONDS
        while (
            (self._unwanted or self._sought or self._ended)
            and time.monotonic() < deadline
            and self._failures <= 1
        ):
            self._round()

    def _round(self) -> None:
        try:
            if self._application is None:
                self._application = self._service.register_application(self._site.id)
            self._look_at_site()
            self._end_orphans(self._application)
            self._seek(self._application)
            self._create(self._application)
            self._give_up_unwanted()
            self._loosen()
            self._finalise()
            self._hear(self._application)
        except AmbsError as error:
            self._fail(str(error))
            logger.warning("balsam not heard failures=%d: %s", self._failures, error)
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}")
            logger.exception("balsam not understood failures=%d", self._failures)
        else:
            self._failures, self._service_words = 0, ""

    def _fail(self, words: str) -> None:
        """Nothing changes until the service is heard again; whether what was sent has come is not known."""
        self._is_unsure, self._application = True, None
        self._failures += 1
        self._service_words = f"Balsam: {words}"

    def _look_at_site(self) -> None:
        now = time.monotonic()
        if now < self._site_at:
            return
        site = self._service.site(self._site.name)
        batches = self._service.batches(site_id=site.id, states=ACTIVE)
        self._site_at = now + SITE_SECONDS
        batches = [one for one in batches if _takes_ours(one)]
        sizes = [one.request.nodes for one in batches]
        self.is_running = any(one.state == "running" for one in batches)
        self.has_mpi = any(one.request.mode == "mpi" for one in batches)
        self.active_nodes, self.largest_batch = sum(sizes), max(sizes, default=0)
        if site.age_seconds is None or site.age_seconds > DEAF_SECONDS:
            age = "ever" if site.age_seconds is None else f"for {site.age_seconds / 60:.0f} minutes"
            self._agent_words = (
                f"the agent of Balsam site {site.name} was not heard {age}: nothing starts there. "
                f"Run `balsam site start` in {site.path}"
            )
        elif not batches:
            self._agent_words = (
                f"Balsam site {site.name} has no batch job queued or running: submit one with "
                f"`ambs submit --via balsam --balsam-site {site.name}`"
            )
        else:
            self._agent_words = ""

    def _end_orphans(self, application: int) -> None:
        while self._orphan_searches:
            tags, read_books, end = self._orphan_searches[0]
            found = self._service.jobs(application, tags={**MARK, **tags}, states=UNFINISHED)
            books = read_books([key_of(job) for job in found]) if found else Books((), ())
            self._note_ended(found, books.ended)
            kept = {*books.held, *books.ended}
            orphans = [job for job in found if key_of(job) not in kept]
            for job in orphans:
                end(job)
            self._give_up([job.id for job in orphans])
            if orphans:
                logger.info("jobs of dead launchers ended number=%d", len(orphans))
            with self._lock:
                self._orphan_searches.pop(0)

    def _create(self, application: int) -> None:
        with self._lock:
            new = dict(self._new)
        if not new:
            return
        if self._is_unsure or self._doubtful:
            examined = set(new)
            for job in self._listed(application, map(_campaign_tags, new.values())):
                wanted = new.get(key_of(job))
                if wanted is not None and wanted.tags[TOKEN] == job.tags.get(TOKEN):
                    self._note_created(key_of(job), job)
                    del new[key_of(job)]
            self._is_unsure = False
            with self._lock:
                self._doubtful.difference_update(examined)
        for some in _parts(list(new.items()), AT_ONCE):
            # From here on they may exist, whatever we hear: an error makes us unsure.
            created = self._service.create_jobs(application, [job for _, job in some])
            for job in created:
                if not self._note_created(key_of(job), job):  # withdrawn while it was being created
                    self._unwanted.add(job.id)

    def _seek(self, application: int) -> None:
        with self._lock:
            sought = dict(self._sought)
        if sought:
            self._note_ended(list(self._listed(application, sought.values())), sought)
            with self._lock:
                for key in sought:
                    del self._sought[key]

    def _listed(self, application: int, tags: Iterable[Mapping[str, str]]) -> Iterator[Job]:
        """All jobs that have the tags of any of these."""
        for some in {tuple(sorted(each.items())) for each in tags}:
            yield from self._service.jobs(application, tags=dict(some))

    def _note_ended(self, jobs: Sequence[Job], keys: Collection[Key]) -> None:
        """Balsam will learn that those of these attempts have ended, or is told."""
        with self._lock:
            for job in jobs:
                if key_of(job) in keys:
                    self._ended.setdefault(job.id, time.monotonic())

    def _note_created(self, key: Key, job: Job) -> bool:
        """Whether it is still wanted."""
        self._changed_since = min(self._changed_since, seconds_of(job.last_update))
        with self._lock:
            is_wanted = self._new.pop(key, None) is not None
            if is_wanted:
                self._ids[key] = job.id
        return is_wanted

    def _give_up_unwanted(self) -> None:
        with self._lock:
            unwanted = list(self._unwanted)
        if unwanted:
            self._give_up(unwanted)
            with self._lock:
                self._unwanted.difference_update(unwanted)

    def _give_up(self, ids: Sequence[int]) -> None:
        """Say that they have failed, and see later whether Balsam has said otherwise since.

        They are not deleted: a launcher of Balsam's that holds one would ask for half an hour to change its
        state, and all other states that it has to tell would wait behind that.
        """
        if ids:
            self._service.settle_jobs(ids, "FAILED", "withdrawn: the attempt was given up")
            with self._lock:
                self._ended |= dict.fromkeys(ids, time.monotonic())

    def _loosen(self) -> None:
        with self._lock:
            stuck, self._stuck = self._stuck, set()
        if stuck:
            logger.info("jobs passed over are offered again number=%d", len(stuck))
            self._service.loosen_jobs(sorted(stuck))

    def _finalise(self) -> None:
        """Balsam is slow to say that a job has ended, and never does when its launcher died before."""
        is_late = SETTLE_SECONDS if not self._over.is_set() else 0.0
        with self._lock:
            late = [one for one, since in self._ended.items() if time.monotonic() - since >= is_late]
        if late:
            self._service.settle_jobs(late, "JOB_FINISHED", "its attempt is over")
            with self._lock:
                for job_id in late:
                    del self._ended[job_id]

    def _hear(self, application: int) -> None:
        with self._lock:
            followed = {job_id: key for key, job_id in self._ids.items()}
        if not followed:
            return
        since = text_of(self._changed_since)
        jobs = self._service.jobs(application, tags=MARK, states=OVER, changed_since=since)
        told = [job for job in jobs if job.id in followed and self._told.get(job.id) != job.state]
        failed = [job.id for job in told if job.state in ("RUN_ERROR", "FAILED")]
        why = {one.job_id: one for one in self._service.endings(failed)} if failed else {}
        for job in told:
            ending = why.get(job.id, JobEnding(job.id, None, ""))
            self._news.put(News(followed[job.id], job.state, ending.return_code, ending.words))
        kept = {job_id: state for job_id, state in self._told.items() if job_id in followed}
        self._told = kept | {job.id: job.state for job in told}
        newest = max((seconds_of(job.last_update) for job in jobs), default=self._changed_since)
        self._changed_since = max(self._changed_since, newest - OVERLAP_SECONDS)


def key_of(job: Job) -> Key:
    """Which attempt a job of ours is."""
    return int(job.tags[EVALUATION]), int(job.tags[ATTEMPT])


def _takes_ours(batch: Batch) -> bool:
    """Whether its launcher runs jobs of ours, as far as its filter says."""
    return all(name.startswith("ambs") for name in batch.request.filter_tags)


def _campaign_tags(job: NewJob) -> dict[str, str]:
    return {name: job.tags[name] for name in (*MARK, QUEUE)}


def _parts(items: Sequence[tuple[Key, NewJob]], size: int) -> list[Sequence[tuple[Key, NewJob]]]:
    return [items[begin : begin + size] for begin in range(0, len(items), size)]
