"""qsub, qstat, qselect and qdel of OpenPBS 23.06 on the pretend machine: same words, exit codes and traps.

What was seen on the OpenPBS of 2026: JSON holds only the first of several ids; without `excl` a host is
shared up to its processors; a request that fits none of a routing queue's destinations gets an id and is
forgotten, with -x too; one that is being killed stays R in substate 42; of several ids qdel names the first
wrong one only.

Known differences: no arrays or reservations, of dependencies afterany only; walltime is enforced at once, not
by polling; each chunk of `-l select` gets a host of its own; qselect knows -u, -N, -q and -x only.
"""

from __future__ import annotations

import contextlib
import getopt
import getpass
import json
import os
import re
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from machine import FOLDER_VARIABLE, Machine, waits_for

RESOURCES = {
    "select",
    "walltime",
    "place",
    "filesystems",
    "ncpus",
    "nodes",
    "mem",
    "daos",
    "job_priority",
    "software",
}
STATES = {"queued": "Q", "held": "H", "starting": "R", "running": "R", "killing": "R", "ended": "F"}
SUBSTATES = {"queued": "10", "held": "20", "starting": "41", "running": "42", "killing": "42"}
FINISHED, UNKNOWN = 35, 153
NO_CONNECTION = {"qstat": 255}  # others 162
NO_HISTORY = "PBS is not configured to maintain job history"


class Refused(Exception):
    """What a command says on stderr before it exits with a code."""

    def __init__(self, words: str, code: int) -> None:
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
            server = settings["server"]
            words = f"{verb}: cannot connect to server {server} (errno=15010)"
            if verb == "qdel":
                words = f"Couldn't connect to cluster: {server}"
            raise Refused(f"Connection refused\n{words}", NO_CONNECTION.get(verb, 162))
        verbs = {"qsub": qsub, "qstat": qstat, "qdel": qdel, "qselect": qselect}
        return verbs[verb](machine, settings, sys.argv[1:])
    except Refused as refused:
        sys.stderr.write(refused.words + "\n")
        return refused.code
    except getopt.GetoptError as error:
        sys.stderr.write(f"{verb}: {error}\nusage: {verb} [options]\n")
        return 2


# ---- qsub


def qsub(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    pairs, words = getopt.getopt(argv, "A:N:q:l:j:o:e:v:Vk:r:m:M:hW:S:a:p:P:")
    script = Path(words[0]) if words else None
    if script is None or not script.is_file():
        raise Refused("qsub: script file:: No such file or directory", 1)
    text = script.read_text(errors="replace")
    options, resources, variables = _merge(_directives(text), pairs)
    data = _request(options, resources, settings)
    data |= {
        "name": options.get("-N", script.name[:236]),
        "text": text,
        "variables": variables,
        "join": options.get("-j", "n") in ("oe", "eo"),
        "arguments": shlex.join(argv),
        "outputs": {"o": options.get("-o", ""), "e": options.get("-e", "")},
    }
    state = "held" if "-h" in options else "queued"
    number = machine.add(data, "dropped" if data["is_dropped"] else state)
    machine.wake_server()
    lost = machine.take_lost_answer()
    if lost == "hang":
        time.sleep(3600)
    if lost == "error":
        raise Refused("qsub: End of File", 1)
    if lost is None:
        sys.stdout.write(f"{_id(number, settings)}\n")
    return 0


def _directives(text: str) -> list[tuple[str, str]]:
    """`#PBS` lines until the first line that is neither a comment nor blank."""
    words: list[str] = []
    for line in text.splitlines():
        if line.startswith("#PBS"):
            words += shlex.split(line.removeprefix("#PBS"), comments=True)
        elif line.strip() and not line.startswith((":", "#")):
            break
    return getopt.gnu_getopt(words, "A:N:q:l:j:o:e:v:Vk:r:m:M:hW:S:a:p:P:")[0]


def _merge(
    directives: list[tuple[str, str]], pairs: list[tuple[str, str]]
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The command line wins, resource by resource."""
    options: dict[str, str] = {}
    resources: dict[str, str] = {}
    variables: dict[str, str] = {}
    for flag, value in directives + pairs:
        if flag == "-l":
            for part in re.split(r",(?=\w+=)", value):
                key, _, wanted = part.partition("=")
                resources[key] = wanted
        elif flag == "-v":
            for part in value.split(","):
                key, equals, given = part.partition("=")
                variables[key] = given if equals else os.environ.get(key, "")
        elif flag == "-V":
            variables = dict(os.environ) | variables
        else:
            options[flag] = value
    return options, resources, variables


def _request(options: dict[str, str], resources: dict[str, str], settings: dict[str, Any]) -> dict[str, Any]:
    for key in resources:
        if key not in RESOURCES:
            raise Refused(f"qsub: Unknown resource Resource_List.{key}", 187)
    for key in settings["needs_resources"]:
        if key not in resources:
            raise Refused(f"qsub: Job rejected by all possible destinations (resource {key} is missing)", 1)
    if settings["needs_project"] and not options.get("-A"):
        words = "Job rejected: you must specify a project/account with -A <project>."
        raise Refused(f"qsub: \nERROR: {words}\n", 32)
    nodes = 0
    for chunk in resources.get("select", "1").split("+"):
        count = chunk.split(":")[0]
        if not count.isdecimal() or int(count) < 1:
            raise Refused("qsub: Illegal attribute or resource value Resource_List.select", 166)
        nodes += int(count)
    walltime = _seconds(resources.get("walltime", "01:00:00"))
    queue = options.get("-q", "workq")
    if queue not in settings["queues"]:
        raise Refused("qsub: Unknown queue", 170)
    if settings["queues"][queue].get("from_route_only"):
        raise Refused("qsub: Access to queue is denied", 174)
    if not _fits(settings["queues"][queue], nodes, walltime):
        raise Refused("qsub: Job violates queue and/or server resource limits", 188)
    taken_by = _route(queue, nodes, walltime, settings)
    return {
        "family": "pbs",
        "user": getpass.getuser(),
        "queue": taken_by or queue,
        "is_dropped": not taken_by,
        "is_shared": "excl" not in resources.get("place", ""),
        "after": [int(one.partition(".")[0]) for one in _after(options.get("-W", ""))],
        "account": options.get("-A", ""),
        "nodes": nodes,
        "ncpus": _ncpus(resources.get("select", "1")),
        "resources": resources,
        "walltime_seconds": walltime,
        "directory": str(Path.cwd()),
        "home": os.environ.get("HOME", "/"),
        "submitted_at": time.time(),
    }


def _fits(limits: dict[str, Any], nodes: int, walltime: int) -> bool:
    return (
        limits.get("min_nodes", 1) <= nodes <= limits.get("max_nodes", nodes)
        and walltime <= limits.get("max_minutes", walltime) * 60
    )


def _route(queue: str, nodes: int, walltime: int, settings: dict[str, Any]) -> str | None:
    """The queue that takes the request in the end; None when no destination of a routing queue does."""
    destinations = settings["queues"][queue].get("route", [queue])
    fitting = (one for one in destinations if _fits(settings["queues"][one], nodes, walltime))
    return next(fitting, None)


def _after(option: str) -> list[str]:
    kind, _, ids = option.removeprefix("depend=").partition(":")
    return ids.split(":") if option.startswith("depend=") and kind == "afterany" else []


def _seconds(text: str) -> int:
    if not re.fullmatch(r"\d+(:\d+){0,2}", text):
        raise Refused("qsub: Illegal attribute or resource value Resource_List.walltime", 166)
    seconds = 0
    for part in text.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds


def _ncpus(select: str) -> int:
    found = re.search(r"ncpus=(\d+)", select)
    return int(found[1]) if found else 1


def _id(number: int, settings: dict[str, Any]) -> str:
    return f"{number}.{settings['server']}"


# ---- qstat, qselect, qdel


def qstat(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    pairs, words = getopt.gnu_getopt(argv, "fF:xu:wHans1tQ")
    options = dict(pairs)
    history = "-x" in options or "-H" in options
    if history and not settings["history"]:
        for word in words or [""]:
            full = word if "." in word or not word else f"{word}.{settings['server']}"
            sys.stderr.write(f"qstat: {NO_HISTORY} {full}".rstrip() + "\n")
        return 0
    everything = _kept(machine)
    shown, code = _select(everything, words, history, settings, "qstat")
    if "-f" not in options:
        _table(shown, settings)
    elif options.get("-F") == "json":
        document: dict[str, Any] = {
            "timestamp": int(time.time()),
            "pbs_version": "23.06.06",
            "pbs_server": settings["server"],
        }
        if shown:
            printed = shown[:1] if words else shown
            document["Jobs"] = {_id(each["id"], settings): _attributes(each, settings) for each in printed}
        sys.stdout.write(json.dumps(document, indent="\t", separators=(",", ":\t")) + "\n")
    else:
        for each in shown:
            _text(each, settings)
    return code


def _kept(machine: Machine) -> list[dict[str, Any]]:
    """Those that the server remembers, with whether they wait; nothing is left of what no route took."""
    kept = [each for each in machine.allocations(ended=True) if each["state"] != "dropped"]
    live = [each for each in kept if each["state"] != "ended"]
    return [each | {"waits": waits_for(each, live)} for each in kept]


def _select(
    everything: list[dict[str, Any]], words: list[str], history: bool, settings: dict[str, Any], verb: str
) -> tuple[list[dict[str, Any]], int]:
    """Those that may be shown; a line on stderr for every other one, the exit code is that of the last."""
    if not words:
        return [each for each in everything if history or each["state"] != "ended"], 0
    by_number = {str(each["id"]): each for each in everything}
    shown, code = [], 0
    for word in words:
        each = by_number.get(word.partition(".")[0])
        full = word if "." in word else f"{word}.{settings['server']}"
        if each is None or (each["state"] == "ended" and not settings["history"]):
            sys.stderr.write(f"{verb}: Unknown Job Id {full}\n")
            code = UNKNOWN
        elif each["state"] == "ended" and not history:
            sys.stderr.write(
                f"{verb}: {full} Job has finished, use -x or -H to obtain historical job information\n"
            )
            code = FINISHED
        else:
            shown.append(each)
    return shown, code


def _attributes(each: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    resources = {"ncpus": each["ncpus"] * each["nodes"], "nodect": each["nodes"]} | each["resources"]
    resources["walltime"] = _clock(each["walltime_seconds"])
    entry: dict[str, Any] = {
        "Job_Name": each["name"],
        "Job_Owner": f"{each['user']}@{settings['server']}",
        "job_state": _state(each),
        "queue": each["queue"],
        "server": settings["server"],
        "Account_Name": each["account"],
        "ctime": time.ctime(each["submitted_at"]),
        "Hold_Types": {"held": "u"}.get(each["state"], "s" if _state(each) == "H" else "n"),
        "Join_Path": "oe" if each["join"] else "n",
        "mtime": time.ctime(each.get("ended_at") or each.get("started_at") or each["submitted_at"]),
        "qtime": time.ctime(each["submitted_at"]),
        "Resource_List": resources,
    }
    hosts = each.get("hosts") or each.get("had") or []
    if hosts:
        entry["exec_host"] = "+".join(f"{host}/0*{each['ncpus']}" for host in hosts)
        entry["exec_vnode"] = "+".join(f"({host}:ncpus={each['ncpus']})" for host in hosts)
        entry["stime"] = time.ctime(each.get("script_started_at") or each["started_at"])
    entry["substate"] = _substate(each)
    entry["Variable_List"] = {"PBS_O_HOME": each["home"], "PBS_O_WORKDIR": each["directory"]} | each[
        "variables"
    ]
    entry["comment"] = _comment(each, settings, hosts)
    if each["state"] == "ended" and "pid" in each:
        entry["Exit_status"] = _exit_status(each)
        entry["obittime"] = time.ctime(each["ended_at"])
    entry["Submit_arguments"] = each["arguments"]
    return entry


def _state(each: dict[str, Any]) -> str:
    return "H" if each["state"] == "queued" and each["waits"] else STATES[each["state"]]


def _substate(each: dict[str, Any]) -> int:
    if each["state"] != "ended":
        return 22 if _state(each) == "H" and each["waits"] else int(SUBSTATES[each["state"]])
    if each.get("reason") == "deleted" or each.get("deleted"):
        return 91
    return 92 if each.get("exit_code") == 0 else 93


def _comment(each: dict[str, Any], settings: dict[str, Any], hosts: list[str]) -> str:
    if hosts:
        started = time.strftime("%a %b %d at %H:%M", time.localtime(each["started_at"]))
        nodes = "+".join(f"({host}:ncpus={each['ncpus']})" for host in hosts)
        return f"Job run at {started} on {nodes}{_end_in_words(each, settings)}"
    ended = " and terminated" if each.get("deleted") else ""
    if each["nodes"] > len(settings["hosts"]):
        return f"Can Never Run: Not enough total nodes available{ended}"
    if each["ncpus"] > settings["host_cpus"]:
        return f"Can Never Run: Insufficient amount of resource: ncpus{ended}"
    return f"Not Running: Not enough free nodes available{ended}"


def _end_in_words(each: dict[str, Any], settings: dict[str, Any]) -> str:
    """Of a deletion the comment speaks at once, of every other end when it has come."""
    if each.get("deleted"):
        return f" and terminated by {each['user']}@{settings['server']}"
    if each["state"] != "ended":
        return ""
    return " and exceeded resource walltime" if each.get("reason") == "walltime" else " and finished"


def _exit_status(each: dict[str, Any]) -> int:
    if each.get("reason") == "walltime":
        return -29
    code = each.get("exit_code")
    if code is None or code < 0:
        return 256 - (code if code is not None else -15)
    return int(code)


def _text(each: dict[str, Any], settings: dict[str, Any]) -> None:
    """The older form: long values are broken after 80 columns and go on after a tab."""
    lines = [f"Job Id: {_id(each['id'], settings)}"]
    for key, value in _attributes(each, settings).items():
        if key == "Variable_List":
            lines.append(
                "    Variable_List = " + ",\n\t".join(f"{name}={text}" for name, text in value.items())
            )
        elif isinstance(value, dict):
            lines += [f"    {key}.{name} = {each_}" for name, each_ in value.items()]
        else:
            line = f"    {key} = {value}"
            lines.append("\n\t".join(line[start : start + 78] for start in range(0, len(line), 78)))
    sys.stdout.write("\n".join(lines) + "\n\n")


def _table(shown: list[dict[str, Any]], settings: dict[str, Any]) -> None:
    if not shown:
        return
    sys.stdout.write("Job id            Name             User              Time Use S Queue\n")
    sys.stdout.write("----------------  ---------------- ----------------  -------- - -----\n")
    for each in shown:
        number = _id(each["id"], settings)
        used = "00:00:00" if "pid" in each else "0"
        state = _state(each)
        sys.stdout.write(
            f"{number:<17} {each['name'][:15]:<16} {each['user']:<16} {used:>9} {state} {each['queue']:<16}\n"
        )


def qselect(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    options = dict(getopt.getopt(argv, "u:N:q:x")[0])
    if "-x" in options and not settings["history"]:
        raise Refused(f"qselect: {NO_HISTORY}", 0)
    for each in _kept(machine):
        matches = (
            ("-x" in options or each["state"] != "ended")
            and options.get("-u", each["user"]) == each["user"]
            and options.get("-N", each["name"]) == each["name"]
            and options.get("-q", each["queue"]) == each["queue"]
        )
        if matches:
            sys.stdout.write(f"{_id(each['id'], settings)}\n")
    return 0


def qdel(machine: Machine, settings: dict[str, Any], argv: list[str]) -> int:
    words = getopt.gnu_getopt(argv, "W:x")[1]
    by_number = {str(each["id"]): each for each in _kept(machine)}
    objections: list[tuple[str, int]] = []
    for word in words:
        each = by_number.get(word.partition(".")[0])
        full = word if "." in word else f"{word}.{settings['server']}"
        if each is None or (each["state"] == "ended" and not settings["history"]):
            objections.append((f"qdel: Unknown Job Id {full}\n", UNKNOWN))
        elif each["state"] == "ended":
            objections.append((f"qdel: Job has finished {full}\n", FINISHED))
        elif each["user"] != getpass.getuser():
            objections.append((f"qdel: Unauthorized Request  {full}\n", 159))
        else:
            machine.change(each["id"], deleted=True)
            machine.wake_server()
    if not objections:
        return 0
    said, code = objections[0]
    sys.stderr.write(said)
    return code


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


# ---- called by the server


def prepare(each: dict[str, Any], settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """How to start the copied script: in $HOME, by the login shell, outputs spooled until the end."""
    spool = folder / "spool"
    spool.mkdir(exist_ok=True)
    full = _id(each["id"], settings)
    script = spool / f"{full}.SC"
    script.write_text(each["text"])
    node_file = spool / f"{full}.nodes"
    node_file.write_text("".join(f"{host}\n" for host in each["hosts"]))
    temporary = spool / f"pbs.{full}"
    temporary.mkdir(exist_ok=True)
    environ = {
        "HOME": each["home"],
        "USER": each["user"],
        "LOGNAME": each["user"],
        "SHELL": "/bin/bash",
        "PATH": f"{Path(__file__).resolve().parent / 'pbs'}:{settings['script_path']}",
        FOLDER_VARIABLE: str(folder),
        "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_JOBID": full,
        "AMBS_NODE_LOCKS": str(folder),  # the nodes of this pretend machine are no others' of the same name
        "PBS_JOBNAME": each["name"],
        "PBS_QUEUE": each["queue"],
        "PBS_NODEFILE": str(node_file),
        "PBS_NODENUM": "0",
        "PBS_O_WORKDIR": each["directory"],
        "PBS_O_HOME": each["home"],
        "NCPUS": str(each["ncpus"]),
        "OMP_NUM_THREADS": str(each["ncpus"]),
        "TMPDIR": str(temporary),
        **each["variables"],
    }
    output = str(spool / f"{full}.OU")
    error = output if each["join"] else str(spool / f"{full}.ER")
    argv = ["/bin/bash", str(script)]
    return {"argv": argv, "directory": each["home"], "environ": environ, "output": output, "error": error}


def finish(each: dict[str, Any], exit_code: int | None) -> None:
    """Only now do the outputs appear in the folder of the submission."""
    if "output" not in each:
        return
    if each.get("reason") == "walltime":
        limit = each["walltime_seconds"]
        with contextlib.suppress(OSError), Path(each["error"]).open("a") as error:
            error.write(f"=>> PBS: job killed: walltime {limit + 1} exceeded limit {limit}\n")
    for letter, spooled in (("o", each["output"]), ("e", each["error"])):
        if letter == "e" and each["join"]:
            continue
        wanted = each["outputs"][letter].partition(":")[2] or each["outputs"][letter]
        target = Path(each["directory"]) / (wanted or f"{each['name']}.{letter}{each['id']}")
        if target.is_dir():
            target = target / f"{each['name']}.{letter}{each['id']}"
        shutil.copyfile(spooled, target)
