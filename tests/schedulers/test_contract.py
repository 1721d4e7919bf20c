"""What every scheduler does alike: Cobalt and PBS on fakes that really run scripts, this machine for real.

A further one joins with one more function in `MACHINES`.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ambs_hpc.errors import AmbsError, SubmissionRejected, SubmissionUnclear, UsageError
from ambs_hpc.schedulers import (
    SCHEDULERS,
    AllocationState,
    AllocationStatus,
    CancelAnswer,
    Completed,
    CouldNotAsk,
    Scheduler,
    StatusAnswer,
    Submission,
    SubmitRequest,
    ask,
    scheduler,
    submit,
    with_status,
)
from ambs_hpc.sites import write_script
from tests.databases import wait_until
from tests.schedulers.fakes import FakeScheduler

DIRECTIVES = {  # one script for all would not do: sbatch obeys #PBS lines as well
    "cobalt": "#COBALT -n 1 -t 10",
    "pbs": "#PBS -l select=1,walltime=00:10:00 -j oe",
    "slurm": "#SBATCH -N 1 -t 10 --no-requeue",
    "lsf": "#BSUB -n 1\n#BSUB -W 10\n#BSUB -x",
    "local": "",
}
SILENT = {"slurm"}  # cancels unknown ids without an error


@dataclass
class Machine:
    """A scheduler with allocations of its own."""

    scheduler: Scheduler
    folder: Path
    environ: dict[str, str]
    fake: FakeScheduler | None = None

    def request(self, body: str, name: str = "ambs-1", walltime_seconds: int = 600) -> SubmitRequest:
        script = self.folder / f"{name}.sh"
        # Replaced as a whole: one that is just being started cannot be written to.
        write_script(script, f"#!/bin/bash\n{DIRECTIVES[self.scheduler.name]}\n{body}\n")
        return SubmitRequest(script, name, self.folder, walltime_seconds)

    def submit(self, body: str, name: str = "ambs-1", walltime_seconds: int = 600) -> str:
        answer = submit(self.scheduler, self.request(body, name, walltime_seconds), environ=self.environ)
        assert isinstance(answer, Submission)
        return answer.scheduler_id

    def ask_status(self, *ids: str) -> StatusAnswer | CouldNotAsk:
        return ask(self.scheduler.status(ids), environ=self.environ)

    def status(self, scheduler_id: str) -> AllocationStatus | None:
        """None when it has vanished."""
        answer = self.ask_status(scheduler_id)
        assert isinstance(answer, StatusAnswer), answer
        assert answer.known.keys() | answer.vanished == {scheduler_id}
        return answer.known.get(scheduler_id)

    def is_over(self, scheduler_id: str) -> bool:
        status = self.status(scheduler_id)
        return status is None or status.state.is_over

    def wait_for(self, scheduler_id: str, state: AllocationState) -> AllocationStatus:
        seen: list[AllocationStatus | None] = []

        def arrived() -> bool:
            seen[:] = [self.status(scheduler_id)]
            return seen[0] is not None and seen[0].state is state

        wait_until(arrived, 15.0)
        assert seen[0] is not None
        return seen[0]


@contextlib.contextmanager
def _faked(name: str, folder: Path, **settings: object) -> Iterator[Machine]:
    with FakeScheduler(name, folder / "fake", kill_seconds=0.5, **settings) as fake:
        chosen = scheduler(name, user=getpass.getuser(), folder=folder)
        environ = fake.environ(dict(os.environ) | {"HOME": str(folder)})
        yield Machine(chosen, folder, environ, fake)


@contextlib.contextmanager
def _local(folder: Path) -> Iterator[Machine]:
    machine = Machine(scheduler("local", user="", folder=folder / "local"), folder, dict(os.environ))
    yield machine
    for record in (folder / "local").glob("*.json"):
        ask(machine.scheduler.cancel([record.stem]))
        wait_until(lambda each=record.stem: machine.is_over(each))


MACHINES: dict[str, Callable[[Path], AbstractContextManager[Machine]]] = {
    "cobalt": lambda folder: _faked("cobalt", folder),
    "cobalt on a cray": lambda folder: _faked("cobalt", folder, system="cray", hosts=["340", "341"]),
    "pbs": lambda folder: _faked("pbs", folder),
    "pbs without history": lambda folder: _faked("pbs", folder, history=False),
    "lsf": lambda folder: _faked("lsf", folder),
    "local": _local,
}


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    with MACHINES[request.param](tmp_path) as made:
        yield made


@pytest.fixture(params=[name for name in MACHINES if name != "local"])
def faked(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """Those that have a server to lose."""
    with MACHINES[request.param](tmp_path) as made:
        assert made.fake is not None
        yield made


# ---- all four, without running anything


@pytest.fixture(params=SCHEDULERS)
def any_scheduler(request: pytest.FixtureRequest, tmp_path: Path) -> Scheduler:
    return scheduler(request.param, user="alice", folder=tmp_path)


def test_no_command_without_ids(any_scheduler: Scheduler) -> None:
    """It would ask about everything, or end everything."""
    for verb in (any_scheduler.status, any_scheduler.cancel):
        with pytest.raises(ValueError, match="no allocation"):
            verb([])


def test_silence_changes_nothing(any_scheduler: Scheduler, tmp_path: Path) -> None:
    """A command that was stopped for taking too long: no state for the questions, unclear for submissions."""
    silence = Completed(None, "", "")
    request = SubmitRequest(tmp_path / "a.sh", "ambs-1", tmp_path, 60)
    for command in (any_scheduler.status(["1"]), any_scheduler.cancel(["1"]), any_scheduler.find(request)):
        assert isinstance(command.read(silence), CouldNotAsk)
    with pytest.raises(SubmissionUnclear):
        any_scheduler.submit(request).read(silence)


def test_a_thousand_allocations_are_one_command(any_scheduler: Scheduler) -> None:
    """And no argument is longer than the system allows."""
    command = any_scheduler.status([str(number) for number in range(1_000_000, 1_001_000)])
    assert max(len(word) for word in command.argv) < 128 * 1024


def test_outside_of_an_allocation_there_is_none(any_scheduler: Scheduler) -> None:
    """A launcher started by hand uses this machine."""
    assert any_scheduler.current_allocation({"HOME": "/home/alice"}, {}.__getitem__) is None


def test_an_unknown_scheduler_lists_the_known_ones(tmp_path: Path) -> None:
    """With the nearest one first."""
    with pytest.raises(UsageError, match=r"Did you mean 'slurm'.*cobalt, local, lsf, pbs, slurm"):
        scheduler("slrum", user="alice", folder=tmp_path)


@pytest.mark.parametrize("name", ["", "1st", "two words", "a/b", "a,b", "x" * 64, "a\n"])
def test_a_name_that_some_scheduler_changes_is_refused(name: str, tmp_path: Path) -> None:
    """By the name a lost answer is found again."""
    with pytest.raises(AmbsError, match="allocation name"):
        SubmitRequest(tmp_path / "a.sh", name, tmp_path, 60)


# ---- on machines


def test_an_allocation_lives_and_ends(machine: Machine) -> None:
    """From the id to the end, with its name, its end of walltime, and the script's output."""
    before = time.time()
    scheduler_id = machine.submit(
        "echo begun > begun; until test -e go; do sleep 0.02; done; echo done > done"
    )
    status = machine.wait_for(scheduler_id, AllocationState.RUNNING)
    assert (status.scheduler_id, status.name, status.nodes) == (scheduler_id, "ambs-1", 1)
    assert status.walltime_seconds == 600
    assert status.started_at is not None
    assert status.ends_at is not None
    assert before - 1.0 <= status.started_at <= time.time()
    assert status.ends_at == pytest.approx(status.started_at + 600.0, abs=0.01)
    folder = machine.folder  # PBS starts in $HOME, which is the same here
    wait_until(lambda: (folder / "begun").exists())
    (folder / "go").touch()
    wait_until(lambda: machine.is_over(scheduler_id), 15.0)
    assert (folder / "done").read_text() == "done\n"


def test_an_id_that_was_never_given_has_vanished(machine: Machine) -> None:
    """Alone, and beside a living one."""
    assert machine.status("999999") is None
    scheduler_id = machine.submit("sleep 60")
    answer = machine.ask_status(scheduler_id, "999999")
    assert isinstance(answer, StatusAnswer)
    assert (set(answer.known), answer.vanished, answer.unanswered) == (
        {scheduler_id},
        {"999999"},
        frozenset(),
    )


def test_a_cancelled_allocation_gets_term_and_ends(machine: Machine) -> None:
    """TERM first: a launcher uses it to give its evaluations back."""
    scheduler_id = machine.submit(
        "trap 'echo told > told; exit 3' TERM; touch begun; while :; do sleep 0.02; done"
    )
    machine.wait_for(scheduler_id, AllocationState.RUNNING)
    wait_until((machine.folder / "begun").exists)
    answer = ask(machine.scheduler.cancel([scheduler_id, "999999"]), environ=machine.environ)
    assert isinstance(answer, CancelAnswer)
    assert scheduler_id in answer.accepted
    assert machine.scheduler.name in SILENT or list(answer.refused) == ["999999"]
    wait_until(lambda: machine.is_over(scheduler_id), 15.0)
    assert (machine.folder / "told").read_text() == "told\n"


def test_a_script_that_cannot_run_is_refused_in_the_schedulers_words(machine: Machine) -> None:
    """Nothing is stored, and a person can read why."""
    request = machine.request("true")
    request.script.unlink()
    with pytest.raises(SubmissionRejected):
        submit(machine.scheduler, request, environ=machine.environ)


def test_a_name_finds_its_allocation_and_no_other(machine: Machine) -> None:
    """The way back to a submission whose answer was lost."""
    name = f"ambs-{uuid.uuid4().hex[:8]}"
    first = machine.submit("sleep 60", name)
    machine.submit("sleep 60", f"{name}0")
    assert ask(machine.scheduler.find(machine.request("", name)), environ=machine.environ) == (first,)
    assert ask(machine.scheduler.find(machine.request("", f"{name}1")), environ=machine.environ) == ()


HERE = """
import os, sys
from pathlib import Path
from ambs_hpc.schedulers import ask, scheduler, with_status

chosen = scheduler(sys.argv[1], user="", folder=Path(sys.argv[2]))
here = chosen.current_allocation(os.environ, lambda path: Path(path).read_text())
ends_at = with_status(chosen, here).ends_at
Path(sys.argv[2], "here").write_text(f"{here.scheduler_id} {','.join(here.nodes)} {ends_at}")
"""


def test_a_script_knows_its_allocation(machine: Machine) -> None:
    """Nodes from its environment, the end of walltime from the scheduler."""
    (machine.folder / "here.py").write_text(HERE)
    chosen = machine.scheduler.name
    scheduler_id = machine.submit(
        f"{sys.executable} {machine.folder}/here.py {chosen} {machine.folder}; sleep 60"
    )
    status = machine.wait_for(scheduler_id, AllocationState.RUNNING)
    wait_until(lambda: (machine.folder / "here").exists() and (machine.folder / "here").read_text())
    seen, nodes, ends_at = (machine.folder / "here").read_text().split()
    hosts = machine.fake.allocations()[0]["hosts"] if machine.fake else [socket.gethostname()]
    assert (seen, nodes.split(",")) == (scheduler_id, hosts)
    assert float(ends_at) == pytest.approx(status.ends_at, abs=2.0)


def test_walltime_ends_an_allocation_by_term_then_kill(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher must be out before: what ignores TERM is killed."""
    if machine.fake:
        machine.fake.set(seconds_per_minute=0.1)  # ten minutes pass in a second
    body = "trap 'echo told > told' TERM; touch begun; while :; do sleep 0.02; done"
    scheduler_id = machine.submit(
        body if machine.fake else body.replace("told'", "told; exit 1'"), walltime_seconds=1
    )
    wait_until(lambda: machine.is_over(scheduler_id), 15.0)
    assert (machine.folder / "told").read_text() == "told\n"


# ---- servers that fail


def test_an_unreachable_server_changes_nothing(faked: Machine) -> None:
    """Neither known nor vanished; afterwards all is as it was."""
    assert faked.fake is not None
    scheduler_id = faked.submit("sleep 60")
    faked.wait_for(scheduler_id, AllocationState.RUNNING)
    faked.fake.set(unreachable=True)
    assert isinstance(faked.ask_status(scheduler_id), CouldNotAsk)
    assert isinstance(ask(faked.scheduler.cancel([scheduler_id]), environ=faked.environ), CouldNotAsk)
    assert isinstance(
        submit(faked.scheduler, faked.request("true", "ambs-2"), environ=faked.environ), CouldNotAsk
    )
    found = ask(faked.scheduler.find(faked.request("true", "ambs-2")), environ=faked.environ)
    assert isinstance(found, CouldNotAsk)
    faked.fake.set(unreachable=False)
    faked.wait_for(scheduler_id, AllocationState.RUNNING)
    assert [each["name"] for each in faked.fake.allocations()] == ["ambs-1"]


@pytest.mark.parametrize("how", ["error", "silent"])
def test_a_lost_answer_is_found_again_and_never_doubled(faked: Machine, how: str) -> None:
    """Two allocations for one cost real node-hours."""
    assert faked.fake is not None
    faked.fake.set(lose_answers=1, lose_how=how, paused=True)
    scheduler_id = faked.submit("sleep 60")
    assert [each["name"] for each in faked.fake.allocations()] == ["ambs-1"]
    status = faked.status(scheduler_id)
    assert status is not None
    assert (status.state, status.name) == (AllocationState.QUEUED, "ambs-1")


def test_a_submission_that_hangs_is_unclear_and_found_by_its_name(faked: Machine) -> None:
    """The client is stopped for taking too long; the server had it all the same."""
    assert faked.fake is not None
    faked.fake.set(lose_answers=1, lose_how="hang", paused=True)
    request = faked.request("sleep 60")
    with pytest.raises(SubmissionUnclear, match="no answer"):
        ask(faked.scheduler.submit(request), environ=faked.environ, timeout_seconds=1.0)
    found = ask(faked.scheduler.find(request), environ=faked.environ)
    assert isinstance(found, tuple)
    assert len(found) == 1


def test_noise_on_stderr_is_no_answer(faked: Machine) -> None:
    """Site filters greet people on every command."""
    assert faked.fake is not None
    faked.fake.set(noise="Welcome. Maintenance on Monday.", paused=True)
    scheduler_id = faked.submit("sleep 60")
    status = faked.status(scheduler_id)
    assert status is not None
    assert status.state is AllocationState.QUEUED


def test_a_poll_costs_one_command(faked: Machine) -> None:
    """However many allocations there are."""
    assert faked.fake is not None
    faked.fake.set(paused=True)
    first = faked.submit("sleep 60")
    ids = [first.replace("1", number, 1) for number in faked.fake.multiply(1000)]
    before = len(faked.fake.calls())
    answer = faked.ask_status(first, *ids)
    assert isinstance(answer, StatusAnswer)
    assert list(answer.known) == [first, *ids]
    assert len(faked.fake.calls()) - before == 1


def test_what_is_not_in_the_environment_is_asked(faked: Machine) -> None:
    """The end of walltime, for an allocation that has none yet, is not invented."""
    assert faked.fake is not None
    faked.fake.set(paused=True)
    scheduler_id = faked.submit("sleep 60")
    environ = {
        "COBALT_JOBID": scheduler_id,
        "COBALT_PARTNAME": "1",
        "LSB_JOBID": scheduler_id,
        "LSB_MCPU_HOSTS": "n1 4",
        "PBS_JOBID": scheduler_id,
        "PBS_NODEFILE": "x",
    }
    here = faked.scheduler.current_allocation(environ, lambda path: "n1\n")
    assert here is not None
    asked = with_status(faked.scheduler, here, environ=faked.environ)
    assert not isinstance(asked, CouldNotAsk)
    assert asked.ends_at is None
