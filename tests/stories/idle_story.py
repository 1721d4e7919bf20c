"""`ambs why idle` in staged situations on a real Slurm, each with the command that it ends with, pasted.

Run by hand, as root, with Debian's slurm-wlm and munge: python -m tests.stories.idle_story [PART...]
All parts together take about ten minutes. What is told is printed; it ends with 1 where something is untrue.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.databases import let_others_enter, wait_until
from tests.slurm.cluster import start_cluster, stop_cluster
from tests.stories.test_many_nodes import ENDED, Centre, is_launcher, started_at

PORT, NODES = "28817", 4
DATABASE_HOST = 251  # an address of its own on the login node, so that nodes may lose it alone
MODEL = """
import json, os, pathlib, time
from ambs_hpc import report
def short(configuration):
    time.sleep(1.0)
    return configuration["x"]
def hold(configuration):
    time.sleep(60.0)
    return configuration["x"]
def steps(configuration):
    folder = pathlib.Path(os.environ["AMBS_CHECKPOINT_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    for step in range(1, 10):
        (folder / "state").write_text(str(step))
        report(step, configuration["x"])
        time.sleep(1.0)
    return configuration["x"]
"""


@dataclass(frozen=True)
class Stage(Centre):
    """The login node, and what is said there."""

    user: str = "config"

    @property
    def environment(self) -> dict[str, str]:
        programs = f"{Path(sys.executable).parent}:{super().environment['PATH']}"
        return {**super().environment, "PATH": programs, "AMBS_CONFIG_DIR": str(self.folder / self.user)}

    def why(self, code: str, *words: str) -> str:
        """The command that ends the answer; it has that code and those words."""
        told = json.loads(self.ambs("why", "idle", "--json"))["reasons"]
        print("".join(f"{one['words']}\n    {one['command']}\n" for one in told), flush=True)
        found = next((one for one in told if one["code"] == code), None)
        assert found is not None, f"{code} is not among {[one['code'] for one in told]}"
        assert all(each in found["words"] for each in words), f"{words} are not in {found['words']}"
        return str(found["command"])

    def waits_for(self, code: str, seconds: float = 60) -> None:
        """Return once this is told."""

        reasons: list[dict[str, str]] = []

        def is_told() -> bool:
            reasons[:] = json.loads(self.ambs("why", "idle", "--json"))["reasons"]
            return code in [one["code"] for one in reasons]

        try:
            wait_until(is_told, seconds, 2.0)
        except AssertionError:
            print(f"{code} is not told, but:", *(one["words"] for one in reasons), sep="\n", flush=True)
            raise

    def paste(self, command: str) -> None:
        """As a person does; it must end well."""
        done = self.shell("sh", "-c", command)
        print(f"$ {command}\n{done.stdout}{done.stderr}", flush=True)
        assert done.returncode == 0, command

    def shell(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*self.prefix, *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def on_network(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    @property
    def tag(self) -> str:
        return (self.cluster.folder / "netns-tag").read_text().strip()

    @property
    def database_address(self) -> str:
        return f"{self.cluster.login_address.rpartition('.')[0]}.{DATABASE_HOST}"

    def serve(self) -> None:
        self.ambs("db", "start", "--listen", self.database_address, "--host", self.database_address)

    def begin(self) -> None:
        """A folder with an objective, a site and a database."""
        self.write("model.py", MODEL)
        variables = f"{{AMBS_CONFIG_DIR: {self.folder / 'config'}}}"
        self.write("here.yml", f"extends: slurm\nnode: {{cores: 2}}\nenvironment: {variables}\n")
        self.serve()
        self.ambs("init", "--site", "here")

    def propose(self, problem: str, budget: int) -> None:
        """Evaluations that wait, of nothing else, and no search that lives."""
        wait_until(lambda: self.counts().get("READY", 0) == 0, 60, 1.0)
        with self.search(problem, budget, 4):
            pass

    def launcher_pid(self, node: str) -> int:
        return min(filter(is_launcher, self.cluster.pids_on(node)), key=started_at)

    def launching_node(self) -> str:
        """On which a launcher lives; "" where none does."""
        names = (f"n{number}" for number in range(1, NODES + 1))
        return next((name for name in names if any(map(is_launcher, self.cluster.pids_on(name)))), "")

    def is_running(self) -> bool:
        return self.allocations()[0]["state"] == "RUNNING"


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """A cluster, a folder, a database; ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="ambs-idle-") as name:
        folder = Path(name)
        let_others_enter(folder)
        options = ["--nodes", str(NODES), "--cpus", "2", "--gpus", "0", "--port", PORT]
        made = Stage(folder, "", start_cluster(*options, "--isolate", "netns"))
        try:
            made.on_network(
                "-n", f"{made.tag}-login", "addr", "add", f"{made.database_address}/24", "dev", "br0"
            )
            made.begin()
            yield made
            made.end_allocations()
            made.ambs("db", "stop")
        finally:
            stop_cluster()


def nobody_and_queued(it: Stage) -> None:
    """Nothing was asked for; then others have all nodes."""
    print("--- no allocation was asked for")
    it.propose(it.problem("short", "'model:short'", time_limit_seconds="60"), 200)
    command = it.why("no_launcher", "no launcher lives and no allocation is to come", "evaluations wait")
    other = it.shell("sbatch", "--parsable", f"-N{NODES}", "--exclusive", "-o/dev/null", "--wrap=sleep 900")
    it.paste(command)
    print("--- the allocation is queued")
    wait_until(lambda: it.allocations()[0]["detail"] == "PENDING Resources", 30, 1.0)
    it.paste(it.why("allocation_waits", "is QUEUED; slurm says: PENDING Resources"))
    it.shell("scancel", other.stdout.strip())
    wait_until(it.is_running, 60, 1.0)
    print("--- nothing waits, and no search lives")
    it.waits_for("no_search")
    command = it.why("no_search", "nothing waits, and no search lives: short has proposed")
    assert command == "ambs search short.py"
    it.paste(f"timeout 20 {command} --method random --slots 4; test $? = 124")


def unfit(it: Stage) -> None:
    """A campaign that nobody has allowed, one of three nodes, one of twenty minutes."""
    print("--- a campaign of somebody whose objectives are not allowed")
    it.problem("foreign", "'model:short'")
    replace(it, user="elsewhere").propose("foreign.py", 4)
    it.waits_for("refused")
    it.paste(it.why("refused", "refuses foreign: "))
    wait_until(lambda: it.counts().get("READY", 0) == 0, 60, 1.0)
    print("--- evaluations of three nodes")
    it.propose(
        it.problem("wide", "'model:short'", resources="Resources(nodes=3)", time_limit_seconds="60"), 2
    )
    it.waits_for("other_shapes")
    it.paste(it.why("other_shapes", "of wide) needs 3 nodes, and it has 1"))
    wait_until(lambda: it.counts().get("READY", 0) == 0, 60, 1.0)
    print("--- evaluations of twenty minutes")
    it.propose(it.problem("slow", "'model:short'", time_limit_seconds="1200"), 2)
    it.waits_for("too_little_time")
    it.paste(it.why("too_little_time", "of slow) may run for 20 min 0 s, and it has "))
    for one in it.allocations()[1:]:  # they hold all nodes
        if one["state"] not in ENDED:
            it.ambs("allocations", "cancel", str(one["id"]))
    wait_until(lambda: it.counts().get("READY", 0) == 0, 60, 1.0)
    it.end_allocations()


def dead(it: Stage) -> None:
    """A launcher that is killed, one that hangs, one that loses the database, and no database."""
    print("--- the launcher was killed")
    short = it.problem("short", "'model:short'", time_limit_seconds="60")
    with it.search(short, 400, 8):
        it.submit(1)
        wait_until(lambda: it.counts().get("RUNNING", 0) > 0, 60, 0.5)
        os.kill(it.launcher_pid(it.launching_node()), signal.SIGKILL)
        it.waits_for("no_launcher")
        command = it.why(
            "no_launcher", "the last allocation, ", "is over (ENDED): FAILED", "evaluations wait"
        )
    it.paste(command)
    wait_until(it.is_running, 60, 1.0)
    wait_until(it.launching_node, 60, 1.0)
    node = it.launching_node()
    print("--- the nodes do not reach the database")
    it.propose(it.problem("hold", "'model:hold'"), 4)  # or it would end, idle
    wait_until(lambda: it.counts().get("RUNNING", 0) == 2, 90, 1.0)
    it.on_network("-n", f"{it.tag}-{node}", "route", "add", "blackhole", it.database_address)
    it.waits_for("database_away", 150)
    it.paste(it.why("database_away", "does not reach the database", "what it runs goes on"))
    it.on_network("-n", f"{it.tag}-{node}", "route", "del", "blackhole", it.database_address)
    it.waits_for("no_search", 200)
    print("--- the launcher hangs")
    os.kill(it.launcher_pid(node), signal.SIGSTOP)
    it.waits_for("launcher_silent", 120)
    it.paste(it.why("launcher_silent", "has been silent for"))
    os.kill(it.launcher_pid(node), signal.SIGCONT)
    print("--- there is no database")
    it.ambs("db", "stop")
    said = it.rejected("why", "idle")
    print(said)
    assert "`ambs db status`" in said
    it.paste("ambs db status")
    it.serve()
    it.end_allocations()


def drained(it: Stage) -> None:
    """An administrator has taken all nodes away."""
    print("--- all nodes are drained")
    it.propose(it.problem("few", "'model:short'", time_limit_seconds="60"), 4)
    it.shell("scontrol", "update", f"NodeName=n[1-{NODES}]", "State=DRAIN", "Reason=disks")
    it.ambs("submit", "-n", "1", "-t", "6")
    wait_until(lambda: "PENDING" in it.allocations()[0]["detail"], 30, 1.0)
    look = it.why("allocation_waits", "is QUEUED; slurm says: PENDING")
    it.paste(look)
    told = it.ambs(*look.split()[1:])
    print(told)
    assert "fewer nodes" not in told
    it.shell("scontrol", "update", f"NodeName=n[1-{NODES}]", "State=RESUME")
    wait_until(it.is_running, 90, 1.0)
    it.end_allocations()


def paused(it: Stage) -> None:
    """In a folder of its own: all evaluations have ended or are paused at rungs."""
    print("--- all is done or paused")
    own = replace(it, folder=it.folder / "paused")
    own.folder.mkdir()
    let_others_enter(own.folder)
    own.begin()
    own.write(
        "steps.py",
        "from ambs_hpc import Fidelity, Problem\nproblem = Problem(name='steps', space={'x': (0.0, 1.0)}, "
        "objective='model:steps', fidelity=Fidelity('step', 1, 9))\n",
    )
    options = ["--max-evaluations", "9", "--slots", "4", "--method", "random"]
    search = own.start("search", "steps.py", *options)
    own.wait_for_proposals(search)
    own.submit(1)
    out, err = search.communicate(timeout=200)
    assert search.returncode == 0, (out, err)
    own.waits_for("all_proposed")
    command = own.why("all_proposed", "all 9 evaluations of steps are proposed", "are paused at rungs")
    assert command == "ambs search steps.py --max-evaluations 18"
    own.end_allocations()
    own.paste(own.why("all_done", "nothing is left to do", "or is paused at a rung"))
    own.ambs("db", "stop")


PARTS = {part.__name__: part for part in (nobody_and_queued, unfit, dead, drained, paused)}


def main(names: Sequence[str]) -> int:
    """0 where all that was told is true."""
    with stage() as it:
        for name in names or PARTS:
            PARTS[name](it)
    print("all that was told is true, and what was pasted works")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
