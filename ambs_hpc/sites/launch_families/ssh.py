"""ssh to each node, where there is no launch command at all.

ssh passes no environment, no folder and no signals, so a program of ours stands at both ends: this file. The
near end sends all of it through the connection, not on a command line, which everybody could read; the far
end binds the copy to its cores, starts it, and ends it when the connection ends.

Copies get RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT, as torch.distributed
reads them. They are no MPI ranks: for these choose `hydra` with the flags `-launcher ssh`.

As a program it is run isolated (`python -I -S ssh.py`), so it uses the standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ambs_hpc.sites.launch_families.ranks import Ranks

PROGRAM = "ssh"
# The first value that ssh is given for an option counts, and those of the site come first. Hosts are nodes
# that the scheduler has granted, whose keys change when they are installed again: no known ones are kept.
OPTIONS = (
    *("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"),
    *("ConnectTimeout=30", "ServerAliveInterval=15", "ServerAliveCountMax=4", "RequestTTY=no"),
    *("ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes", "ControlMaster=no", "ControlPath=none"),
)
GRACE_SECONDS = 10.0  # between TERM and KILL at the far end
_OWN_HOST = ("SSH_AUTH_SOCK", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "DISPLAY", "XAUTHORITY")
_CHUNK_BYTES = 1 << 16


def command(program: str, ranks: Ranks, flags: Sequence[str]) -> list[str]:
    """The words that start and bind these ranks; `flags` are options of ssh."""
    plan = {
        "ssh": [program, *flags, *(word for option in OPTIONS for word in ("-o", option))],
        "per_node": ranks.per_node,
        "cores": [list(cores) for cores in ranks.cores],
        "together": ranks.stand_together,
        "ranked": not ranks.is_service,
    }
    # One word each, since the system limits the length of a word.
    return [sys.executable, "-I", "-S", __file__, "near", *ranks.nodes, "--", json.dumps(plan)]


# ---- the near end


class _Copy:
    """One copy of the program: the ssh that leads to it, and what goes there as frames."""

    def __init__(self, ssh: Sequence[str], node: str, header: Mapping[str, Any]) -> None:
        self.process = subprocess.Popen([*ssh, node, f"exec {_far_command()}"], stdin=subprocess.PIPE)
        self._lock = threading.Lock()
        self.send(json.dumps(header).encode() + b"\n")

    def send(self, frame: bytes) -> None:
        """Send it whole; what nobody reads any more is dropped."""
        assert self.process.stdin is not None
        with self._lock, contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(frame)
            self.process.stdin.flush()

    def hang_up(self) -> None:
        """End the connection, by which the far end ends its copy."""
        assert self.process.stdin is not None
        with self._lock, contextlib.suppress(OSError, ValueError):
            self.process.stdin.close()


def near(plan: Mapping[str, Any], program: Sequence[str]) -> int:
    """Start all copies, pass standard input to the first and signals to all; the worst exit status."""
    copies: list[_Copy] = []
    for index in range(len(plan["nodes"]) * plan["per_node"]):
        node = plan["nodes"][index // plan["per_node"]]
        copies.append(_Copy(plan["ssh"], node, _header(plan, index, program)))
    for one in copies[1:]:
        one.send(b"E\n")

    def pass_on(number: int, _frame: object) -> None:
        for one in copies:
            one.send(b"S%d\n" % number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, pass_on)
    threading.Thread(target=_pass_input, args=[copies[0]], daemon=True).start()
    return _wait(copies, together=plan["together"])


def _far_command() -> str:
    """The far end, for the login shell there; an interpreter of a module may need its libraries' folders."""
    folders = os.environ.get("LD_LIBRARY_PATH")
    libraries = ["env", f"LD_LIBRARY_PATH={folders}"] if folders else []
    return shlex.join([*libraries, sys.executable, "-I", "-S", __file__, "far"])


def _header(plan: Mapping[str, Any], index: int, program: Sequence[str]) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name not in _OWN_HOST}
    local = index % plan["per_node"]
    if plan["ranked"]:
        environment |= {
            "AMBS_RANK": str(index),
            "RANK": str(index),
            "WORLD_SIZE": str(len(plan["nodes"]) * plan["per_node"]),
            "LOCAL_RANK": str(local),
            "LOCAL_WORLD_SIZE": str(plan["per_node"]),
            "MASTER_ADDR": plan["nodes"][0],
            "MASTER_PORT": str(20000 + os.getpid() % 12000),
        }
    cores = plan["cores"][local] if plan["cores"] else []
    return {"program": list(program), "environment": environment, "folder": str(Path.cwd()), "cores": cores}


def _pass_input(first: _Copy) -> None:
    while chunk := os.read(0, _CHUNK_BYTES):
        first.send(b"D%d\n%s" % (len(chunk), chunk))
    first.send(b"E\n")


def _wait(copies: Sequence[_Copy], *, together: bool) -> int:
    by_pid = {one.process.pid: one for one in copies}
    worst = 0
    while by_pid:
        pid, raw = os.wait()
        one = by_pid.pop(pid, None)
        status = os.waitstatus_to_exitcode(raw)
        if one is None or status == 0:
            continue
        worst = worst or (status if status > 0 else 128 - status)
        if together:
            for other in by_pid.values():
                other.hang_up()
    return worst


# ---- the far end


def far(connection: IO[bytes]) -> int:
    """Start what the connection says, give it its input and signals, and end it with the connection."""
    header = json.loads(connection.readline())
    try:
        os.chdir(header["folder"])
        if header["cores"]:
            os.sched_setaffinity(0, header["cores"])
        process = subprocess.Popen(
            header["program"], env=header["environment"], stdin=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        sys.stderr.write(f"{header['program'][0]}: {error}\n")
        return 127
    threading.Thread(target=_obey, args=[connection, process], daemon=True).start()
    status = process.wait()
    if _has_hung_up(connection):
        _end_group(process.pid)
    return status if status >= 0 else 128 - status


def _obey(connection: IO[bytes], process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    while frame := connection.readline():
        kind, rest = frame[:1], frame[1:].strip()
        if kind == b"D":
            data = connection.read(int(rest))
            with contextlib.suppress(OSError, ValueError):
                process.stdin.write(data)
                process.stdin.flush()
        elif kind == b"E":
            with contextlib.suppress(OSError):
                process.stdin.close()
        elif kind == b"S":
            _signal(process, int(rest))
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
        return
    _signal(process, signal.SIGKILL)


def _has_hung_up(connection: IO[bytes]) -> bool:
    """Whether nobody is at the near end any more; what was sent before may be unread."""
    poll = select.poll()
    poll.register(connection, select.POLLHUP | select.POLLRDHUP)
    return bool(poll.poll(0))


def _end_group(group: int) -> None:
    """Give what is left of a group after its TERM the time to end, and kill it: nobody else will."""
    by = time.monotonic() + GRACE_SECONDS
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < by:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


if __name__ == "__main__":
    if sys.argv[1] == "far":
        ended = far(sys.stdin.buffer)
    else:
        end = sys.argv.index("--")
        ended = near({**json.loads(sys.argv[end + 1]), "nodes": sys.argv[2:end]}, sys.argv[end + 2 :])
    sys.stdout.flush()
    os._exit(ended)  # a thread may wait for input that never comes
