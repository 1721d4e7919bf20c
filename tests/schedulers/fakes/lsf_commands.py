"""bsub, bjobs, bkill, bstop, bresume and bmod of LSF 10.1 on the pretend machine, after IBM's manual pages.

Nothing of it was recorded from a real LSF. Known differences: no arrays, projects are not checked,
dependencies are `ended(ID)` only; bkill sends TERM without the INT before it; walltime is enforced at once.
With the setting system="csm" the script's own host, which is not granted, stands first in the lists of hosts.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shlex
import socket
import sys
import time
from pathlib import Path
from typing import Any

from machine import FOLDER_VARIABLE, Machine

STATES = {"queued": "PEND", "held": "PSUSP", "starting": "RUN", "running": "RUN", "killing": "RUN"}
ALONE = {"-rn", "-x"}
WITH_VALUE = {"-J", "-W", "-P", "-q", "-n", "-R", "-o", "-e", "-w", "-nnodes", "-alloc_flags"}


class Refused(Exception):
    """What a command says on stderr before it exits with a code."""

    def __init__(self, words: str, code: int = 255) -> None:
        super().__init__(words)
        self.words, self.code = words, code


def run(verb: str) -> int:
    machine = Machine(Path(os.environ[FOLDER_VARIABLE]))
    machine.note_call(verb, sys.argv[1:])
    settings = machine.settings()
    if settings["noise"]:
        sys.stderr.write(settings["noise"] + "\n")
    try:
        if settings["unreachable"]:
            end = " Job not submitted." if verb == "bsub" else ""
            raise Refused(f"Failed in an LSF library call: Connection refused.{end}")
        verbs = {"bsub": bsub, "bjobs": bjobs, "bkill": bkill, "bstop": bstop, "bresume": bresume}
        return (verbs | {"bmod": bmod})[verb](machine, settings, sys.argv[1:])
    except Refused as refused:
        sys.stderr.write(refused.words + "\n")
        return refused.code


# ---- bsub and bmod


def bsub(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    text = sys.stdin.read()
    options = {**_options(_directives(text))[0], **_options(argv)[0]}
    data = _request(options, settings) | {"text": text, "environ": dict(os.environ)}
    number = machine.add(data)
    machine.wake_server()
    lost = machine.take_lost_answer()
    if lost == "hang":
        time.sleep(3600)
    if lost == "error":
        raise Refused("Failed in an LSF library call: Communication time out.")
    if lost is None and "BSUB_QUIET" not in os.environ:
        which = "queue" if "-q" in options else "default queue"
        sys.stdout.write(f"Job <{number}> is submitted to {which} <{data['queue']}>.\n")
    return 0


def _directives(text: str) -> list[str]:
    words: list[str] = []
    for line in text.splitlines():
        if line.startswith("#BSUB"):
            words += shlex.split(line.removeprefix("#BSUB"), comments=True)
    return words


def _options(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    words = list(argv)
    while words and words[0].startswith("-"):
        flag = words.pop(0)
        if flag in ALONE:
            options[flag] = ""
        elif flag in WITH_VALUE and words:
            options[flag] = words.pop(0)
        elif flag[:2] in WITH_VALUE and len(flag) > 2:  # -W10
            options[flag[:2]] = flag[2:]
        else:
            raise Refused(f"Illegal option -- {flag[1:]}. Job not submitted.")
    return options, words


def _request(options: dict[str, str], settings: dict[str, Any]) -> dict[str, Any]:
    queue = options.get("-q", "default")
    if queue not in settings["queues"]:
        raise Refused(f"{queue}: No such queue. Job not submitted.")
    limits = settings["queues"][queue]
    minutes = _minutes(options.get("-W", "60"))
    if minutes > limits.get("max_minutes", minutes):
        raise Refused("RUNLIMIT: Cannot exceed queue's hard limit(s). Job not submitted.")
    nodes, per_node = _size(options)
    if nodes > limits.get("max_nodes", nodes):
        raise Refused("Too many processors requested. Job not submitted.")
    if settings["needs_project"] and "-P" not in options:
        raise Refused("Project must be specified with -P. Request aborted by esub. Job not submitted.")
    after = re.match(r"ended\((\d+)\)", options.get("-w", ""))
    return {
        "family": "lsf",
        "user": getpass.getuser(),
        "name": options.get("-J", "/bin/bash"),
        "queue": queue,
        "nodes": nodes,
        "per_node": per_node,
        "walltime_seconds": minutes * 60,
        "after": [int(after[1])] if after else [],
        "directory": str(Path.cwd()),
        "outputs": {key: options.get(key, "") for key in ("-o", "-e")},
        "submitted_at": time.time(),
    }


def _size(options: dict[str, str]) -> tuple[int, int]:
    """Nodes, and processors of each."""
    if "-nnodes" in options:
        return int(options["-nnodes"]), 42
    processors = int(options.get("-n", "1"))
    found = re.search(r"span\[ptile=(\d+)\]", options.get("-R", ""))
    per_node = int(found[1]) if found else processors
    return -(-processors // per_node), per_node


def _minutes(text: str) -> int:
    """[HOURS:]MINUTES, of a host that may be named behind a slash."""
    found = re.match(r"(?:(\d+):)?(\d+)(?:/\w+)?\Z", text)
    if not found:
        raise Refused(f"{text}: Bad RUNLIMIT specification. Job not submitted.")
    return 60 * int(found[1] or 0) + int(found[2])


def bmod(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    options, words = _options(argv)
    for each in _mine(machine, words, "bmod"):
        changes: dict[str, Any] = {}
        if "-W" in options:
            changes["walltime_seconds"] = 60 * _minutes(options["-W"])
        if "-nnodes" in options or "-n" in options:
            changes["nodes"] = _size(options)[0]
        machine.change(each["id"], **changes)
        sys.stdout.write(f"Parameters of job <{each['id']}> are being changed\n")
    return 0


# ---- bjobs


def bjobs(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    words = list(argv)
    form, only, everything = "", {}, False
    while words and words[0].startswith("-"):
        flag = words.pop(0)
        if flag == "-o":
            form = words.pop(0)
        elif flag in ("-u", "-J"):
            only[flag] = words.pop(0)
        elif flag == "-a":
            everything = True
        elif flag != "-noheader":
            raise Refused(f"Illegal option -- {flag[1:]}")
    names = form.partition(" delimiter=")[0].split()
    # By their ids ended ones are told with and without -a, as long as the server remembers them.
    kept = machine.allocations(ended=settings["history"] and (everything or bool(words)))
    shown = [
        each
        for each in kept
        if only.get("-u", each["user"]) == each["user"] and only.get("-J", each["name"]) == each["name"]
    ]
    code = 0
    if words:
        by_id = {str(each["id"]): each for each in shown}
        for word in words:
            if word not in by_id:
                sys.stderr.write(f"Job <{word}> is not found\n")
                code = 255
        shown = [by_id[word] for word in words if word in by_id]
    elif not shown:
        raise Refused(f"Job <{only['-J']}> is not found" if "-J" in only else "No job found")
    for each in shown:
        fields = _fields(each)
        sys.stdout.write("|".join(fields[name] for name in names) + "\n")
    return code


def _fields(each: dict[str, Any]) -> dict[str, str]:
    state = each["state"]
    hosts = each.get("hosts") or each.get("had") or []
    started_at = each.get("script_started_at")
    minutes = each["walltime_seconds"] / 60
    ran = (each.get("ended_at") or time.time()) - started_at if started_at else 0.0
    code = each.get("exit_code")
    done = state == "ended" and code == 0 and "reason" not in each
    own_state = ("DONE" if done else "EXIT") if state == "ended" else STATES[state]
    if state in ("starting", "running") and not started_at:  # LSF tells host and start together with it
        own_state = "PEND"
    return {
        "jobid": str(each["id"]),
        "stat": "RUN" if state == "starting" and started_at else own_state,
        "queue": each["queue"],
        "nexec_host": str(len(hosts)) if hosts and started_at else "-",
        "nreq_slot": str(each["nodes"] * each["per_node"]),
        "start_time": _date(started_at) if started_at else "-",
        "run_time": f"{int(ran)} second(s)",
        "finish_time": _finish(each, started_at),
        "runtimelimit": f"{minutes:.1f}",
        "exit_code": str(code if code is not None and code > 0 else 143) if own_state == "EXIT" else "-",
        "pend_reason": _reason(each) if own_state in ("PEND", "PSUSP") else "-",
        "exit_reason": _ending(each) if own_state == "EXIT" else "-",
        "job_name": each["name"],
    }


def _finish(each: dict[str, Any], started_at: float | None) -> str:
    if each["state"] == "ended":
        return _date(each["ended_at"]) + (" X" if each.get("exit_code") else "  ")
    return f"{_date(started_at + each['walltime_seconds'])} L" if started_at else "-"


def _reason(each: dict[str, Any]) -> str:
    if each["state"] == "held":
        return "Job was suspended by the user while pending;"
    return "Job dependency condition not satisfied;" if each["after"] else "Job slots are not available;"


def _ending(each: dict[str, Any]) -> str:
    if each.get("reason") == "walltime":
        return "TERM_RUNLIMIT: job killed after reaching LSF run time limit"
    return "TERM_OWNER: job killed by owner" if each.get("deleted") else "-"


def _date(seconds: float) -> str:
    return time.strftime("%b %e %H:%M", time.gmtime(seconds))


# ---- bkill, bstop and bresume


def _mine(machine: Machine, words: list[str], verb: str) -> list[dict[str, Any]]:
    by_id = {str(each["id"]): each for each in machine.allocations(ended=True)}
    found = []
    for word in words:
        if word not in by_id:
            sys.stderr.write(f"Job <{word}>: No matching job found\n")
        elif by_id[word]["state"] == "ended":
            sys.stderr.write(f"Job <{word}>: Job has already finished\n")
        else:
            found.append(by_id[word])
    return found


def bkill(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    mine = _mine(machine, argv, "bkill")
    for each in mine:
        machine.change(each["id"], deleted=True)
        sys.stdout.write(f"Job <{each['id']}> is being terminated\n")
    machine.wake_server()
    return 0 if len(mine) == len(argv) else 255


def bstop(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    for each in _mine(machine, argv, "bstop"):
        if each["state"] == "queued":
            machine.change(each["id"], state="held")
        sys.stdout.write(f"Job <{each['id']}> is being stopped\n")
    return 0


def bresume(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    for each in _mine(machine, argv, "bresume"):
        if each["state"] == "held":
            machine.change(each["id"], state="queued")
        sys.stdout.write(f"Job <{each['id']}> is being resumed\n")
    return 0


# ---- called by the server


def prepare(each: dict[str, Any], settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """How to start the spooled script: where it was submitted, with the environment of the submission."""
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    script = spool / f"{each['id']}.shell"
    script.write_text(each["text"])
    counts = [(host, each["per_node"]) for host in each["hosts"]]
    if settings["system"] == "csm":
        counts = [(socket.gethostname(), 1), *counts]
    host_file = spool / f"{each['id']}.hostfile"
    host_file.write_text("".join(f"{host}\n" * count for host, count in counts))
    environ = {
        **each["environ"],
        "LSB_JOBID": str(each["id"]),
        "AMBS_NODE_LOCKS": str(folder),  # the nodes of this pretend machine are no others' of the same name
        "LSB_JOBNAME": each["name"],
        "LSB_QUEUE": each["queue"],
        "LSB_DJOB_HOSTFILE": str(host_file),
        "LSB_MCPU_HOSTS": " ".join(f"{host} {count}" for host, count in counts) + " ",
        "LS_SUBCWD": each["directory"],
    }
    paths = {key: value.replace("%J", str(each["id"])) for key, value in each["outputs"].items()}
    output = str(Path(each["directory"]) / paths["-o"]) if paths["-o"] else str(spool / f"{each['id']}.out")
    error = str(Path(each["directory"]) / paths["-e"]) if paths["-e"] else output
    argv = ["/bin/bash", str(script)]
    return {
        "argv": argv,
        "directory": each["directory"],
        "environ": environ,
        "output": output,
        "error": error,
    }


def finish(each: dict[str, Any], exit_code: int | None) -> None:
    """A report goes behind the output."""
    if "output" not in each:
        return
    how = "Successfully completed." if exit_code == 0 else f"Exited with exit code {exit_code}."
    with contextlib.suppress(OSError), Path(each["output"]).open("a") as output:
        output.write(f"\n------------------------------------------------------------\n{how}\n")
