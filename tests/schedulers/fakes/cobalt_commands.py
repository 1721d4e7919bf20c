"""qsub, qstat and qdel of Cobalt 1.0.33 on the pretend machine: same words, exit codes, silences and noises.

On an "ssh cluster" the script is started as `cobalt_ssh` says: qdel and walltime reach the ssh client alone.

Known differences: filters other than `needs_project`, dependencies, reservations and interactive use are not
there; qdel does not wait its second; minutes may be made shorter (`seconds_per_minute`).
"""

from __future__ import annotations

import contextlib
import getopt
import getpass
import json
import os
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from cobalt_words import NOISE, hold_answer, no_answer, refused_connection
from machine import FOLDER_VARIABLE, Machine

LONG = [
    "time=",
    "nodecount=",
    "queue=",
    "project=",
    "jobname=",
    "output=",
    "error=",
    "outputprefix=",
    "debuglog=",
]
LONG += [
    "env=",
    "attrs=",
    "cwd=",
    "mode=",
    "held",
    "umask=",
    "inputfile=",
    "notify=",
    "proccount=",
    "geometry=",
]
LONG += ["dependencies=", "run_project", "user_list=", "disable_preboot", "debug", "version"]
SHORT = "t:n:q:A:o:e:O:hu:i:M:I"
NAMES = {"-t": "time", "-n": "nodecount", "-q": "queue", "-A": "project", "-o": "output", "-e": "error"}
NAMES |= {
    "-O": "outputprefix",
    "-h": "held",
    "-u": "umask",
    "-i": "inputfile",
    "-M": "notify",
    "-I": "interactive",
}
STATES = {"held": "user_hold"}
SHORT_STATES = {
    "queued": "Q",
    "starting": "R",
    "running": "R",
    "killing": "K",
    "exiting": "E",
    "user_hold": "H",
}


class Refused(Exception):
    """What a command says on stderr before it exits with a code."""

    def __init__(self, words: str, code: int = 1) -> None:
        super().__init__(words)
        self.words, self.code = words, code


def run(verb: str) -> int:
    machine = Machine(Path(os.environ[FOLDER_VARIABLE]))
    machine.note_call(verb, sys.argv[1:])
    settings = machine.settings()
    if settings["noise"]:
        sys.stderr.write(settings["noise"] + "\n")
    try:
        verbs = {"qsub": qsub, "qstat": qstat, "qdel": qdel, "qhold": qhold, "qalter": qalter}
        return verbs[verb](machine, settings, sys.argv[1:])
    except Refused as refused:
        sys.stderr.write(refused.words + "\n")
        return refused.code


# ---- qsub


def qsub(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    _, given = _options(argv)
    if not given:
        sys.stdout.write("Usage: qsub.py [options] <executable> [<excutable options>]\n")
        raise Refused("No executable or script specified")
    script = _script(given[0], argv)
    options = _merge(_directives(script), argv[: len(argv) - len(given)], settings)
    data = _request(options, script, given[1:], settings)
    data["environ"] = options["env"]
    if settings["unreachable"]:
        raise Refused(no_answer(settings["unreachable"], ""))
    state = "held" if "held" in options else "queued"
    for _ in range(settings["repeats"]):  # the client repeats what was taken when the answer is lost
        _give_paths(machine, machine.add(data, state), data)
    number = machine.add(data, state)
    lost = machine.take_lost_answer()
    _give_paths(machine, number, data)
    if lost in (None, "hang"):  # who did not hear the id cannot log it
        _open_log(machine, number, data, argv)
    machine.wake_server()
    if settings["repeats"]:
        sys.stderr.write(NOISE)
    if lost == "hang":
        time.sleep(3600)
    if lost == "error":
        raise Refused(NOISE + refused_connection())
    if lost is None:
        sys.stdout.write(f"{number}\n")
    return 0


def _options(argv: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    try:
        return getopt.getopt(argv, SHORT, LONG)
    except getopt.GetoptError as error:
        sys.stdout.write("Usage: qsub.py [options] <executable> [<excutable options>]\n\n")
        flag = f"-{error.opt}" if len(error.opt) == 1 else f"--{error.opt}"
        raise Refused(f"qsub.py: error: no such option: {flag}", 2) from error


def _script(name: str, argv: list[str]) -> Path:
    """Blanks are deleted from the path, so that such a script is not found."""
    options = dict(_options(argv)[0])
    path = Path(re.sub(r"\s", "", str(Path(options.get("--cwd", Path.cwd())) / name)))
    if not path.is_file():
        raise Refused(f"command {path} not found, or is not a file")
    if not os.access(path, os.X_OK):
        raise Refused(f"command {path} is not executable")
    return path


def _directives(script: Path) -> list[str]:
    """Words of the `#COBALT ` lines right after `#!`; anything else ends them, in silence."""
    lines = script.read_text(errors="replace").splitlines()
    words: list[str] = []
    if not lines or not lines[0].startswith("#!"):
        return words
    for line in lines[1:]:
        if not line.startswith("#COBALT "):
            break
        words += line.removeprefix("#COBALT ").split()
    return words


def _merge(directives: list[str], argv: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """The command line wins, --env is a union, --attrs twice is an error; a stray word loses all after it."""
    pairs, _ = _options(directives + argv)
    options: dict[str, Any] = {"env": {}}
    for flag, value in pairs:
        name = NAMES.get(flag, flag.removeprefix("--"))
        if name == "env":
            options["env"] |= _environment(value)
        elif name == "attrs" and "attrs" in options:
            raise Refused(
                "Multiple --attrs options not supported.  Specify multiple attributes as follows: "
                "--attrs FOO=1:BAR=2"
            )
        else:
            options[name] = value
    if "time" not in options and "nodecount" not in options:
        sys.stdout.write("Usage: qsub.py [options] <executable> [<excutable options>]\n")
        raise Refused("No required options provided")
    for name in ("time", "nodecount"):
        if name not in options:
            raise Refused(f"'{name}' not provided")
    if settings["needs_project"] and "project" not in options:
        raise Refused("No project specified\nFilter /etc/cobalt/filter.py failed")
    return options


def _environment(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in re.split(r"(?<!\\):(?=\w+=)", text):
        if "=" not in part:
            raise Refused(f"Improperly formatted argument to env : ['{text}']")
        key, _, value = part.partition("=")
        found[key] = re.sub(r"\\([:=])", r"\1", value)
    return found


def _request(
    options: dict[str, Any], script: Path, arguments: list[str], settings: dict[str, Any]
) -> dict[str, Any]:
    minutes = _minutes(options["time"])
    try:
        nodes = int(options["nodecount"])
    except ValueError as error:
        raise Refused("qsub.py: error: option -n: invalid integer value", 2) from error
    if not 1 <= nodes <= len(settings["hosts"]):
        raise Refused("node count out of realistic range")
    queue = options.get("queue", "default")
    _check_queue(queue, minutes, nodes, settings)
    directory = Path(options.get("cwd", Path.cwd()))
    prefix = options.get("outputprefix")
    name = options.get("jobname") or (Path(prefix).name if prefix else "N/A")
    paths = {}
    for key, suffix in (("output", "output"), ("error", "error"), ("debuglog", "cobaltlog")):
        chosen = options.get(key) or (f"{prefix}.{suffix}" if prefix else f"$jobid.{suffix}")
        paths[key] = str(directory / chosen)
        if not Path(paths[key]).parent.is_dir():
            raise Refused(f"directory {Path(paths[key]).parent} does not exist")
    return {
        "family": "cobalt",
        "user": getpass.getuser(),
        "name": name,
        "queue": queue,
        "project": options.get("project"),
        "nodes": nodes,
        "walltime_seconds": minutes * 60,
        "directory": str(directory),
        "script": str(script),
        "arguments": arguments,
        "paths": paths,
        "attrs": options.get("attrs", ""),
        "submitted_at": time.time(),
    }


def _minutes(text: str) -> int:
    """M, HH:MM, HH:MM:SS, DD:HH:MM:SS; seconds are dropped."""
    parts = text.split(":")
    for part in parts:
        if not part.isdecimal():
            raise Refused(f"invalid time specification: illegal value '{part}' for minutes")
    numbers = [int(part) for part in parts]
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) == 2:
        return numbers[0] * 60 + numbers[1]
    days, hours, minutes, _ = [0] * (4 - len(numbers)) + numbers
    return days * 1440 + hours * 60 + minutes


def _check_queue(queue: str, minutes: int, nodes: int, settings: dict[str, Any]) -> None:
    if queue not in settings["queues"]:
        raise Refused(f"<Fault 1001: \"trying to add job to non-existent queue '{queue}'\">")
    if settings["system"] == "cluster" and 0 < minutes < settings["min_minutes"]:
        raise Refused(
            "component error: XMLRPC failure <Fault 1004: 'Walltime less than minimum'> "
            "in system.validate_job\n"
        )
    limits = settings["queues"][queue]
    most = limits.get("max_minutes")
    if most is not None and minutes > most:
        words = f"Walltime greater than the '{queue}' queue max walltime of {_clock(most * 60)}"
        raise Refused(f'<Fault 1001: "{words}\\n">')
    if nodes > limits.get("max_nodes", nodes):
        raise Refused(f"<Fault 1001: \"Node count greater than the '{queue}' queue max node count\\n\">")


def _give_paths(machine: Machine, number: int, data: dict[str, Any]) -> None:
    paths = {key: path.replace("$jobid", str(number)) for key, path in data["paths"].items()}
    machine.change(number, paths=paths)


def _open_log(machine: Machine, number: int, data: dict[str, Any], argv: list[str]) -> None:
    file = data["paths"]["debuglog"].replace("$jobid", str(number))
    try:
        with Path(file).open("a") as log:
            log.write(f"Jobid: {number}\nqsub {shlex.join(argv)}\n")
            log.write(f"{_date(time.time())} submitted with cwd set to: {data['directory']}\n")
    except OSError as error:
        sys.stderr.write(f"WARNING: failed to create cobalt log file at: {file}: {error}\n")


# ---- qstat and qdel


def qstat(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    pairs, words = getopt.gnu_getopt(argv, "flu:Q", ["header=", "sort=", "reverse"])
    options = dict(pairs)
    if settings["unreachable"]:
        raise Refused(no_answer(settings["unreachable"], "get_queues"))
    shown = machine.allocations()
    if "-u" in options:
        shown = [each for each in shown if each["user"] == options["-u"]]
    for word in words:
        if not word.isdecimal() and word not in settings["queues"]:
            raise Refused(f"{word} is not a valid jobid or queue name")
    if words:
        shown = [each for each in shown if str(each["id"]) in words or each["queue"] in words]
        if not shown:
            return 1  # not a word
    default = os.environ.get("QSTAT_HEADER", "JobID:User:WallTime:Nodes:State:Location")
    header = options.get("--header", default).split(":")
    (_list if "-l" in options else _table)(header, [_row(header, each) for each in shown])
    return 0


def _row(header: list[str], each: dict[str, Any]) -> list[str]:
    state = STATES.get(each["state"], each["state"])
    started_at = each.get("started_at")  # of the prologue, some time before the script
    run = int(time.time() - started_at) if started_at else 0
    fields = {
        "jobid": str(each["id"]),
        "jobname": each["name"],
        "user": each["user"],
        "walltime": _clock(each["walltime_seconds"]),
        "nodes": str(each["nodes"]),
        "state": state,
        "short_state": SHORT_STATES[state],
        "location": _location(each.get("hosts", [])),
        "queue": each["queue"],
        "mode": "script",
        "procs": str(each["nodes"]),
        "project": str(each["project"]),
        "score": "  0.1  ",
        "runtime": _clock(run) if started_at else "N/A",
        "timeremaining": _clock(max(each["walltime_seconds"] - run, 0)) if started_at else "N/A",
        "starttime": _date(started_at) if started_at else "N/A",
        "submittime": _date(each["submitted_at"]),
        "envs": " ".join(f"{key}={value}" for key, value in each["environ"].items()),
        "args": " ".join(each["arguments"]),
        "command": each["script"],
    }
    return [fields.get(name.lower(), "-") for name in header]


def _list(header: list[str], rows: list[list[str]]) -> None:
    names = ["S" if name.lower() == "short_state" else name for name in header]
    width = max(len(name) for name in names)
    blocks = []
    for row in rows:
        lines = [f"{names[0]}: {row[0]}"]
        lines += [f"    {name:<{width}} : {value}" for name, value in zip(names[1:], row[1:], strict=True)]
        blocks.append("\n".join(lines) + "\n")
    sys.stdout.write("\n".join(blocks) + ("\n" if blocks else ""))


def _table(header: list[str], rows: list[list[str]]) -> None:
    names = ["S" if name.lower() == "short_state" else name for name in header]
    widths = [max(len(each) for each in column) for column in zip(names, *rows, strict=True)]
    lines = [
        "  ".join(f"{value:<{width}}" for value, width in zip(row, widths, strict=True)) + "  "
        for row in rows
    ]
    first = "  ".join(f"{value:<{width}}" for value, width in zip(names, widths, strict=True)) + "  "
    sys.stdout.write("\n".join([first, "=" * (len(first) - 1), *lines]) + "\n")


def qdel(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    for word in argv:
        if not word.isdecimal():
            raise Refused(f"jobid must be an integer: {word}")
    if settings["unreachable"]:
        raise Refused(no_answer(settings["unreachable"], "del_jobs"))
    mine = [
        each
        for each in machine.allocations()
        if str(each["id"]) in argv and each["user"] == getpass.getuser()
    ]
    for each in mine:
        machine.change(each["id"], deleted=True)
        with contextlib.suppress(OSError), Path(each["paths"]["debuglog"]).open("a") as log:
            words = f"user delete requested with signal SIGTERM by user {each['user']}"
            log.write(f"{_date(time.time())} Info: {words}\n")
    if mine:
        machine.wake_server()
        sys.stdout.write("      Deleted Jobs\n")
        _table(["JobID", "User"], [[str(each["id"]), each["user"]] for each in mine])
    return 0


def qhold(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    for each in machine.allocations():
        if str(each["id"]) in argv:
            sys.stdout.write(hold_answer(each["id"], each["state"]))
            if each["state"] == "queued":
                machine.change(each["id"], state="held")
    return 0


def qalter(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    pairs, words = getopt.getopt(argv, "t:n:")
    options = dict(pairs)
    for each in machine.allocations():
        if str(each["id"]) not in words:
            continue
        if each["state"] not in ("queued", "held"):
            raise Refused("cannot change wall time of a running job")
        if "-n" in options:
            sys.stdout.write(f"nodes changed from {each['nodes']} to {options['-n']}\n")
            machine.change(each["id"], nodes=int(options["-n"]))
        if "-t" in options:
            sys.stdout.write(f"walltime changed from {each['walltime_seconds'] // 60} to {options['-t']}\n")
            machine.change(each["id"], walltime_seconds=60 * _minutes(options["-t"]))
    return 0


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _date(seconds: float) -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y +0000 (UTC)", time.gmtime(seconds))


def _location(hosts: list[str]) -> str:
    return ",".join(hosts) or "None"


# ---- called by the server


def prepare(each: dict[str, Any], settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """How to start the script: nothing of the submitter's environment is carried, as on the real machines."""
    environ = {
        "HOME": os.environ.get("HOME", "/"),
        "USER": each["user"],
        "LOGNAME": each["user"],
        "SHELL": "/bin/bash",
        "PATH": settings["script_path"],
        "COBALT_JOBID": str(each["id"]),
        "AMBS_NODE_LOCKS": str(folder),  # the nodes of this pretend machine are no others' of the same name
        **each["environ"],
    }
    if settings["commands_on_nodes"]:
        path = f"{Path(__file__).resolve().parent / 'cobalt'}:{settings['script_path']}"
        environ |= {"PATH": path, FOLDER_VARIABLE: str(folder)}
    if settings["system"] == "cray":
        environ |= {
            "COBALT_PARTNAME": ",".join(each["hosts"]),
            "COBALT_PARTSIZE": str(each["nodes"]),
            "COBALT_JOBSIZE": str(each["nodes"]),
            "COBALT_PARTCORES": "64",
            "COBALT_PROJECT": str(each["project"]),
            "COBALT_QUEUE": each["queue"],
            "COBALT_STARTTIME": str(int(each["script_started_at"])),
            "COBALT_ENDTIME": str(int(each["ends_at"])),
        }
    else:
        node_file = folder / f"cobalt.{each['id']}"
        node_file.write_text("".join(f"{host}\n" for host in each["hosts"]))
        environ["COBALT_NODEFILE"] = str(node_file)
    argv = [each["script"], *each["arguments"]]
    if settings["system"] == "cray" and not Path(each["script"]).read_bytes().startswith(b"#!"):
        argv = ["/bin/sh", *argv]  # its login shell runs what has no first line
    plan = {"argv": argv, "directory": each["directory"], "environ": environ}
    plan |= {key: each["paths"][key] for key in ("output", "error")}
    return _through_ssh(plan, each, folder) if settings["system"] == "ssh cluster" else plan


def _through_ssh(plan: dict[str, Any], each: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The plan with an ssh client in the script's place."""
    there = plan | {"pid_file": str(folder / f"script.{each['id']}.pid")}
    there["environ"] = plan["environ"] | {"SSH_CONNECTION": "10.77.0.1 54830 10.77.0.13 22"}
    client = [sys.executable, str(Path(__file__).with_name("cobalt_ssh.py")), json.dumps(there)]
    return plan | {"argv": client}


def finish(each: dict[str, Any], exit_code: int | None) -> None:
    """The last line of the log is the only place where a plain user finds the exit status."""
    if each.get("reason") == "walltime":
        line = "Info: maximum execution time exceeded; initiating job termination"
    elif each.get("reason") == "deleted" or exit_code is None:
        return
    else:
        code = exit_code % 256 if exit_code >= 0 else 128 - exit_code
        line = (
            f"Info: task completed normally with an exit code of {code}; initiating job cleanup and removal"
        )
    with Path(each["paths"]["debuglog"]).open("a") as log:
        log.write(f"{_date(time.time())} {line}\n")
