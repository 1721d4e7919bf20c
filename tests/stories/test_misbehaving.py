"""Objectives that do what objectives do on bad days: each costs one evaluation and says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stories.commands import Shell
from tests.stories.kill_story import orphans_in

CASES = ["raise", "nan", "garbage", "exit", "sleep", "memory", "parent", "daemon"]
KINDS = {
    "raise": "ERROR",
    "nan": "BAD_RESULT",
    "garbage": "BAD_RESULT",
    "exit": "ERROR",
    "sleep": "TIMEOUT",
    "memory": "OUT_OF_MEMORY",
    "parent": "TIMEOUT",  # only the process that forks it dies, and is replaced; it sleeps on
    "daemon": None,  # its result counts; the daemon does not survive it
}
PROBLEM = f"""
from ambs_hpc import Problem, Resources
CASES = {CASES}
problem = Problem(
    name="bad", space={{"case": CASES}}, objective="model:misbehave", time_limit_seconds=10,
    resources=Resources(memory_gib=0.5), starting_points=[{{"case": case}} for case in CASES],
)
"""
MODEL = """
import os, pathlib, signal, sys, time

def misbehave(configuration):
    case = configuration["case"]
    if pathlib.Path(__file__).with_name("fixed").exists():
        return 1.0
    print("stdout of", case, flush=True)
    print("stderr of", case, file=sys.stderr, flush=True)
    return globals()[f"do_{case}"]()

def do_raise():
    raise RuntimeError("no such luck")

def do_nan():
    return float("nan")

def do_garbage():
    return "garbage"

def do_exit():
    sys.exit(3)

def do_sleep():
    time.sleep(600)

def do_memory():
    held = []
    while True:
        held.append(bytearray(b"x" * 50_000_000))
        time.sleep(0.05)

def do_parent():
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)

def do_daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    return 2.0
"""


@pytest.mark.timeout(180)
def test_each_bad_day_costs_one_evaluation(tmp_path: Path, any_url: str) -> None:
    """The kind is right, stderr is found, nothing survives, and a rerun after the fix finishes."""
    shell = Shell(tmp_path, any_url)
    shell.write("problem.py", PROBLEM)
    shell.write("model.py", MODEL)
    shell.ambs("run", "problem.py", "--max-evaluations", str(len(CASES)), "--slots", "2")
    rows = shell.rows(
        "select id, configuration, state, failure_kind, error from v_evaluations order by ordinal"
    )
    seen = {}
    for row in rows:
        configuration = row["configuration"]
        case = (json.loads(configuration) if isinstance(configuration, str) else configuration)["case"]  # type: ignore[index]
        seen[case] = row["failure_kind"]
        assert f"stderr of {case}" in shell.ambs("logs", str(row["id"]), "--stderr")
        assert f"stdout of {case}" in shell.ambs("logs", str(row["id"]))
    assert seen == KINDS
    assert orphans_in(tmp_path) == []
    shell.write("fixed", "")
    shell.ambs("rerun", "--failed")
    shell.ambs("run", "problem.py", "--max-evaluations", str(len(CASES)), "--slots", "2")
    states = shell.rows("select state, count(*) as n from v_evaluations group by state")
    assert states == [{"state": "DONE", "n": len(CASES)}]
