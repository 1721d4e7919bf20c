"""Evaluations through `process` and `parsl` on a pretended Slurm cluster, beside Parsl alone.

    python benchmarks/executors.py                                1, 4, 8 nodes; no-op and 1-s evaluations
    python benchmarks/executors.py --nodes 1 4 --slots 2 --no-ops 200 --seconds 0 --json
    python benchmarks/executors.py --nodes 1 --no-ops 500 --executors process parsl balsam "balsam alone"

A real Slurm (Debian's slurm-wlm and munge; root) starts one program inside an allocation of all nodes. It
runs each case with the launcher's own code and a queue on SQLite, then Parsl without us in the same way:
the same HighThroughputExecutor, encrypted, on the same nodes by the same srun, one worker a slot. What it
runs does what ours has to do for an evaluation at least: make its folder, fork, call the objective in the
child, which writes its result file, wait for it and read the file. It has no queue, no limits, no process
group, no binding, no logs and no search for escaped children. Balsam alone (a real server, site and launcher,
one node, in serial mode) runs `sleep`, and writes no result.

All nodes share this machine's processors, so the figures compare, and tell nothing of a real machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path[0] = str(
    Path(__file__).parents[1]
)  # not this folder, whose queue.py would be taken for Python's own

from ambs_hpc.clock import SystemClock
from ambs_hpc.launcher.allocation import granted_nodes
from ambs_hpc.launcher.life.launcher_settings import LauncherSettings
from ambs_hpc.launcher.lifecycle import run_launcher
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.problem.allow_list import allow, allow_runs
from ambs_hpc.queue import create_campaign, enqueue, list_evaluations, open_database, reading, transaction
from ambs_hpc.records import NewCampaign, NewEvaluation, Proposal, Resources
from ambs_hpc.sites import load_site
from benchmarks.executor_case import Case

ROOT = Path(__file__).parent.parent
MODULE = (
    "import time\ndef objective(configuration):\n    time.sleep(configuration['seconds'])\n    return 1.0\n"
)
PLAIN = """
import json, os
from timed_objective import objective
def evaluate(seconds, folder):
    import time
    started = time.time()
    os.mkdir(folder)
    pid = os.fork()
    if pid == 0:
        value = objective({"seconds": seconds})
        with open(folder + "/.ambs-outcome.json", "w") as file:
            json.dump({"objective": value}, file)
        os._exit(0)
    os.waitpid(pid, 0)
    with open(folder + "/.ambs-outcome.json") as file:
        assert json.load(file)["objective"] == 1.0
    return started, time.time()
"""
EXECUTORS = ("process", "parsl", "parsl alone", "balsam", "balsam alone")
CASE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one case.

    Args:
        per_second: evaluations, from the first start to the last end.
        idle_gap_ms: mean time of a slot between two evaluations.
        ready_seconds: until the first started.
        cpu_seconds, per_evaluation_ms: of the launcher (Parsl's client included), without its children.
        max_rss_mib: of the same.
    """

    executor: str
    nodes: int
    slots: int
    evaluations: int
    seconds: float
    per_second: float
    idle_gap_ms: float
    ready_seconds: float
    cpu_seconds: float
    per_evaluation_ms: float
    max_rss_mib: float


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--slots", type=int, default=2, help="of each node")
    parser.add_argument("--no-ops", type=int, default=1000, help="evaluations that do nothing; 0 for none")
    parser.add_argument("--seconds", type=float, default=1.0, help="of the longer ones; 0 for none")
    parser.add_argument("--rounds", type=int, default=10, help="of longer ones in each slot")
    parser.add_argument("--executors", nargs="+", choices=EXECUTORS, default=EXECUTORS[:3])
    parser.add_argument("--balsam-delay", type=int, default=1, help="seconds, of Balsam's launcher")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found: list[dict[str, Any]] = []
    for nodes in options.nodes:
        slots = nodes * options.slots
        kinds = [(options.no_ops, 0.0), (options.rounds * slots if options.seconds else 0, options.seconds)]
        cases = [
            Case(executor, nodes, options.slots, number, seconds)
            for number, seconds in kinds
            if number
            for executor in options.executors
        ]
        on_nodes = [case for case in cases if not case.executor.startswith("balsam")]
        through_balsam = [case for case in cases if case not in on_nodes and nodes == 1]
        if on_nodes:
            found += on_cluster(nodes, options.slots, on_nodes)
        if through_balsam:
            from benchmarks.on_balsam import on_balsam

            found += on_balsam(through_balsam, options.slots, options.balsam_delay)
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg(), "cases": found}, indent=2))
    else:
        print_table(found)
    return 0


def print_table(found: Sequence[dict[str, Any]]) -> None:
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    columns = [name for name in Figures.__dataclass_fields__ if name != "slots"]
    print("  ".join(f"{name:>17}" for name in [*columns, "of it alone"]))
    for one in found:
        peer = "balsam alone" if one["executor"].startswith("balsam") else "parsl alone"
        alone = [
            other["per_second"]
            for other in found
            if other["executor"] == peer
            and (other["nodes"], other["seconds"]) == (one["nodes"], one["seconds"])
        ]
        ratio = f"{one['per_second'] / alone[0]:.2f}" if alone else ""
        print("  ".join(f"{value!s:>17}" for value in [*(one[name] for name in columns), ratio]))


def on_cluster(nodes: int, slots: int, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Start a Slurm of so many nodes and have the cases run, one after the other, inside an allocation."""
    folder = Path(tempfile.mkdtemp(prefix="ambs-bench-"))
    folder.chmod(0o755)
    tools, cluster = ROOT / "tests" / "slurm", folder / "slurm"
    options = ["--nodes", nodes, "--cpus", slots, "--gpus", 0, "--isolate", "uts", "--port", 18817]
    try:
        subprocess.run(
            [tools / "up.sh", cluster, *map(str, options), "--no-install"], check=True, capture_output=True
        )
        (folder / "cases.json").write_text(json.dumps([asdict(case) for case in cases]))
        command = f"exec {sys.executable} {Path(__file__).resolve()} --inside {folder}"
        script = ["sbatch", f"-N{nodes}", "--exclusive", "-t60", f"-o{folder}/output", f"--wrap={command}"]
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        environment = {**os.environ, "SLURM_CONF": str(cluster / "etc" / "slurm.conf"), "PATH": path}
        subprocess.run(script, env=environment, check=True, capture_output=True, cwd=folder)
        return _wait_for(folder, len(cases))
    finally:
        subprocess.run([tools / "down.sh", cluster, "--purge"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(folder: Path, number: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + CASE_SECONDS * number
    while not (folder / "done").exists():
        if time.monotonic() > deadline or (folder / "failed").exists():
            raise SystemExit(f"the cases did not end: {(folder / 'output').read_text()[-3000:]}")
        time.sleep(0.2)
    found: list[dict[str, Any]] = json.loads((folder / "done").read_text())
    return found


# -- inside the allocation ------------------------------------------------------------------------------


def inside(folder: Path) -> None:
    """Each case in a process of its own, so that CPU and memory are its own."""
    done = []
    for index, case in enumerate(json.loads((folder / "cases.json").read_text())):
        place = folder / f"case-{index}"
        place.mkdir()
        (place / "case.json").write_text(json.dumps(case))
        (place / "timed_objective.py").write_text(MODULE)
        (place / "plain.py").write_text(PLAIN)
        (place / "here.yml").write_text(
            f"extends: slurm\nnode: {{cores: {case['slots_per_node']}, found: false}}\n"
        )
        ended = subprocess.run([sys.executable, __file__, "--case", place], check=False)
        if ended.returncode:
            (folder / "failed").touch()
            return
        done.append(json.loads((place / "figures.json").read_text()))
    partial = folder / "partial"
    partial.write_text(json.dumps(done))
    partial.replace(folder / "done")


def one_case(place: Path) -> None:
    case = Case(**json.loads((place / "case.json").read_text()))
    names = subprocess.run(["scontrol", "show", "hostnames"], check=True, capture_output=True, text=True)
    node_pool = granted_nodes(load_site("here", place), names.stdout.split(), os.uname().nodename)
    measured(case, place, replace(node_pool, folder=place))


def measured(case: Case, place: Path, node_pool: NodePool | None) -> None:
    """Its figures, in a file; `node_pool` is None where Balsam has the nodes."""
    measure = parsl_alone if case.executor == "parsl alone" else through_launcher
    begun = time.time()
    runs = measure(case, node_pool, place)
    used = resource.getrusage(resource.RUSAGE_SELF)
    slots, cpu = case.nodes * case.slots_per_node, used.ru_utime + used.ru_stime
    span = max(end for _, end in runs) - min(start for start, _ in runs)
    busy = sum(end - start for start, end in runs)
    figures = Figures(
        executor=case.executor,
        nodes=case.nodes,
        slots=slots,
        evaluations=case.evaluations,
        seconds=case.seconds,
        per_second=round(case.evaluations / span, 2),
        idle_gap_ms=round(1000 * (span * slots - busy) / case.evaluations, 1),
        ready_seconds=round(min(start for start, _ in runs) - begun, 2),
        cpu_seconds=round(cpu, 2),
        per_evaluation_ms=round(1000 * cpu / case.evaluations, 2),
        max_rss_mib=round(used.ru_maxrss / 1024, 1),
    )
    (place / "figures.json").write_text(json.dumps(asdict(figures)))


def through_launcher(case: Case, node_pool: NodePool | None, place: Path) -> list[tuple[float, float]]:
    """Queue, launcher and executor; (start, end) of each evaluation."""
    os.environ["AMBS_CONFIG_DIR"] = str(place)
    objective: dict[str, object] = {"function": "timed_objective:objective", "warm": True}
    allow(objective, str(place))
    allow_runs(f"{place}/runs")
    engine = open_database(f"sqlite:///{place}/queue.db", create=True)
    new = NewCampaign(
        "c", {}, objective, "minimize", str(place), f"{place}/runs", "random", {}, 0, case.evaluations, 1, 3
    )
    configuration = {"seconds": case.seconds}
    with transaction(engine) as connection:
        campaign = create_campaign(connection, new).id
        proposal = Proposal(configuration, "random")
        enqueue(
            connection,
            campaign,
            [NewEvaluation(ordinal, proposal, Resources()) for ordinal in range(case.evaluations)],
        )
    site = "here" if case.executor == "balsam" else ""
    settings = LauncherSettings(
        idle_exit_seconds=0.0,
        node_pool=node_pool,
        executor=case.executor,  # type: ignore[arg-type]
        balsam_site=site,
    )
    run_launcher(engine, settings, SystemClock())
    with reading(engine) as connection:
        rows = list_evaluations(connection, campaign, limit=None)
    runs = [
        (row.started_at, row.finished_at)
        for row in rows
        if row.started_at is not None and row.finished_at is not None
    ]
    assert len(runs) == case.evaluations, f"{len(runs)} of {case.evaluations} have ended"
    return runs


def parsl_alone(case: Case, node_pool: NodePool | None, place: Path) -> list[tuple[float, float]]:
    """Parsl's executor with a plain function; (start, end) of each evaluation."""
    from concurrent.futures import wait

    from parsl.executors import HighThroughputExecutor

    assert node_pool is not None
    sys.path.insert(0, str(place))
    os.environ["PYTHONPATH"] = str(place)
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # of Parsl's own scripts
    import plain

    htex = HighThroughputExecutor(
        address="127.0.0.1", max_workers_per_node=case.slots_per_node, cores_per_worker=0.001, encrypted=True
    )
    htex.run_dir = str(place)
    htex.start()
    command = htex.launch_cmd.format(block_id="0").split()
    names = [node.name for node in node_pool.nodes]
    workers = subprocess.Popen([*node_pool.launch_on_all(names), *command], stdin=subprocess.DEVNULL)
    (place / "runs").mkdir()
    futures = [
        htex.submit(plain.evaluate, {}, case.seconds, f"{place}/runs/{index}")
        for index in range(case.evaluations)
    ]
    wait(futures)
    workers.terminate()
    workers.wait()
    htex.shutdown()
    return [future.result() for future in futures]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--case"]:
        one_case(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--balsam-case"]:
        place = Path(sys.argv[2])
        (place / "timed_objective.py").write_text(MODULE)
        measured(Case(**json.loads((place / "case.json").read_text())), place, None)
    else:
        sys.exit(main(sys.argv[1:]))
