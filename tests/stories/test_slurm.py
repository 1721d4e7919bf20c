"""The same on a real Slurm: submit, follow, cancel, several nodes, a controller that does not answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ambs_hpc.fidelity import Fidelity
from ambs_hpc.fidelity.rules import FULL_RUNS
from tests.databases import wait_until
from tests.slurm.cluster import (
    NODES,
    Cluster,
    is_installed,
    reserving_cluster,
    slurm_cluster,
    stop_cluster,
)
from tests.stories import pause_story
from tests.stories.commands import Shell

EVALUATIONS = 24
PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train", time_limit_seconds=30)
"""
MODEL = """
import os, socket, subprocess, sys, time
def train(configuration):
    time.sleep(0.5)
    return {"objective": configuration["x"], "host": socket.gethostname()}
def waits(configuration):
    go = os.path.join(os.path.dirname(__file__), "go")
    while not os.path.exists(go):
        time.sleep(0.1)
    return configuration["x"]
def looks(configuration):
    named = ("MYDATA", "MY_ENV", "PMI_RANK", "SLURM_PROCID", "SLURM_STEP_ID")
    step = ["srun", "--overlap", "--nodes=1", "--ntasks=1", "--nodelist=" + socket.gethostname()]
    initialise = "import ctypes; print(ctypes.CDLL(%r).MPI_Init(None, None))"
    library = os.path.join(sys.prefix, "lib", "libmpi.so.12")
    return {
        "objective": configuration["x"],
        "seen": " ".join(name for name in named if name in os.environ),
        "step": said([*step, "sh", "-c", "echo $(hostname) $MYDATA"]),
        "mpi": said([sys.executable, "-c", initialise % library]) if os.path.exists(library) else "0",
    }
def said(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
"""

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        (not is_installed() or os.geteuid() != 0) and not os.environ.get("CI"),
        reason="needs root and Debian's slurm-wlm and munge",
    ),
]


@dataclass(frozen=True)
class LoginNode(Shell):
    """A shell with Slurm's commands, and with variables of its user."""

    variables: Mapping[str, str] = field(default_factory=dict)
    cluster: Callable[[], Cluster] = slurm_cluster

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.cluster().environment, "AMBS_DB": "", **self.variables}

    def allocations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ambs("allocations", "--json"))
        return found

    def state(self) -> str:
        return str(self.allocations()[0]["state"])


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    yield
    stop_cluster()


@pytest.fixture
def login(tmp_path: Path) -> LoginNode:
    node = LoginNode(tmp_path, "")
    node.write("problem.py", PROBLEM)
    node.write("model.py", MODEL)
    # On one machine all nodes share one file system and one address, so SQLite serves them.
    config = node.folder / "config"
    node.write("here.yml", f"extends: slurm\nenvironment: {{AMBS_CONFIG_DIR: {config}}}\n")
    node.ambs("init", "--site", "here")
    return node


def all_over(login: LoginNode) -> bool:
    return all(one["state"] in ("ENDED", "VANISHED", "REFUSED") for one in login.allocations())


def stock(login: LoginNode, budget: int = 4) -> None:
    """Evaluations that wait."""
    search = login.start("search", "problem.py", "--max-evaluations", str(budget), "--slots", "2")
    login.wait_for_proposals(search)
    search.terminate()
    search.communicate(timeout=30)


def test_campaign_uses_every_node(login: LoginNode) -> None:
    """One launcher in the script, a supervisor on each node through srun, evaluations on all of them."""
    search = login.start("search", "problem.py", "--max-evaluations", str(EVALUATIONS), "--slots", "8")
    try:
        login.wait_for_proposals(search)
        login.ambs("submit", "-n", str(NODES), "-t", "3")
        wait_until(lambda: login.state() == "RUNNING", 30)
        assert search.wait(120) == 0
    finally:
        search.kill()
        search.communicate()
    rows = login.rows("select state, node, allocation, metrics from v_evaluations")
    assert [row["state"] for row in rows] == ["DONE"] * EVALUATIONS
    assert {row["node"] for row in rows} == {f"n{number}" for number in range(1, NODES + 1)}
    hosts = [row["metrics"] for row in rows]
    told = {(json.loads(one) if isinstance(one, str) else one)["host"] for one in hosts}  # type: ignore[index]
    assert told == {row["node"] for row in rows}
    assert {row["allocation"] for row in rows} == {login.allocations()[0]["scheduler_id"]}
    login.ambs("allocations", "cancel", "1")  # or it would wait for more until its idle time is over
    wait_until(lambda: login.state() in ("ENDED", "VANISHED"), 60)


def test_neither_a_shell_nor_srun_changes_what_evaluations_get(login: LoginNode) -> None:
    """The request decides over the shell; all nodes see the script's variables; no evaluation is a rank."""
    login.write("problem.py", PROBLEM.replace("train", "looks"))
    variables = f"{{AMBS_CONFIG_DIR: {login.folder / 'config'}, MY_ENV: mine}}"
    preamble = "preamble: [export MYDATA=/data, export SLURM_LABELIO=1]"
    launch = "launch: {family: srun, flags: [--mpi=pmi2]}"
    login.write("here.yml", f"extends: slurm\nenvironment: {variables}\n{preamble}\n{launch}\n")
    stock(login, 8)
    options = {"SBATCH_PARTITION": "debug", "SBATCH_TIMELIMIT": "1", "SBATCH_REQUEUE": "1"}
    outer = {"SLURM_NTASKS": "7", "SLURM_STEP_ID": "3", "SLURM_CPU_BIND": "cores", "SBATCH_EXPORT": "NONE"}
    elsewhere = {"SBATCH_OUTPUT": str(login.folder / "elsewhere")}
    replace(login, variables={**options, **outer, **elsewhere}).ambs("submit", "-n", "2", "-t", "3")
    told = dict(word.split("=", 1) for word in job_of(login).split() if "=" in word)
    assert [told[key] for key in ("Partition", "TimeLimit", "Requeue")] == ["batch", "00:03:00", "0"]
    assert told["StdOut"].startswith(str(login.folder / "ambs-allocations"))
    wait_until(
        lambda: login.rows("select state from v_evaluations where state in ('READY', 'RUNNING')") == [], 60
    )
    rows = login.rows("select state, node, error, metrics from v_evaluations")
    assert {row["state"] for row in rows} == {"DONE"}, rows
    assert {row["node"] for row in rows} == {"n1", "n2"}
    for row in rows:
        found = json.loads(row["metrics"]) if isinstance(row["metrics"], str) else row["metrics"]
        assert found == {"seen": "MYDATA MY_ENV", "step": f"{row['node']} /data", "mpi": "0"}
    login.ambs("allocations", "cancel", "1")
    wait_until(lambda: all_over(login), 60)


def job_of(login: LoginNode) -> str:
    """What Slurm knows of the newest allocation."""
    command = ["scontrol", "show", "job", str(login.allocations()[0]["scheduler_id"])]
    return subprocess.run(
        command, env=login.environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def test_life_of_an_allocation(login: LoginNode) -> None:
    """Queued behind another, cancelled, over; and what Slurm does not accept is told in its own words."""
    stock(login)
    refused = login.rejected("submit", "-n", "1", "-t", "2", "-q", "nosuch")
    assert "invalid partition specified" in refused
    assert login.state() == "REFUSED"
    login.ambs("submit", "-n", "1", "-t", "2", "--chain", "2")  # there are nodes for both
    wait_until(lambda: [one["state"] for one in login.allocations()][:2] == ["HELD", "RUNNING"], 30)
    assert login.allocations()[0]["detail"] == "PENDING Dependency"
    second, first = (str(one["id"]) for one in login.allocations()[:2])
    login.ambs("allocations", "cancel", first)
    wait_until(lambda: login.state() == "RUNNING", 60)
    assert login.allocations()[1]["state"] in ("ENDED", "VANISHED")
    login.ambs("allocations", "cancel", second)
    wait_until(lambda: all_over(login), 60)


WHOLE = "node: {cores: 6, threads_per_core: 2, found: false}"  # the hardware, of which some is reserved
PLACES = "select node, count(*) as n from v_evaluations where state = 'RUNNING' group by node order by node"


@pytest.mark.parametrize(
    ("executor", "directives"),
    [("process", "[--exclusive, --threads-per-core=1]"), ("parsl", "[--exclusive]")],
)
def test_nodes_with_reserved_cores_get_what_was_granted(
    login: LoginNode, executor: str, directives: str
) -> None:
    """Four cores of each, not six, by a step that Slurm starts; and everybody sees what runs where."""
    login = replace(login, cluster=reserving_cluster)
    config = login.folder / "config"
    variables = f"environment: {{AMBS_CONFIG_DIR: {config}}}"
    login.write("here.yml", f"extends: slurm\n{WHOLE}\ndirectives: {directives}\n{variables}\n")
    login.write("problem.py", PROBLEM.replace("train", "waits").replace("_seconds=30", "_seconds=90"))
    search = login.start("search", "problem.py", "--max-evaluations", "12", "--slots", "12")
    try:
        login.wait_for_proposals(search)
        login.ambs("submit", "-n", "3", "-t", "5", "--executor", executor)
        wait_until(lambda: [row["n"] for row in login.rows(PLACES) if row["node"]] == [4, 4, 4], 60)
        assert [row["node"] for row in login.rows(PLACES)] == ["n1", "n2", "n3"]
        assert "slots: 12" in login.ambs("status")
        said = next((login.folder / "ambs-allocations").glob("*.error")).read_text()
        assert "slots=12" in said
        (login.folder / "go").touch()
        assert search.wait(60) == 0
    finally:
        search.kill()
        search.communicate()
    rows = login.rows("select state, interruptions, failures from v_evaluations")
    assert rows == [{"state": "DONE", "interruptions": 0, "failures": 0}] * 12
    login.ambs("allocations", "cancel", "1")
    wait_until(lambda: all_over(login), 60)


def test_a_broken_launch_command_is_told_as_one(login: LoginNode) -> None:
    """In Slurm's words, where a person looks; what ran into it is not counted as interrupted."""
    config = login.folder / "config"
    variables = f"environment: {{AMBS_CONFIG_DIR: {config}}}"
    launch = "launch: {family: srun, flags: [--nonsense]}"
    login.write("here.yml", f"extends: slurm\n{launch}\n{variables}\n")
    stock(login)
    login.ambs("submit", "-n", "3", "-t", "2", "--executor", "process")
    wait_until(lambda: "nothing starts on n2, n3: srun: unrecognized option" in login.ambs("status"), 60)
    wait_until(lambda: login.rows("select id from v_evaluations where state <> 'DONE'") == [], 60)
    assert login.rows("select sum(interruptions) as n from v_evaluations") == [{"n": 0}]
    login.ambs("allocations", "cancel", "1")
    wait_until(lambda: all_over(login), 60)


def test_autosubmit_follows_what_waits(login: LoginNode) -> None:
    """Nothing for an empty queue, one for a full one, none again when it has been emptied."""
    once = ("autosubmit", "-t", "2", "--max-queued", "1", "--max-nodes", str(NODES), "--per-node", "2")
    stock(login)
    assert "submitted" in login.ambs(*once)
    wait_until(lambda: login.rows("select state from v_evaluations where state <> 'DONE'") == [], 60)
    assert "nothing submitted" in login.ambs(*once)
    login.ambs("allocations", "cancel", "1")
    wait_until(lambda: all_over(login), 60)
    assert "nothing submitted" in login.ambs(*once)
    stock(login, 8)
    assert "submitted: " in login.ambs(*once)
    assert len(login.allocations()) == 2
    login.ambs("allocations", "cancel", "2")
    wait_until(lambda: all_over(login), 60)


EVENTS_OF_7TH = """
select e.move, u.allocation from evaluation_event e join v_evaluations v on v.id = e.evaluation_id
left join v_utilisation u on u.launcher_id = e.launcher_id where v.ordinal = 6 order by e.id
"""


def test_what_one_allocation_pauses_the_next_promotes(login: LoginNode) -> None:
    """And it goes on from its checkpoint, on whichever node that is."""
    fidelity, log = Fidelity("epochs", 1, 3), login.folder / "runs.log"
    variables = {
        "AMBS_CONFIG_DIR": login.folder / "config",
        "STORY_DB": login.folder / "ambs.db",
        "STORY_RUNGS": "1 3",
        "AMBS_STORY_LOG": log,
    }
    exported = ", ".join(f"{name}: '{value}'" for name, value in variables.items())
    login.write("here.yml", f"extends: slurm\nenvironment: {{{exported}}}\n")
    points = [{"x": 900.0 + index} for index in range(FULL_RUNS)] + [{"x": 1.0 + index} for index in range(4)]
    login.write("problem.py", pause_story.PROBLEM.format(points=points, fidelity=fidelity))
    login.write("model.py", pause_story.MODEL)
    # Of eight at the first rung the two best run on; of ten the three best, and the 7th is the third.
    for number, budget in ((1, 8), (2, 10)):
        search = login.start(
            *("search", "problem.py", "--method", "random", "--seed", "1"),
            *("--max-evaluations", str(budget), "--slots", "1"),
        )
        try:
            login.wait_for_proposals(search)
            login.ambs("submit", "-n", "1", "-t", "3")
            assert search.wait(120) == 0
        finally:
            search.kill()
            search.communicate()
        login.ambs("allocations", "cancel", str(number))
        wait_until(lambda: all_over(login), 60)
    first, second = (str(one["scheduler_id"]) for one in reversed(login.allocations()))
    told = [(row["move"], row["allocation"]) for row in login.rows(EVENTS_OF_7TH)]
    assert ("pause", first) in told
    assert told[-1] == ("complete", second)
    assert [move for move, _ in told if move in ("pause", "promote")] == ["pause", "promote"]
    begun = [
        line.split()[3] for line in log.read_text().splitlines() if line.startswith("7 ") and "start" in line
    ]
    assert begun == ["0", "1"]  # epochs that its checkpoint held


def test_silent_controller_changes_nothing(login: LoginNode) -> None:
    """A stopped slurmctld is not the end of an allocation; what it has forgotten afterwards is."""
    stock(login)
    login.ambs("submit", "-n", "1", "-t", "2")
    wait_until(lambda: login.state() == "RUNNING", 30)
    os.kill(slurm_cluster().controller_pid(), signal.SIGSTOP)
    try:
        process = login.start("allocations", "--json")
        out, err = process.communicate(timeout=100)
    finally:
        os.kill(slurm_cluster().controller_pid(), signal.SIGCONT)
    assert "could not be asked" in err
    assert json.loads(out)[0]["state"] == "RUNNING"
    login.ambs("allocations", "cancel", "1")
    wait_until(lambda: login.state() in ("ENDED", "VANISHED"), 90)


def test_a_changed_walltime_is_followed(login: LoginNode) -> None:
    """A longer one is used; of a shorter one the evaluations get their notice, before Slurm ends all."""
    variables = f"{{AMBS_CONFIG_DIR: {login.folder / 'config'}, AMBS_WATCH_SECONDS: '1'}}"
    login.write("here.yml", f"extends: slurm\nenvironment: {variables}\n")
    login.write("problem.py", PROBLEM.replace("train", "waits").replace("_seconds=30", "_seconds=100"))
    search = login.start("search", "problem.py", "--max-evaluations", "1", "--slots", "1")
    try:
        login.wait_for_proposals(search)
        login.ambs("submit", "-n", "1", "-t", "2", "--notice", "20")
        number = str(login.allocations()[0]["scheduler_id"])
        wait_until(lambda: "launcher started" in said_by_launchers(login), 30)
        assert login.has_ready()  # nobody begins what may run for longer than is left
        set_minutes(login, number, 5)
        wait_until(lambda: not login.has_ready(), 30)
        set_minutes(login, number, 1)
        wait_until(lambda: "launcher ended" in said_by_launchers(login), 30)
    finally:
        search.kill()
        search.communicate()
    assert "reason=time limit tally=Tally(done=0, failed=0, interrupted=1," in said_by_launchers(login)
    ended = f"JobId={number} "
    wait_until(lambda: any(line.startswith(ended) for line in slurm_cluster().ended_allocations()), 30)
    (how,) = [line for line in slurm_cluster().ended_allocations() if line.startswith(ended)]
    assert "JobState=COMPLETED" in how


def set_minutes(login: LoginNode, number: str, minutes: int) -> None:
    """Change the walltime of an allocation, as its owner or an operator does."""
    change = [f"JobId={number}", f"TimeLimit={minutes}"]
    subprocess.run(["scontrol", "update", *change], env=login.environment, check=True)


def said_by_launchers(login: LoginNode) -> str:
    return "".join(file.read_text() for file in (login.folder / "ambs-allocations").glob("*.error"))
