"""A pool of Parsl's workers on a real Slurm: one launch command, every node used, nothing left."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor import process_tree
from tests.databases import wait_until
from tests.slurm.cluster import CPUS, NODES, is_installed, stop_cluster
from tests.stories.test_slurm import LoginNode

PROBLEM = """
from ambs_hpc import Problem
problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:train", time_limit_seconds=60)
"""
MODEL = """
import os, socket, time
def train(configuration):
    time.sleep(1.0)
    cores = sorted(os.sched_getaffinity(0))
    return {"objective": configuration["x"], "host": socket.gethostname(), "cores": cores}
"""
EVALUATIONS = 32

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        (not is_installed() or os.geteuid() != 0) and not os.environ.get("CI"),
        reason="needs root and Debian's slurm-wlm and munge",
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _cluster() -> Iterator[None]:
    yield
    stop_cluster()


@pytest.fixture
def login(tmp_path: Path) -> LoginNode:
    node = LoginNode(tmp_path, "")
    node.write("problem.py", PROBLEM)
    node.write("model.py", MODEL)
    config = node.folder / "config"
    node.write(
        "here.yml", f"extends: slurm\nnode: {{cores: {CPUS}}}\nenvironment: {{AMBS_CONFIG_DIR: {config}}}\n"
    )
    node.ambs("init", "--site", "here")
    return node


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder, or were told it."""
    mark, found = str(folder).encode(), []
    for pid in process_tree.all_processes():
        line = command_of(pid)
        named = mark in line or any(mark in entry for entry in process_tree.environment_of(pid))
        if named and process_tree.state_of(pid) not in "ZX" and pid != os.getpid():
            found.append(f"{pid}: {line.replace(bytes(1), b' ').decode()}")
    return found


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def launcher_of(login: LoginNode) -> int:
    """Its pid; its orphan reaper, which looks the same, is started after it."""
    mark = str(login.folder).encode()
    found = [pid for pid in process_tree.all_processes() if b"ambs_hpc.cli.main\0launch" in command_of(pid)]
    return min(pid for pid in found if any(mark in entry for entry in process_tree.environment_of(pid)))


def submit(login: LoginNode) -> None:
    login.ambs("submit", "-n", str(NODES), "-t", "5", "--executor", "parsl")
    wait_until(lambda: login.state() == "RUNNING", 30)


def end(login: LoginNode) -> None:
    login.ambs("allocations", "cancel", str(login.allocations()[0]["id"]))
    wait_until(lambda: login.state() in ("ENDED", "VANISHED"), 60)


def test_pool_uses_every_node(login: LoginNode) -> None:
    """Each worker is on a node and cores of its own, and nothing is left when the allocation is over."""
    search = login.start("search", "problem.py", "--max-evaluations", str(EVALUATIONS), "--slots", "8")
    try:
        login.wait_for_proposals(search)
        submit(login)
        assert search.wait(120) == 0
    finally:
        search.kill()
        search.communicate()
    rows = login.rows("select state, node, attempt, metrics from v_evaluations")
    assert [row["state"] for row in rows] == ["DONE"] * EVALUATIONS
    assert {row["attempt"] for row in rows} == {1}
    assert {row["node"] for row in rows} == {f"n{number}" for number in range(1, NODES + 1)}
    told = [row["metrics"] for row in rows]
    metrics = [json.loads(one) if isinstance(one, str) else one for one in told]
    assert [one["host"] for one in metrics] == [row["node"] for row in rows]  # type: ignore[index]
    assert {tuple(one["cores"]) for one in metrics} == {(core,) for core in range(CPUS)}  # type: ignore[index]
    assert len(list((login.folder / "ambs-allocations").glob("parsl-*"))) == 1
    end(login)
    wait_until(lambda: processes_of(login.folder) == [], 30)


def test_killed_launcher_leaves_nothing(login: LoginNode) -> None:
    """Its pool is gone from all nodes, and the next allocation does the rest."""
    search = login.start("search", "problem.py", "--max-evaluations", str(EVALUATIONS), "--slots", "8")
    try:
        login.wait_for_proposals(search)
        submit(login)
        wait_until(lambda: len(login.rows("select id from v_evaluations where state = 'DONE'")) >= 4, 60)
        os.kill(launcher_of(login), signal.SIGKILL)
        wait_until(lambda: not [one for one in processes_of(login.folder) if "parsl" in one], 60)
        submit(login)
        assert search.wait(120) == 0
    finally:
        search.kill()
        search.communicate()
    rows = login.rows("select state from v_evaluations")
    assert [row["state"] for row in rows] == ["DONE"] * EVALUATIONS
    end(login)
