"""A pool of workers over nodes, on Parsl's HighThroughputExecutor: brought up once, then fed."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ambs_hpc.errors import UsageError
from ambs_hpc.launcher.environment import launch_environment
from ambs_hpc.launcher.executors.parsl import interchange_main, manager_main, node_main, worker
from ambs_hpc.launcher.executors.parsl.pool_files import NodeFound, NodeLost, NodeNews, PoolFiles, drained
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.packing import Share
from ambs_hpc.launcher.supervisor.messages import (
    AttemptReport,
    ImportFailed,
    StartRequest,
    SupervisorDied,
    decoded,
    encoded,
)
from ambs_hpc.launcher.supervisor.process_tree import LAUNCHER_VARIABLE

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5  # of managers; as often they look after their workers
SILENCE_SECONDS = 30  # after which a manager, or for managers the launcher, is lost
ASK_SECONDS = 2.0  # between two looks at which managers there are
ANSWER_SECONDS = 20.0
JOIN_SECONDS = ANSWER_SECONDS + 5.0  # for its thread, which may wait for an answer
REMOVE_SECONDS = 5.0  # for the removal of its folder; a file system may hang
LOOKS_TO_LOSE = 5  # a manager that died is started again meanwhile
CLOSE_SECONDS = (2.0, 10.0, 5.0)  # after the end of input, after TERM, after KILL
LOG = "pool.log"
TAIL_BYTES = 2000
CALL = f"{worker.__name__}.{worker.execute.__name__}"
MISSING = (
    "The parsl executor needs Parsl, which is not installed here. "
    "Run: pip install 'ambs-hpc[parsl]', or use --executor process."
)


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What a pool is made of.

    Args:
        folder: its own, which all nodes see; removed with the pool, and its parent with the last one.
        nodes: names of the nodes.
        slots: of each node; one worker for each.
        gpu_variable: that hides other GPUs; None where nodes have none.
        launch: the command that starts a program on every node; () when this is the only one.
        owner: the launcher, by which its processes here can be told.
        run_directory: that nodes are to write into.
        gpus: of each node; 0 does not look for any.
        is_binding: begin nothing on a node where a look at it finds trouble.
        lock: the variable by which each node is locked; {} where launchers overlap on purpose.
    """

    folder: Path
    nodes: Sequence[str]
    slots: Sequence[Share]
    gpu_variable: str | None
    launch: Sequence[str]
    owner: str
    run_directory: str
    gpus: int
    is_binding: bool
    lock: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of a request: a message, or why there is none."""

    evaluation_id: int
    message: AttemptReport | ImportFailed | SupervisorDied | None
    error: str = ""


class Pool:
    """Parsl's interchange here, and a manager with its workers on every node.

    It comes up in the background; orders that are given meanwhile wait.
    """

    def __init__(self, plan: PoolPlan, report_log: ReportLog) -> None:
        """
        Raises:
            UsageError: Parsl is not installed.
        """
        require_parsl()
        self._plan = plan
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._waiting: list[tuple[int, bytes]] = []
        self._workers = 0
        self.has_had_workers = False
        self._error: str | None = None
        self._is_up = self._is_closing = self._is_abandoned = False
        self._begun_at = time.monotonic()
        self._htex: Any = None
        self._process: subprocess.Popen[bytes] | None = None
        self._managers = ManagerWatch()
        self._left_out: set[str] = set()
        self._news: queue.SimpleQueue[NodeNews] = queue.SimpleQueue()
        self._files = PoolFiles(plan.folder, plan.nodes, self._news.put, report_log.note)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    @property
    def workers(self) -> int:
        """The number of workers of managers that are connected now."""
        return self._workers

    @property
    def age_seconds(self) -> float:
        """Seconds since the pool was begun."""
        return time.monotonic() - self._begun_at

    def failure(self) -> str | None:
        """Why nothing can be run any more; None while something can."""
        if self._error is None and self._is_up:
            assert self._process is not None
            if self._htex.interchange_proc.poll() is not None:
                self._error = "Parsl's interchange died"
            elif self._htex.bad_state_is_set:
                self._error = f"Parsl gave up: {self._htex.executor_exception}"
            elif self._process.poll() is not None:
                self._error = f"its command ended with {self._process.returncode}"
        return self._error

    def submit(self, request: StartRequest) -> None:
        """Hand an evaluation to the next worker that is free."""
        order = request.id, encoded(request)
        with self._lock:
            if not self._is_up:
                self._waiting.append(order)
                return
        self._hand_over(*order)

    def answers(self, timeout_seconds: float) -> list[Answer]:
        """The answers that have come, waiting for the first until the timeout."""
        found: list[Answer] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._answers.get(timeout=max(0.0, timeout_seconds)))
        return found + drained(self._answers)

    def cancel(self, pairs: Sequence[tuple[int, int]], grace_seconds: float) -> None:
        """TERM to these attempts, KILL after the grace, wherever they run or as soon as they do."""
        self._files.cancel(pairs, grace_seconds)

    def places(self) -> list[tuple[int, int, str]]:
        """(id, attempt, node) of evaluations that have run for a while, each once."""
        return self._files.places()

    def of_nodes(self) -> list[NodeNews]:
        """What nodes have told of themselves since the last call, and which are lost."""
        return drained(self._news)

    def leave_out(self, node: str) -> None:
        """Start nothing on the node any more; what runs there goes on."""
        self._left_out.add(node)

    def tail(self) -> str:
        """The last lines of its processes' log."""
        try:
            return (self._plan.folder / LOG).read_bytes()[-TAIL_BYTES:].decode(errors="replace").strip()
        except OSError:
            return ""

    def close(self) -> None:
        """End all of it; nothing is left on this node, nor on others that can still be reached.

        A thread that hangs is left to itself, and ends the rest when it can.
        """
        self._is_closing = True
        self._over.set()
        self._files.end()
        self._thread.join(JOIN_SECONDS)
        self._is_abandoned = self._thread.is_alive()
        self._end_all(has_sockets=not self._is_abandoned)

    # -- in its thread ------------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            self._bring_up()
            while not self._over.wait(ASK_SECONDS if self._workers else ASK_SECONDS / 8):
                managers = self._htex.command_client.run("MANAGERS", timeout_s=ANSWER_SECONDS)
                self._workers = sum(int(one["worker_count"]) for one in managers if one["active"])
                self.has_had_workers |= self._workers > 0
                self._look_at_managers(managers)
        except Exception as error:
            if not self._is_closing:
                logger.exception("pool failed")
                self._error = f"{type(error).__name__}: {error}"
        if self._is_abandoned:
            self._end_all(has_sockets=True)

    def _end_all(self, *, has_sockets: bool) -> None:
        """`has_sockets`: whether no other thread uses those of Parsl, which bear one at a time."""
        if self._process is not None:
            _end(self._process)
        if self._htex is not None and has_sockets:
            self._htex.shutdown()
        elif self._htex is not None and self._htex.interchange_proc is not None:
            self._htex.interchange_proc.kill()
        remover = threading.Thread(target=_remove, args=(self._plan.folder,), daemon=True)
        remover.start()
        remover.join(REMOVE_SECONDS)

    def _look_at_managers(self, managers: Sequence[Mapping[str, Any]]) -> None:
        for one in managers:
            if not self._over.is_set() and one["active"] and node_of(one) in self._left_out:
                self._htex.command_client.run(["HOLD_MANAGER", one["manager"]], timeout_s=ANSWER_SECONDS)
        for node in self._managers.found(managers):
            self._news.put(NodeFound(node))
        for node in self._managers.lost(managers):
            self._news.put(NodeLost(node))

    def _bring_up(self) -> None:
        self._plan.folder.mkdir(mode=0o700, parents=True)
        htex = self._htex = _executor(self._plan)
        htex.start()
        description = {
            "nodes": list(self._plan.nodes),
            "slots": [{"cores": share.cores, "gpus": share.gpus} for share in self._plan.slots],
            "gpu_variable": self._plan.gpu_variable,
            "command": [word for word in htex.launch_cmd.split("\n") if word],
            "lock": dict(self._plan.lock),
            "probe": {
                "run_directory": self._plan.run_directory,
                "gpus": self._plan.gpus,
                "is_binding": self._plan.is_binding,
            },
        }
        (self._plan.folder / worker.NODES).mkdir()
        (self._plan.folder / worker.CANCELLED).touch()
        (self._plan.folder / worker.PLACES).touch()
        (self._plan.folder / worker.DESCRIPTION).write_text(json.dumps(description))
        if self._over.is_set():
            return
        self._process = _start(self._plan)
        self._files.begin()
        with self._lock:
            self._is_up = True
            waiting, self._waiting = self._waiting, []
        for order in waiting:
            self._hand_over(*order)

    def _hand_over(self, evaluation_id: int, buffer: bytes) -> None:
        with self._lock:  # Parsl's socket takes one thread at a time
            if self._htex.interchange_proc.poll() is not None:
                return  # Parsl would wait for another one without end; `failure` tells of it
            future = self._htex.submit_payload({"task_executor": {"f": CALL}}, buffer)
        future.add_done_callback(lambda done: self._answers.put(_answer(evaluation_id, done)))


class ManagerWatch:
    """Finds out by Parsl's list of managers which nodes have none any more."""

    def __init__(self) -> None:
        self._absent: dict[str, int] = {}  # looks at which a node had none, by each node that ever had one

    def found(self, managers: Sequence[Mapping[str, Any]]) -> list[str]:
        """Nodes that `lost` has named, and that have a manager again; to be asked before it."""
        present = {node_of(one) for one in managers}
        return sorted(node for node in present if self._absent.get(node, 0) >= LOOKS_TO_LOSE)

    def lost(self, managers: Sequence[Mapping[str, Any]]) -> list[str]:
        """Nodes that have had no manager for a while, each once."""
        present = {node_of(one) for one in managers}
        for node in present:
            self._absent[node] = 0
        for node in self._absent.keys() - present:
            self._absent[node] += 1
        return sorted(node for node, looks in self._absent.items() if looks == LOOKS_TO_LOSE)


def node_of(manager: Mapping[str, Any]) -> str:
    """The node of one of Parsl's managers, whose name `node_main` has given."""
    return str(manager["manager"]).rpartition("-")[0]


def require_parsl() -> None:
    """
    Raises:
        UsageError: it is not installed.
    """
    if find_spec("parsl") is None:
        raise UsageError(MISSING)


def _answer(evaluation_id: int, done: Future[str]) -> Answer:
    error = done.exception()
    if error is None:
        message = decoded(done.result())
        assert isinstance(message, AttemptReport | ImportFailed | SupervisorDied)
        return Answer(evaluation_id, message)
    return Answer(evaluation_id, None, f"{type(error).__name__}: {error}")


def _executor(plan: PoolPlan) -> Any:
    """Parsl's executor, used without its data flow kernel: an interchange, and a command for the nodes."""
    from parsl.executors import HighThroughputExecutor
    from parsl.logconfigs.noop import NoopLogging

    logging.getLogger("parsl").setLevel(logging.CRITICAL)  # we tell what matters, in our own words
    addresses = own_addresses() if plan.launch else {"127.0.0.1"}
    words = [
        *(sys.executable, "-m", manager_main.__name__, "-a", "{addresses}", "--port={worker_port}"),
        *("-p", "0", "-c", "0.001", "-m", "None", f"--max_workers_per_node={len(plan.slots)}", "--cert_dir"),
        *("{cert_dir}", "--logdir={logdir}", "--logconf={logconf}", "--block_id=0"),
        *("--poll", "{poll_period}"),
        *("--hb_period={heartbeat_period}", "--hb_threshold={heartbeat_threshold}", "--cpu-affinity", "none"),
        "--drain_period=None",
    ]
    interchange = [sys.executable, "-m", interchange_main.__name__, str(os.getpid()), str(plan.folder / LOG)]
    htex = HighThroughputExecutor(
        label="ambs",
        launch_cmd="\n".join(words),
        interchange_launch_cmd=interchange,
        address="127.0.0.1",  # Parsl would ask a server in the internet who we are
        heartbeat_period=HEARTBEAT_SECONDS,
        heartbeat_threshold=SILENCE_SECONDS,
        encrypted=True,
    )
    htex.all_addresses = addresses
    if plan.launch:
        htex.address = None  # listen on every network: which of them reaches the nodes, managers find out
    htex.run_dir = str(plan.folder)
    htex.log_config = NoopLogging()
    return htex


def own_addresses() -> set[str]:
    """IPv4 addresses of this machine, on all its networks."""
    import psutil

    networks = psutil.net_if_addrs().values()
    return {one.address for each in networks for one in each if one.family == socket.AF_INET}


def _start(plan: PoolPlan) -> subprocess.Popen[bytes]:
    environment = {**launch_environment(os.environ), LAUNCHER_VARIABLE: plan.owner}
    program = [sys.executable, "-m", node_main.__name__, str(plan.folder)]
    with (plan.folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            [*plan.launch, *program],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"begin\n")
        process.stdin.flush()
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process: by the end of its input, then by TERM, then by KILL."""
    steps: list[Callable[[], None]] = [lambda: _close_input(process), process.terminate, process.kill]
    for step, patience in zip(steps, CLOSE_SECONDS, strict=True):
        step()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # with the certificates
    with contextlib.suppress(OSError):  # another pool's logs may lie there
        folder.parent.rmdir()


def _close_input(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
