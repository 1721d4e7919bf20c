"""The machine behind the fake schedulers: nodes, allocations, and the server that really runs their scripts.

State is one SQLite file in the folder named by FAKE_SCHEDULER_FOLDER. The fake commands (`cobalt/`, `pbs/`)
write into it; a server process per folder, started by the first submission, gives nodes to the oldest
allocation that fits, runs its script in a session of its own with the scheduler's own environment, sends TERM
and then KILL at the walltime or on deletion, and leaves by itself when nothing is left to do.

Settings (see DEFAULTS) can be changed at any time, by `control.FakeScheduler` or by

    python machine.py set FOLDER KEY JSON_VALUE

Only the standard library is used and nothing of the project is imported, so that the commands behave alike in
any environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "FAKE_SCHEDULER_FOLDER"
STEP_SECONDS = 0.03
IDLE_SECONDS = 3.0

DEFAULTS: dict[str, Any] = {
    # Cobalt: "cluster" (node file), "ssh cluster" (whose scripts hear no signal) or "cray" (node numbers)
    "system": "cluster",
    "hosts": ["node01", "node02", "node03", "node04"],  # names given out; any, also this host's own
    "host_cpus": 4,  # PBS: nodes whose allocations did not ask for whole ones are shared up to these
    "start_seconds": 0.1,  # between getting nodes and the start of the script
    "kill_seconds": 1.0,  # between TERM and KILL
    "seconds_per_minute": 60.0,  # shorter minutes for walltimes; what is printed stays as asked
    "min_minutes": 5,  # Cobalt clusters refuse less
    "paused": False,  # nothing starts
    # Every command fails as with a dead server; scripts go on running. Cobalt: or "died", a moment ago
    "unreachable": False,
    "forget_seconds": 0.0,  # Cobalt: how long one that has ended is shown as exiting, and keeps its nodes
    "repeats": 0,  # Cobalt: so often each submission was repeated by its client, and taken every time
    "commands_on_nodes": True,  # Cobalt: scripts find qstat
    "lose_answers": 0,  # so many next submissions are taken, but their answer is lost ...
    "lose_how": "error",  # ... with an "error", by a "hang", or "silent" with exit code 0
    "noise": "",  # a line on stderr of every command
    "queues": {"default": {}, "workq": {}, "debug": {"max_minutes": 60, "max_nodes": 2}},
    "needs_project": False,  # Cobalt: the site's filter refuses without -A
    "needs_resources": [],  # PBS: the site's hook refuses without these, e.g. ["filesystems"]
    "history": True,  # PBS: finished ones are remembered
    "server": "pbs",  # PBS: ids are NUMBER.SERVER
    "script_path": "/usr/local/bin:/usr/bin:/bin",  # PATH of scripts, after the fake commands
    "stop": False,  # the server kills everything and leaves
}

LIVE = ("queued", "held", "starting", "running", "killing", "exiting")


class Machine:
    """State of a folder; every method is a transaction of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with self.connect() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS allocation "
                "(id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL, data TEXT NOT NULL)"
            )
            connection.execute(
                "CREATE TABLE IF NOT EXISTS setting (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
            )
            connection.execute("CREATE TABLE IF NOT EXISTS call (at REAL, program TEXT, argv TEXT)")

    @contextlib.contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.folder / "state.sqlite", timeout=60.0, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()

    def settings(self) -> dict[str, Any]:
        with self.connect() as connection:
            rows = connection.execute("SELECT key, value FROM setting").fetchall()
        return DEFAULTS | {key: json.loads(value) for key, value in rows}

    def set(self, **values: Any) -> None:
        unknown = values.keys() - DEFAULTS.keys()
        if unknown:
            raise KeyError(f"settings are {', '.join(DEFAULTS)}; not {', '.join(unknown)}")
        with self.connect() as connection:
            for key, value in values.items():
                connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (key, json.dumps(value)))

    def note_call(self, program: str, argv: list[str]) -> None:
        with self.connect() as connection:
            connection.execute("INSERT INTO call VALUES (?, ?, ?)", (time.time(), program, json.dumps(argv)))

    def add(self, data: dict[str, Any], state: str = "queued") -> int:
        with self.connect() as connection:
            row = connection.execute(
                "INSERT INTO allocation (state, data) VALUES (?, ?)", (state, json.dumps(data))
            )
            number = row.lastrowid
        assert number is not None
        return number

    def change(self, number: int, **values: Any) -> None:
        """Merge values into an allocation; `state` among them."""
        with self.connect() as connection:
            state, text = connection.execute(
                "SELECT state, data FROM allocation WHERE id=?", (number,)
            ).fetchone()
            data = json.loads(text) | {key: value for key, value in values.items() if key != "state"}
            connection.execute(
                "UPDATE allocation SET state=?, data=? WHERE id=?",
                (values.get("state", state), json.dumps(data), number),
            )

    def allocations(self, *, ended: bool = False) -> list[dict[str, Any]]:
        """Live ones, oldest first; with the ended ones on demand."""
        condition = "" if ended else f"WHERE state IN ({','.join('?' * len(LIVE))})"
        with self.connect() as connection:
            rows = connection.execute(
                f"SELECT id, state, data FROM allocation {condition} ORDER BY id", () if ended else LIVE
            ).fetchall()
        return [json.loads(data) | {"id": number, "state": state} for number, state, data in rows]

    def take_lost_answer(self) -> str | None:
        """How the answer to this submission is lost, None when it is not."""
        settings = self.settings()
        if settings["lose_answers"] <= 0:
            return None
        self.set(lose_answers=settings["lose_answers"] - 1)
        return str(settings["lose_how"])

    def wake_server(self) -> None:
        """Start the server unless one serves this folder."""
        with (self.folder / "server.log").open("ab") as log:
            subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), "serve", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )


def cpus_of_a_host(each: dict[str, Any], settings: dict[str, Any]) -> int:
    """What it takes of each of its hosts: all, unless it lets others have what it did not ask for."""
    return int(each["ncpus"] if each.get("is_shared") else settings["host_cpus"])


def waits_for(each: dict[str, Any], live: list[dict[str, Any]]) -> bool:
    """Whether one that must have ended before lives."""
    return not {one["id"] for one in live}.isdisjoint(each.get("after", []))


def family(each: dict[str, Any]) -> Any:
    """The module that knows the scheduler's environment and output files."""
    return importlib.import_module(f"{each['family']}_commands")


def _popen(plan: dict[str, Any]) -> subprocess.Popen[bytes]:
    with Path(plan["output"]).open("ab") as output, Path(plan["error"]).open("ab") as error:
        return subprocess.Popen(
            plan["argv"],
            cwd=plan["directory"],
            env=plan["environ"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=error,
            start_new_session=True,
        )


def start_ticks(pid: int) -> int | None:
    """When a process started; None when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Server:
    """Gives nodes, runs scripts, ends them."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.children: dict[int, subprocess.Popen[bytes]] = {}

    def step(self) -> int:
        """Move every allocation as far as time allows; returns how many live."""
        settings = self.machine.settings()
        live = self.machine.allocations()
        free = dict.fromkeys(settings["hosts"], settings["host_cpus"])
        for each in live:
            for host in each.get("hosts", []):
                free[host] = free.get(host, 0) - cpus_of_a_host(each, settings)
        blocked = False
        for each in live:
            state = each["state"]
            if state in ("queued", "held") and each.get("deleted"):
                self.end(each, None)
            elif state == "queued" and not settings["paused"] and not blocked and not waits_for(each, live):
                cpus = cpus_of_a_host(each, settings)
                fitting = [host for host in settings["hosts"] if free[host] >= cpus]
                if each["nodes"] <= len(fitting):
                    hosts = fitting[: each["nodes"]]
                    free |= {host: free[host] - cpus for host in hosts}
                    ready_at = time.time() + settings["start_seconds"]
                    self.machine.change(
                        each["id"], state="starting", hosts=hosts, ready_at=ready_at, started_at=time.time()
                    )
                elif each["nodes"] <= len(settings["hosts"]) and cpus <= settings["host_cpus"]:
                    blocked = True  # first come, first served; only what can never run is passed over
            elif state == "starting" and time.time() >= each["ready_at"]:
                self.start(each, settings)
            elif state in ("running", "killing"):
                self.watch(each, settings)
            elif state == "exiting" and time.time() >= each["forget_at"]:
                self.end(each, each["exit_code"])
        return len(live)

    def start(self, each: dict[str, Any], settings: dict[str, Any]) -> None:
        started_at = time.time()
        ends_at = started_at + each["walltime_seconds"] * settings["seconds_per_minute"] / 60.0
        each |= {"script_started_at": started_at, "ends_at": ends_at}
        plan = family(each).prepare(each, settings, self.machine.folder)
        try:
            process = _popen(plan)
        except OSError as failure:  # no such folder, no execution format
            with contextlib.suppress(OSError), Path(plan["error"]).open("a") as error:
                error.write(f"{failure}\n")
            self.end(each | plan, 1)
            return
        self.children[each["id"]] = process
        self.machine.change(
            each["id"],
            state="running",
            script_started_at=started_at,
            ends_at=ends_at,
            pid=process.pid,
            ticks=start_ticks(process.pid),
            output=plan["output"],
            error=plan["error"],
        )

    def watch(self, each: dict[str, Any], settings: dict[str, Any]) -> None:
        now = time.time()
        child = self.children.get(each["id"])
        ended = child.poll() is not None if child else start_ticks(each["pid"]) != each["ticks"]
        if ended:
            self.signal(each, signal.SIGKILL)  # nothing stays on the nodes
            exit_code, forget_at = child.returncode if child else None, now + settings["forget_seconds"]
            if settings["forget_seconds"] > 0:
                self.machine.change(each["id"], state="exiting", exit_code=exit_code, forget_at=forget_at)
            else:
                self.end(each, exit_code)
        elif each["state"] == "running" and (each.get("deleted") or now >= each["ends_at"]):
            reason = "deleted" if each.get("deleted") else "walltime"
            self.machine.change(
                each["id"], state="killing", reason=reason, kill_at=now + settings["kill_seconds"]
            )
            self.signal(each, signal.SIGTERM)
        elif each["state"] == "killing" and now >= each["kill_at"]:
            self.signal(each, signal.SIGKILL)

    def signal(self, each: dict[str, Any], number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(each["pid"], number)

    def end(self, each: dict[str, Any], exit_code: int | None) -> None:
        with contextlib.suppress(OSError):
            family(each).finish(each, exit_code)
        self.machine.change(
            each["id"],
            state="ended",
            ended_at=time.time(),
            exit_code=exit_code,
            had=each.get("hosts", []),
            hosts=[],
        )
        self.children.pop(each["id"], None)

    def kill_everything(self) -> None:
        for child in self.children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
        for each in self.machine.allocations():
            if "pid" in each:
                self.signal(each, signal.SIGKILL)
            self.machine.change(each["id"], state="ended", ended_at=time.time(), exit_code=-9, hosts=[])
        for child in self.children.values():
            child.wait()
        for file in self.machine.folder.glob("script.*.pid"):  # what no signal reaches on an ssh cluster
            pid = int(file.read_text())
            if f"COBALT_JOBID={file.name.split('.')[1]}".encode() in _environment_of(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def serve(folder: Path) -> None:
    """One server per folder; leaves when idle for a while, when told to stop, or when the folder is gone."""
    machine = Machine(folder)
    server = Server(machine)
    busy_at = time.time()
    with (folder / "server.lock").open("w") as lock:
        while _lock(lock):
            while time.time() - busy_at < IDLE_SECONDS:
                if not (folder / "state.sqlite").exists() or machine.settings()["stop"]:
                    server.kill_everything()
                    return
                if server.step():
                    busy_at = time.time()
                time.sleep(STEP_SECONDS)
            fcntl.flock(lock, fcntl.LOCK_UN)
            if not machine.allocations():
                return  # a submission that came before the unlocking is seen here, a later one starts its own
            busy_at = time.time()


def _lock(lock: Any) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main(arguments: list[str]) -> None:
    if arguments[0] == "serve":
        serve(Path(arguments[1]))
    elif arguments[0] == "set":
        Machine(Path(arguments[1])).set(**{arguments[2]: json.loads(arguments[3])})


if __name__ == "__main__":
    main(sys.argv[1:])
