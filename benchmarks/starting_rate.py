"""How fast evaluations start on many nodes, and what each part of the way costs.

    python benchmarks/starting_rate.py                    4 nodes, 400 evaluations that do nothing
    python benchmarks/starting_rate.py --nodes 8 64 --evaluations 4000 --json
    sbatch -N8 --exclusive --wrap "python benchmarks/starting_rate.py --granted"      on Slurm's nodes

Without --granted each node is processes of this machine behind a pretended srun; the launcher, its
supervisors or Parsl's managers, and the queue on a private PostgreSQL are the real ones. All of them share
the processors of one machine, so the rate is that of the machine. What carries over is the processor time
that a part spends on an evaluation: a limit is what a part could start each second with a core to itself.
The launcher's loop and its calls to the database are threads of one interpreter, so that their times add
up. The part of the nodes is shared by all nodes: there, the limit is that of one core of one node. With
--granted it is not known, since the processes of nodes are then not below this one.
"""

from __future__ import annotations

import argparse
import bisect
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # not this folder, whose queue.py is not the library's

from sqlalchemy import Engine

from ambs_hpc.clock import SystemClock
from ambs_hpc.launcher.allocation import granted_nodes
from ambs_hpc.launcher.executors.parsl import executor as parsl_executor
from ambs_hpc.launcher.life.launcher_settings import LauncherSettings
from ambs_hpc.launcher.lifecycle import run_launcher
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.queue import list_evaluations, open_database, reading
from ambs_hpc.sites import load_site
from benchmarks.databases import private_postgresql
from benchmarks.no_op_evaluations import stock_queue

MODULE = "def no_op(configuration):\n    return 1.0\n"
OBJECTIVE: dict[str, object] = {"function": "no_op_objective:no_op", "warm": True}
SRUN = """#!/bin/sh
while :; do
    case $1 in
    --nodelist=*) nodes=$(echo "${1#*=}" | tr , ' '); shift ;;
    -*) shift ;;
    *) break ;;
    esac
done
case $nodes in
*' '*) ;;
*) SLURMD_NODENAME=$nodes exec "$@" ;;
esac
trap 'trap "" TERM; kill -TERM 0; wait; exit 0' TERM
exec 3<&0
for node in $nodes; do SLURMD_NODENAME=$node "$@" <&3 & exec 3</dev/null; done
while :; do wait; [ $? -gt 128 ] || exit 0; done
"""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.5
PATIENCE_SECONDS = 900.0  # for workers: each imports Parsl, and here all of them share the processors
STEADY = (0.25, 0.75)  # of the starts: neither the filling nor the end


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one case; processor times are of the steady part, for each evaluation that started in it.

    Args:
        first_seconds: from the begin of the launcher to the first start of an evaluation.
        all_nodes_seconds: the same to the first start on the last node that had any.
        nodes_used: that had any.
        begin_seconds: processor time of a node, on average, until the first start.
        started_per_second: in the steady part.
        loop_ms: the launcher's loop with its executor: one thread.
        calls_ms: its other threads: calls to the database, and with Parsl the connection to the workers.
        database_ms: PostgreSQL's own processes.
        nodes_ms: all other processes: supervisors or Parsl's interchange and managers, evaluations.
        launcher_limit, database_limit, node_limit: starts a second with a core for that part alone.
        others_share: of the machine's processors, used by what is not part of this.
    """

    executor: str
    nodes: int
    slots: int
    evaluations: int
    first_seconds: float
    all_nodes_seconds: float
    nodes_used: int
    begin_seconds: float | None
    started_per_second: float
    loop_ms: float
    calls_ms: float
    database_ms: float
    nodes_ms: float | None
    launcher_limit: float
    database_limit: float
    node_limit: float | None
    others_share: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """Processor seconds that were used until `at`, seconds since 1970."""

    at: float
    loop: float
    launcher: float
    database: float
    nodes: float
    machine: float


def main() -> None:
    """Measure and print."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--nodes", type=int, nargs="+", default=[4], help="pretended ones")
    parser.add_argument("--granted", action="store_true", help="those of the Slurm allocation around this")
    parser.add_argument("--slots", type=int, default=2, help="of each node")
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--executors", nargs="+", choices=("process", "parsl"), default=["process", "parsl"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    parsl_executor.FIRST_SECONDS = PATIENCE_SECONDS
    found = [
        measure(executor, nodes, options.slots, options.evaluations)
        for nodes in ([None] if options.granted else options.nodes)
        for executor in options.executors
    ]
    if options.json:
        told = [asdict(one) for one in found]
        print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg(), "cases": told}, indent=2))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in Figures.__dataclass_fields__:
        print(f"{name:>20}" + "".join(f"{getattr(one, name)!s:>12}" for one in found))


def measure(executor: str, nodes: int | None, slots: int, evaluations: int) -> Figures:
    """One case, with a database and folders of its own.

    Args:
        nodes: number of pretended ones; None takes those that Slurm granted.
    """
    with tempfile.TemporaryDirectory(prefix="ambs-bench-") as name, private_postgresql(Path(name)) as url:
        folder = Path(name)
        os.environ["AMBS_CONFIG_DIR"] = name
        (folder / "no_op_objective.py").write_text(MODULE)
        node_pool = nodes_of(folder, nodes, slots)
        engine = open_database(url, create=True)
        campaign_id = stock_queue(engine, "c", OBJECTIVE, name, evaluations)
        settings = LauncherSettings(
            idle_exit_seconds=0.0,
            node_pool=node_pool,
            executor=executor,  # type: ignore[arg-type]  # one of argparse's choices
        )
        begun = time.time()
        with sampling(postmaster_of(folder)) as samples:
            run_launcher(engine, settings, SystemClock())
        starts = starts_by_node(engine, campaign_id)
        engine.dispose()
    found = figures(executor, len(node_pool.nodes), slots, begun, starts, samples)
    if nodes is not None:
        return found
    return replace(found, begin_seconds=None, nodes_ms=None, node_limit=None, others_share=None)


def nodes_of(folder: Path, nodes: int | None, slots: int) -> NodePool:
    """The nodes of a launcher; a pretended launch command and the description of the site are written."""
    own = os.uname().nodename
    site = f"extends: slurm\nnode: {{cores: {slots}, found: false}}\n"
    if nodes is None:
        listed = subprocess.run(["scontrol", "show", "hostnames"], check=True, capture_output=True, text=True)
        names = listed.stdout.split()
    else:
        names = [f"pretended{index}" for index in range(nodes)]  # none has this machine's name
        (folder / "srun").write_text(SRUN)
        (folder / "srun").chmod(0o755)
        site += f"launch: {{family: srun, program: {folder / 'srun'}}}\n"
    (folder / "here.yml").write_text(site)
    return replace(granted_nodes(load_site("here", folder), names, own), folder=folder)


def postmaster_of(folder: Path) -> int:
    """The process of the database server below that folder."""
    return int(next(folder.rglob("postmaster.pid")).read_text().split()[0])


def starts_by_node(engine: Engine, campaign_id: int) -> dict[str, list[float]]:
    """When evaluations started, sorted; seconds since 1970."""
    with reading(engine) as connection:
        rows = list_evaluations(connection, campaign_id, limit=None)
    starts: dict[str, list[float]] = {}
    for row in rows:
        assert row.started_at is not None and row.finished_at is not None, (
            f"evaluation {row.id} has not ended"
        )
        starts.setdefault(row.node or "", []).append(row.started_at)
    return {node: sorted(each) for node, each in starts.items()}


def figures(
    executor: str,
    nodes: int,
    slots: int,
    begun: float,
    starts: dict[str, list[float]],
    samples: Sequence[Sample],
) -> Figures:
    """What the times of the starts and the samples say."""
    each = sorted(start for of_node in starts.values() for start in of_node)
    times = [one.at for one in samples]
    # Whole samples inside the steady part; a run shorter than three of them has none, and takes all.
    first, last = (bisect.bisect_left(times, each[int(part * (len(each) - 1))]) for part in STEADY)
    last = min(last, len(samples) - 1)
    first = first if first < last else 0
    before, after = samples[first], samples[last]
    seconds = after.at - before.at
    number = bisect.bisect_right(each, after.at) - bisect.bisect_right(each, before.at)
    loop, launcher = after.loop - before.loop, after.launcher - before.launcher
    database, on_nodes = after.database - before.database, after.nodes - before.nodes
    others = after.machine - before.machine - launcher - database - on_nodes

    def ms(used: float) -> float:
        return round(1000 * used / number, 3)

    def limit(used: float) -> float:
        return round(number / used, 0) if used > 0 else float("inf")

    return Figures(
        executor=executor,
        nodes=nodes,
        slots=nodes * slots,
        evaluations=len(each),
        first_seconds=round(each[0] - begun, 2),
        all_nodes_seconds=round(max(of_node[0] for of_node in starts.values()) - begun, 2),
        nodes_used=len(starts),
        begin_seconds=round(samples[bisect.bisect_left(times, each[0]) - 1].nodes / nodes, 2),
        started_per_second=round(number / seconds, 1),
        loop_ms=ms(loop),
        calls_ms=ms(launcher - loop),
        database_ms=ms(database),
        nodes_ms=ms(on_nodes),
        launcher_limit=limit(launcher),
        database_limit=limit(database),
        node_limit=limit(on_nodes),
        others_share=round(max(0.0, others) / seconds / (os.cpu_count() or 1), 2),
    )


# -- processor time -------------------------------------------------------------------------------------


@contextmanager
def sampling(postmaster: int) -> Iterator[list[Sample]]:
    """Samples of the body, one each half second from a thread beside it, and one at its end."""
    loop_clock = time.pthread_getcpuclockid(threading.main_thread().ident or 0)
    samples: list[Sample] = []
    is_over = threading.Event()

    def run() -> None:
        while True:
            samples.append(sample(loop_clock, postmaster))
            if is_over.wait(SAMPLE_SECONDS):
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        is_over.set()
        thread.join()
        samples.append(sample(loop_clock, postmaster))


def sample(loop_clock: int, postmaster: int) -> Sample:
    """The processor time used until now."""
    processes = all_processes()
    machine = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return Sample(
        at=time.time(),
        loop=time.clock_gettime(loop_clock),
        launcher=time.process_time(),
        database=seconds_below(processes, postmaster) + processes.get(postmaster, (0, 0.0))[1],
        # Servers of PostgreSQL are children of the init process, or ours as those of a subreaper.
        nodes=seconds_below(processes, os.getpid(), without=postmaster),
        machine=(sum(machine) - machine[3] - machine[4]) / TICKS_PER_SECOND,
    )


def all_processes() -> dict[int, tuple[int, float]]:
    """Of each process its parent, and the processor seconds of it and of its children that have ended."""
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            words = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        found[int(entry.name)] = (int(words[1]), sum(map(int, words[11:15])) / TICKS_PER_SECOND)
    return found


def seconds_below(processes: dict[int, tuple[int, float]], root: int, without: int = 0) -> float:
    """Processor seconds of all descendants of a process, but for one of them and what is below it."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    total, waiting = 0.0, [pid for pid in children.get(root, []) if pid != without]
    while waiting:
        pid = waiting.pop()
        total += processes[pid][1]
        waiting += [child for child in children.get(pid, []) if child != without]
    return total


if __name__ == "__main__":
    main()
