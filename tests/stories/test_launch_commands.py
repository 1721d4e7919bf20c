"""A campaign on several nodes through the mpiexec of MPICH, and pretended aprun and jsrun."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.databases import wait_until
from tests.schedulers.fakes import FakeScheduler
from tests.stories.commands import Shell
from tests.stories.kill_story import orphans_in

COMMANDS = Path(__file__).parents[1] / "launch_commands"
MODEL = """
import socket, time
def train(configuration):
    time.sleep(0.3)
    return {"objective": configuration["x"], "host": socket.gethostname()}
def together(configuration):
    print("rank on", socket.gethostname(), flush=True)
    time.sleep(0.3)
    return configuration["x"]
"""
PROBLEM = """
from ambs_hpc import Problem, Resources
problem = Problem(name="{name}", space={{"x": (0.0, 1.0)}}, objective="model:{name}", resources={resources})
"""
SITES = {
    "pbs": f"""
extends: pbs
as_of: 2026-01-01
source: a test
node: {{cores: 2, found: false}}
launch:
  family: hydra
  program: {Path(sys.executable).parent / "mpiexec"}
  flags: [-launcher, ssh, -launcher-exec, {COMMANDS / "ssh"}]
""",
    "cobalt": f"""
scheduler: cobalt
as_of: 2026-01-01
source: a test
node: {{cores: 2}}
script_host: mom
node_name: nid%05d
launch: {{family: aprun, program: {COMMANDS / "aprun"}, packs: false, most_at_once: 3}}
""",
    "lsf": f"""
scheduler: lsf
as_of: 2026-01-01
source: a test
node: {{cores: 2}}
script_host: mom
launch: {{family: jsrun, program: {COMMANDS / "jsrun"}, packs: false}}
""",
}
SMALL, LARGE = 32, 3

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        os.geteuid() != 0 and not os.environ.get("CI"), reason="only root can pretend host names"
    ),
]


@dataclass(frozen=True)
class LoginNode(Shell):
    """A shell with the scheduler's commands, and for its scripts the launch command."""

    fake: FakeScheduler

    @property
    def environment(self) -> dict[str, str]:
        return self.fake.environ(super().environment | {"HOME": str(self.folder)}) | {"AMBS_DB": ""}

    def states(self) -> list[str]:
        return [one["state"] for one in json.loads(self.ambs("allocations", "--json"))]


@pytest.fixture(params=["pbs", "cobalt", "lsf"])
def login(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoginNode]:
    hosts = ["7", "8", "9", "340"] if request.param == "cobalt" else ["h1", "h2", "h3", "h4"]
    systems = {"cobalt": "cray", "lsf": "csm"}
    settings: dict[str, Any] = {"hosts": hosts, "system": systems.get(request.param, "cluster")}
    with FakeScheduler(request.param, tmp_path / "fake", **settings) as fake:
        node = LoginNode(tmp_path / "campaign", "", fake)
        node.folder.mkdir()
        node.write("model.py", MODEL)
        node.write("small.py", PROBLEM.format(name="train", resources="Resources()"))
        ranks = "Resources(nodes=2, ranks_per_node=2)"
        node.write("large.py", PROBLEM.format(name="together", resources=ranks))
        fakes = f"FAKE_APRUN_FOLDER: {tmp_path}, FAKE_JSRUN_FOLDER: {tmp_path}"
        variables = f"{{AMBS_CONFIG_DIR: {node.folder / 'config'}, {fakes}}}"
        node.write("mine.yml", SITES[request.param] + f"environment: {variables}\n")
        node.ambs("init", "--site", "mine")
        yield node


def test_campaign_through_a_launch_command(login: LoginNode) -> None:
    """Small ones on every node and ranks over two, none of them left, by their own host names."""
    budget = ("--method", "random", "--slots", "8", "--max-evaluations")
    searches = [
        login.start("search", "small.py", *budget, str(SMALL)),
        login.start("search", "large.py", *budget, str(LARGE)),
    ]
    try:
        wait_until(lambda: (login.folder / "ambs.db").exists() and len(told(login)) > 4, 60)
        login.ambs("submit", "-n", "4", "-t", "10")
        for search in searches:
            assert search.wait(90) == 0, "".join(map(str, search.communicate()))
    finally:
        for search in searches:
            search.kill()
            search.communicate()
    rows = told(login)
    assert [row["state"] for row in rows] == ["DONE"] * (SMALL + LARGE)
    small = [row for row in rows if row["campaign"] == "train"]
    for row in small:
        assert _json(row["metrics"])["host"] == row["node"]
    assert len({row["node"] for row in small}) >= 3
    logs = list(login.folder.glob("ambs-runs/together/*/*/*-1/stdout"))
    assert len(logs) == LARGE
    for log in logs:
        lines = sorted(log.read_text().splitlines())
        assert len(lines) == 4
        assert len(set(lines)) == 2
        assert lines[0] == lines[1]
    login.ambs("allocations", "cancel", "1")
    wait_until(lambda: login.states()[0] in ("ENDED", "VANISHED"), 60)
    wait_until(lambda: orphans_in(login.folder / "ambs-runs") == [], 20)


def told(login: LoginNode) -> list[dict[str, Any]]:
    process = login.start("sql", "select campaign, state, node, metrics from v_evaluations", "--json")
    out, _ = process.communicate(timeout=60)
    found: list[dict[str, Any]] = json.loads(out) if process.returncode == 0 else []
    return found


def _json(value: object) -> dict[str, object]:
    found: dict[str, object] = json.loads(value) if isinstance(value, str) else value  # type: ignore[assignment]
    return found
