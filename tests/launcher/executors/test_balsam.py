"""Evaluations in Balsam: a window of them, once each, whatever its service says, repeats or withholds."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ambs_hpc.errors import BalsamRefused, BalsamUnreachable, ShapeNeverFits
from ambs_hpc.launcher.executors.balsam import files as balsam_files
from ambs_hpc.launcher.executors.balsam import link as balsam_link
from ambs_hpc.launcher.executors.balsam.executor import UNKNOWN_AHEAD, BalsamExecutor
from ambs_hpc.launcher.executors.balsam.jobs import new_job
from ambs_hpc.launcher.executors.balsam.link import BalsamLink, key_of
from ambs_hpc.launcher.executors.balsam.messages import Books
from ambs_hpc.launcher.executors.protocol import Ended, Interrupted
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.supervisor.messages import AttemptReport
from ambs_hpc.launcher.supervisor.outcome import write_outcome
from ambs_hpc.launcher.supervisor.progress.report_lines import REPORTS
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.schedulers.balsam.values import (
    UNFINISHED,
    BalsamSite,
    Batch,
    BatchRequest,
    Job,
    JobEnding,
    NewJob,
    seconds_of,
    text_of,
)
from ambs_hpc.states import FailureKind
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

pytestmark = pytest.mark.timeout(60)
FIRST_SECOND = 1_700_000_000.0


@dataclass
class PretendService:
    """Remembers jobs as the real one does; says nothing, or loses its answers, when it is told to."""

    jobs_by_id: dict[int, Job] = field(default_factory=dict)
    nodes: int = 1
    age_seconds: float = 1.0
    is_away: bool = False
    loses_answers: bool = False
    why: dict[int, JobEnding] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    loosened: list[int] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def site(self, name: str) -> BalsamSite:
        self._hear("site")
        return BalsamSite(1, name, Path("/site"), self.age_seconds)

    def register_application(self, site_id: int) -> int:
        self._hear("register")
        return 1

    def create_jobs(self, application_id: int, new: Sequence[NewJob]) -> list[Job]:
        self._hear("create")
        made = [Job(next(self._ids), "STAGED_IN", one.tags, one.folder, self._time()) for one in new]
        self.jobs_by_id |= {one.id: one for one in made}
        if self.loses_answers:
            self.loses_answers = False
            raise BalsamUnreachable("no answer in time")
        return made

    def jobs(
        self,
        application_id: int,
        *,
        tags: Mapping[str, str],
        states: Collection[str] = (),
        changed_since: str | None = None,
    ) -> list[Job]:
        self._hear("list")
        return [
            one
            for one in self.jobs_by_id.values()
            if tags.items() <= one.tags.items()
            and (not states or one.state in states)
            and (changed_since is None or seconds_of(one.last_update) >= seconds_of(changed_since))
        ]

    def settle_jobs(self, ids: Sequence[int], state: str, words: str) -> None:
        self._hear("finalise")
        for job_id in ids:
            if self.jobs_by_id[job_id].state in UNFINISHED:
                self.say(job_id, state)

    def loosen_jobs(self, ids: Sequence[int]) -> None:
        self._hear("loosen")
        self.loosened += ids

    def endings(self, ids: Sequence[int]) -> list[JobEnding]:
        self._hear("endings")
        return [self.why[job_id] for job_id in ids if job_id in self.why]

    def batches(self, *, site_id: int | None = None, states: Sequence[str] = ()) -> list[Batch]:
        self._hear("batches")
        request = BatchRequest(self.nodes, 60, "q", "p", "serial", {})
        return [Batch(1, 1, "running", request, None, "")] if self.nodes else []

    def say(self, job_id: int, state: str) -> None:
        """A job's state is another now."""
        self.jobs_by_id[job_id] = replace(self.jobs_by_id[job_id], state=state, last_update=self._time())

    def _hear(self, what: str) -> None:
        self.asked.append(what)
        if self.is_away:
            raise BalsamUnreachable("connection refused")

    def _time(self) -> str:
        return text_of(FIRST_SECOND + len(self.asked))


@pytest.fixture
def service() -> PretendService:
    return PretendService()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is waited for in seconds comes at once."""
    monkeypatch.setattr(balsam_link, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(balsam_link, "SITE_SECONDS", 0.0)
    monkeypatch.setattr(balsam_link, "PATIENCE_SECONDS", (0.01,))
    for name in ("LISTEN_SECONDS", "HEARTBEAT_LOOK_SECONDS", "VISIBLE_SECONDS"):
        monkeypatch.setattr(f"ambs_hpc.launcher.executors.balsam.executor.{name}", 0.01)


@pytest.fixture
def executor(service: PretendService) -> Iterator[BalsamExecutor]:
    made = make(service)
    yield made
    made.close()


def make(service: PretendService, slots: int | None = None) -> BalsamExecutor:
    packing = Packing([Node("theta", tuple(range(4)), ("0", "1"))])
    site = BalsamSite(1, "theta", Path("/site"), 1.0)
    return BalsamExecutor(BalsamLink(service, site), "theta", packing, 1.0, slots)


def work(folder: Path, number: int, resources: Resources = Resources(), attempt: int = 1) -> Prepared:  # noqa: B008
    claim = Claim(number, 1, "p", number, attempt, f"token.{number}", {"x": 0.5}, resources, 90.0)
    place = f"{folder}/runs/000/{number:06d}-{attempt}"
    return prepared(claim, ["true"], None, str(folder), place, {"AMBS_ORDINAL": str(number)})


def start(executor: BalsamExecutor, service: PretendService, one: Prepared) -> int:
    """Handed over; the id of its job."""
    assert executor.start(*one)
    wait_until(lambda: jobs_of(service, one))
    (job,) = jobs_of(service, one)
    return job.id


def jobs_of(service: PretendService, one: Prepared) -> list[Job]:
    key = (one.claim.id, one.claim.attempt)
    return [job for job in list(service.jobs_by_id.values()) if key_of(job) == key]


def states_of(service: PretendService, one: Prepared) -> list[str]:
    return [job.state for job in jobs_of(service, one)]


def ended(executor: BalsamExecutor) -> Ended:
    """The next that ends."""
    found: list[Ended] = []
    wait_until(lambda: found.extend(executor.poll(0.1)) or found, 20)
    (one,) = found
    return one


def begin(one: Prepared) -> None:
    """As Balsam's launcher does."""
    assert balsam_files.take(one.folder, 0.0)


def end(one: Prepared) -> None:
    key = (one.claim.id, one.claim.attempt)
    report = AttemptReport(*key, node="n", started_at=1.0, finished_at=3.0, objective=0.5, exit_status=0)
    balsam_files.tell_end(str(Path(one.folder).parents[1]), key, report)


def fall_silent(one: Prepared) -> None:
    os.utime(f"{one.folder}/{balsam_files.STARTED}", (1000.0, 1000.0))


def test_end_is_known_from_its_file(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """Long before Balsam says a word, and also while it says none."""
    one = work(tmp_path, 1)
    start(executor, service, one)
    begin(one)
    service.is_away = True
    end(one)
    told = ended(executor)
    assert isinstance(told, Outcome)
    assert told.objective == 0.5
    assert executor.poll(0.0) == []


def test_reports_are_read_at_the_end(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """Nothing of ours runs beside it; of an earlier attempt in the same folder nothing counts."""
    one = work(tmp_path, 1)
    Path(one.folder).mkdir(parents=True)
    reports = Path(one.folder, REPORTS)
    reports.write_text('{"step": 9, "objective": 9}\n')
    start(executor, service, one)
    begin(one)
    reports.write_text('{"step": 1, "objective": 0.5}\n')
    end(one)
    assert isinstance(ended(executor), Outcome)
    told = executor._report_log.due()
    assert [(each.token, each.step, each.objective) for each in told] == [("token.1", 1, 0.5)]


def test_lost_answer_creates_nothing_twice(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """The service made the jobs and could not say so."""
    service.loses_answers = True
    several = [work(tmp_path, number) for number in range(1, 4)]
    for one in several:
        executor.start(*one)
    wait_until(lambda: service.asked[-3:].count("create") == 0 and len(service.jobs_by_id) >= 3)
    wait_until(lambda: executor.troubles == [])
    assert sorted(key_of(job) for job in service.jobs_by_id.values()) == [(1, 1), (2, 1), (3, 1)]


def test_next_launcher_goes_on(executor: BalsamExecutor, service: PretendService, tmp_path: Path) -> None:
    """What waits and what runs there stays; what ended meanwhile counts; what nobody holds is given up."""
    waits, runs, has_ended, stray = (work(tmp_path, number) for number in range(1, 5))
    for one in (waits, runs, has_ended, stray):
        start(executor, service, one)
    executor.close()
    begin(runs)
    begin(has_ended)
    end(has_ended)
    held = {(1, 1), (2, 1), (3, 1)}
    successor = make(service)
    successor.succeed(held, [str(tmp_path / "runs")], lambda _keys: Books(held, ()))
    for one in (waits, runs, has_ended):
        successor.start(*one)
    told = ended(successor)
    assert (told.id, isinstance(told, Outcome)) == (3, True)  # type: ignore[union-attr]
    wait_until(lambda: states_of(service, stray) == ["FAILED"])
    assert not balsam_files.take(stray.folder, 0.0)
    assert len(jobs_of(service, waits)) == len(jobs_of(service, runs)) == 1
    successor.close()


@pytest.mark.parametrize("is_recorded", [True, False], ids=["recorded", "to be recorded"])
def test_jobs_that_ended_meanwhile_stay_as_finished(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path, is_recorded: bool
) -> None:
    """While no launcher of ours was there; a person who looks at Balsam's list finds every one of them."""
    one = work(tmp_path, 1)
    job = start(executor, service, one)
    executor.close()
    begin(one)
    write_outcome(one.folder, AttemptReport(1, 1, "n", 1.0, 1.5, objective=0.5, token="token.1"))
    service.say(job, "RUNNING")
    successor, key = make(service), (1, 1)
    books = Books((), {key}) if is_recorded else Books({key}, ())
    successor.succeed({key}, [str(tmp_path / "runs")], lambda _keys: books)
    if not is_recorded:
        successor.start(*one)
        assert isinstance(ended(successor), Outcome)
    wait_until(lambda: successor._link._ended)
    assert service.jobs_by_id[job].state == "RUNNING"  # Balsam may say it by itself
    successor.close()
    assert service.jobs_by_id[job].state == "JOB_FINISHED"


def test_a_job_is_settled_though_the_launcher_ends_at_once(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """The last result may have come while no launcher was there, and nothing is left to do."""
    one = work(tmp_path, 1)
    job = start(executor, service, one)
    executor.close()
    service.say(job, "RUNNING")
    link = BalsamLink(service, BalsamSite(1, "theta", Path("/site"), 1.0))
    link.finalise_found(key_of(service.jobs_by_id[job]), {})
    link._over.set()  # closed before its first round
    link.begin()
    link.close()
    assert service.jobs_by_id[job].state == "JOB_FINISHED"


@pytest.mark.parametrize("state", ["RUN_TIMEOUT", "RESTART_READY", "JOB_FINISHED"])
def test_balsams_end_without_a_result_is_an_interruption(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path, state: str
) -> None:
    """Its walltime, its launcher's death; one that never began costs nothing."""
    one, other = work(tmp_path, 1), work(tmp_path, 2)
    jobs = [start(executor, service, each) for each in (one, other)]
    begin(one)
    fall_silent(one)
    service.say(jobs[0], state)
    told = ended(executor)
    assert isinstance(told, Interrupted)
    assert told.started
    service.say(jobs[1], state)
    told = ended(executor)
    assert isinstance(told, Interrupted)
    assert not told.started
    wait_until(lambda: not [job for job in service.jobs_by_id.values() if job.state in UNFINISHED])


def test_process_that_lives_outweighs_balsams_word(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """A session that expired over a broken network: the evaluation runs on and its result counts."""
    one = work(tmp_path, 1)
    job = start(executor, service, one)
    begin(one)
    service.say(job, "RESTART_READY")
    assert executor.poll(0.5) == []
    end(one)
    assert isinstance(ended(executor), Outcome)


def test_jobs_that_are_passed_over_are_offered_again(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed launcher of Balsam's holds what it had taken ahead, and later ones run before them."""
    held, later = work(tmp_path, 1), work(tmp_path, 2)
    job = start(executor, service, held)
    service.nodes = 0
    wait_until(lambda: not executor._link.is_running)
    start(executor, service, later)
    monkeypatch.setattr("ambs_hpc.launcher.executors.balsam.executor.PASSED_OVER_SECONDS", 0.0)
    assert executor.poll(0.1) == []
    assert service.loosened == []
    begin(later)
    assert executor.poll(0.1) == []
    wait_until(lambda: service.loosened)
    assert set(service.loosened) == {job}


def test_silent_process_is_noticed_without_balsam(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """Balsam takes five minutes for that."""
    one = work(tmp_path, 1)
    service.say(start(executor, service, one), "RUNNING")
    begin(one)
    fall_silent(one)
    told = ended(executor)
    assert isinstance(told, Interrupted)
    assert "silent" in told.reason


def test_program_that_does_not_start_failed(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """With the status and the words of Balsam's log."""
    one = work(tmp_path, 1)
    job = start(executor, service, one)
    service.why[job] = JobEnding(job, 127, "python: not found")
    service.say(job, "FAILED")
    told = ended(executor)
    assert isinstance(told, Outcome)
    assert (told.failure, told.exit_status) == (FailureKind.ERROR, 127)
    assert "python: not found" in told.error


def test_evaluation_that_kills_its_supervisor_twice_is_the_culprit(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """Once may be the machine's doing."""
    for attempt, kind in ((1, Interrupted), (2, Outcome)):
        one = work(tmp_path, 1, attempt=attempt)
        job = start(executor, service, one)
        begin(one)
        service.why[job] = JobEnding(job, -9, "")
        service.say(job, "FAILED")
        assert isinstance(ended(executor), kind)


def test_cancelled_before_it_begins_never_begins(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """Whatever Balsam does with the job; one that runs is asked to stop."""
    waits, runs = work(tmp_path, 1), work(tmp_path, 2)
    for one in (waits, runs):
        start(executor, service, one)
    begin(runs)
    executor.cancel([1, 2], 3.0)
    told = ended(executor)
    assert isinstance(told, Interrupted)
    assert (told.id, told.started) == (1, False)
    assert not balsam_files.take(waits.folder, 0.0)
    assert balsam_files.asked_to_stop(runs.folder) == 3.0


def test_launcher_of_balsams_may_speak_after_us(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds a job that was given up, says that it runs, and dies."""
    one = work(tmp_path, 1)
    job = start(executor, service, one)
    executor.cancel([1], 0.0)
    assert isinstance(ended(executor), Interrupted)
    wait_until(lambda: states_of(service, one) == ["FAILED"])
    service.say(job, "RUNNING")
    monkeypatch.setattr(balsam_link, "SETTLE_SECONDS", 0.0)
    wait_until(lambda: states_of(service, one) == ["JOB_FINISHED"])


def test_cancelled_while_it_is_created_is_given_up(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows its job's number yet."""
    one, real = work(tmp_path, 1), service.create_jobs
    made: list[Job] = []

    def create(application_id: int, new: Sequence[NewJob]) -> list[Job]:
        made.extend(real(application_id, new))
        executor.cancel([1], 0.0)
        return made

    monkeypatch.setattr(service, "create_jobs", create)
    executor.start(*one)
    assert isinstance(ended(executor), Interrupted)
    assert len(made) == 1
    wait_until(lambda: states_of(service, one) == ["FAILED"])


def test_files_of_an_earlier_database_are_not_ours(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """Attempts of a database that was removed had the same folders."""
    one = work(tmp_path, 1)
    Path(one.folder).mkdir(parents=True)
    begin(one)
    end(one)
    start(executor, service, one)
    assert balsam_files.heartbeat_at(one.folder) is None
    assert executor.poll(0.1) == []


def test_jobs_of_an_earlier_database_are_not_ours(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """A lost answer makes us look for our jobs, and Balsam keeps for ever what has failed."""
    one = work(tmp_path, 1)
    earlier = start(executor, service, one)
    executor.cancel([1], 0.0)
    assert isinstance(ended(executor), Interrupted)
    wait_until(lambda: states_of(service, one) == ["FAILED"])
    again = one._replace(claim=replace(one.claim, token="other.1"))
    service.loses_answers = True
    assert executor.start(*again)
    wait_until(lambda: len(jobs_of(service, again)) == 2 and executor.troubles == [])
    assert executor.poll(0.2) == []
    assert executor._link._ids[(1, 1)] != earlier


def test_full_disk_fails_what_cannot_be_handed_over(executor: BalsamExecutor, tmp_path: Path) -> None:
    """With the words of the system; the launcher lives on."""
    one = work(tmp_path, 1)
    (tmp_path / "runs").write_text("no folder can be made here")
    assert executor.start(*one)
    told = ended(executor)
    assert isinstance(told, Outcome)
    assert "could not be started" in told.error


def test_window_follows_what_balsam_can_run(service: PretendService) -> None:
    """Some times what its batch jobs have slots; `slots` when that is said."""
    service.nodes = 3
    executor = make(service)
    wait_until(lambda: executor.most(Resources()) == 12)
    waiting = 1 + UNKNOWN_AHEAD
    assert executor.count(Resources()) == 12 * waiting
    assert executor.count(Resources(gpus=2)) == 3 * waiting
    assert executor.count(Resources(nodes=2)) == 1 * waiting
    assert executor.count(Resources(cores=5)) == 0
    executor.close()
    assert make(service, slots=2).count(Resources()) == 2


def test_troubles_are_told_in_words(
    executor: BalsamExecutor, service: PretendService, tmp_path: Path
) -> None:
    """By `ambs status`: people ask why nothing happens."""
    service.age_seconds = 300.0
    wait_until(lambda: any("not heard for 5 minutes" in words for words in executor.troubles))
    service.age_seconds, service.nodes = 1.0, 0
    wait_until(lambda: any("ambs submit --via balsam" in words for words in executor.troubles))
    service.nodes = 1
    executor.start(*work(tmp_path, 1, Resources(nodes=8)))
    wait_until(lambda: any("8 nodes" in words for words in executor.troubles))
    service.is_away = True
    wait_until(lambda: any("connection refused" in words for words in executor.troubles))


def test_refusal_is_told_and_tried_again(
    service: PretendService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that expired in the middle of the night is renewed in the morning."""
    executor = make(service)
    one, real = work(tmp_path, 1), service.create_jobs

    def refuse(application_id: int, new: Sequence[NewJob]) -> list[Job]:
        raise BalsamRefused("token has expired: balsam login")

    monkeypatch.setattr(service, "create_jobs", refuse)
    executor.start(*one)
    wait_until(lambda: any("balsam login" in words for words in executor.troubles))
    monkeypatch.setattr(service, "create_jobs", real)
    wait_until(lambda: jobs_of(service, one))
    executor.close()


def test_shape_that_fits_no_node_is_refused(executor: BalsamExecutor, tmp_path: Path) -> None:
    """It would wait in Balsam for ever, without a word."""
    with pytest.raises(ShapeNeverFits, match="Balsam site 'theta'"):
        executor.start(*work(tmp_path, 1, Resources(gpus=3)))


def test_job_has_the_shape_of_the_evaluation(tmp_path: Path) -> None:
    """One to one; whole nodes divide their cores among ranks."""
    packing = Packing([Node("theta", tuple(range(8)), ("0", "1", "2", "3"))])
    packed = new_job(*work(tmp_path, 7, Resources(cores=2, gpus=1)), packing, 10.0)
    assert (packed.num_nodes, packed.ranks_per_node, packed.threads_per_rank) == (1, 1, 2)
    assert (packed.gpus_per_rank, packed.node_packing_count, packed.wall_time_min) == (1, 4, 2)
    assert packed.parameters == {"python": sys.executable, "folder": f"{tmp_path}/runs/000/000007-1"}
    assert packed.workdir.endswith("/000/000007-1")
    wide = new_job(*work(tmp_path, 8, Resources(nodes=3, ranks_per_node=4, gpus=4)), packing, 10.0)
    assert (wide.num_nodes, wide.ranks_per_node, wide.threads_per_rank) == (3, 4, 2)
    assert (wide.gpus_per_rank, wide.node_packing_count) == (1, 1)
