"""Whatever an evaluation leaves in its folder: neighbours end, limits are kept, the verdict is right.

By hand: AMBS_FUZZ_EXAMPLES=10000 python -m pytest tests/launcher/executors/test_fuzzed_leavings.py
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.supervisor.outcome import OUTCOME, RESULT
from ambs_hpc.launcher.supervisor.spawn import REQUEST
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.states import FailureKind
from tests.databases import wait_until
from tests.launcher.prepared import prepared

EXAMPLES = int(os.environ.get("AMBS_FUZZ_EXAMPLES", "60"))
LIMIT_SECONDS = 0.5
VALUE = 0.125  # what the evaluation itself gives
NEIGHBOUR = 2.0

# Leaves things behind, then ends as it is told; as a command it is run by an interpreter.
PROGRAM = """
import base64, json, os, signal, socket, stat, sys, time

def leave(name, kind, content):
    path = "../" + os.path.basename(os.getcwd()) + "-checkpoint" if name == "checkpoint" else name
    if os.path.lexists(path):
        os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    if kind == "bytes": open(path, "wb").write(base64.b64decode(content))
    elif kind == "sparse": open(path, "wb").truncate(content)
    elif kind == "link": os.symlink(content, path)
    elif kind == "pipe": os.mkfifo(path)
    elif kind == "folder": os.mkdir(path)
    elif kind == "socket": socket.socket(socket.AF_UNIX).bind(path)
    elif kind == "device": os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(*content))
    elif kind == "locked": os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0))

def act(told):
    for name, kind, content in told["leavings"]:
        try: leave(name, kind, content)
        except OSError: pass
    end = told["end"]
    if end == "raise": raise ValueError("as told")
    if end == "removed folder": os.system('rm -rf "$PWD"')
    if end == "status": os._exit(3)
    if end == "signal": os.kill(os.getpid(), told["signal"])
    if end == "hang": signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)

def train(configuration):
    act(json.loads(configuration["told"]))
    return 0.125

if __name__ == "__main__":
    told = json.load(open(sys.argv[1]))
    print("AMBS-RESULT: 0.125" if told["prints"] else "no result", flush=True)
    act(told)
"""
NAMES = [OUTCOME, RESULT, REQUEST, "stdout", "stderr", "checkpoint", "result.json"]
STRANGE_OUTCOME = '{"id": 1, "attempt": 1, "token": "%s", "objective": 7, "started_at": 1, "finished_at": 2}'
TEXTS = [
    *("7", '{"objective": 7}', '{"objective": "7"}', "{}", "[]", "null", "NaN", "1e999", "-0.0", "9" * 9999),
    *("[" * 99_999, '{"objective": 7, "m": ' + "[" * 600 + "]" * 600 + "}", "[" + "[]," * 600_000 + "[]]"),
    *('{"objective": {"objective": 7}}', '{"objective": 7}\n' * 3, "9" * 400, "\0\0\0"),
    *(STRANGE_OUTCOME % "token.1", STRANGE_OUTCOME % "of-another", "AMBS-RESULT: 7\n", "AMBS-RESULT: \udc80"),
]


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


contents = st.one_of(
    st.tuples(st.just("bytes"), st.binary(max_size=200).map(encoded)),
    st.tuples(
        st.just("bytes"),
        st.sampled_from(TEXTS).map(lambda text: encoded(text.encode(errors="surrogateescape"))),
    ),
    st.tuples(st.just("sparse"), st.integers(0, 10 << 30)),
    st.tuples(
        st.just("link"),
        st.sampled_from(
            [
                "/dev/zero",
                "/dev/urandom",
                "/dev/full",
                "/etc/passwd",
                "stdout",
                "..",
                "nowhere",
                "/proc/1/environ",
            ]
        ),
    ),
    st.tuples(st.sampled_from(["pipe", "folder", "socket", "locked"]), st.none()),
    st.tuples(st.just("device"), st.sampled_from([(1, 3), (1, 5), (1, 7), (5, 0), (99, 99)])),
)
leavings = st.lists(
    st.tuples(st.sampled_from(NAMES), contents).map(lambda one: (one[0], *one[1])), max_size=4
)
ends = st.sampled_from(["value", "value", "value", "raise", "status", "signal", "removed folder", "hang"])
instructions = st.fixed_dictionaries(
    {
        "leavings": leavings,
        "end": ends,
        "signal": st.sampled_from([6, 9, 11, 15, 34, 40, 64]),
        "prints": st.booleans(),
        "is_command": st.booleans(),
    }
)


class OneNode:
    """An executor for all examples: what one of them breaks is broken for the rest."""

    def __init__(self, folder: Path) -> None:
        node = Node("here", (0, 1), ())
        self.executor = ProcessExecutor(Packing([node]), NodePool((node,), "CUDA_VISIBLE_DEVICES"), 0.2)
        self.folder, self._number = folder, 0
        (folder / "fuzzed.py").write_text(PROGRAM)

    def start(self, arguments: list[str] | None, told: dict[str, Any], limit: float) -> Claim:
        self._number += 1
        number, attempt = self._number, self.folder / f"attempt-{self._number}"
        configuration = {"told": json.dumps(told)}
        claim = Claim(number, 1, "c", number, 1, f"token.{number}", configuration, Resources(), limit)
        environment = {"AMBS_RESULT": f"{attempt}/{RESULT}"}
        function = None if arguments else "fuzzed:train"
        one = prepared(claim, arguments, function, str(self.folder), str(attempt), environment)
        assert self.executor.start(*one)
        return claim

    def ends(self, number: int) -> dict[int, Outcome]:
        ended: list[Ended] = []
        wait_until(lambda: ended.extend(self.executor.poll(0.05)) or len(ended) == number, 20)
        assert all(isinstance(one, Outcome) for one in ended), ended
        return {one.id: one for one in ended if isinstance(one, Outcome)}

    def supervisors(self) -> set[int]:
        return {one.pid for one in self.executor._supervisors.values()}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    made = OneNode(tmp_path_factory.mktemp("fuzzed"))
    yield made
    made.executor.close()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="AMBS_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(told=instructions)
def test_leavings_cost_their_evaluation_at_most(node: OneNode, told: dict[str, Any]) -> None:
    """Folders, pipes, links, devices, ten gigabytes of nothing, deep and huge JSON, under names of ours."""
    script, file = node.folder / "fuzzed.py", node.folder / "told.json"
    file.write_text(json.dumps(told))
    program = [sys.executable, str(script), str(file)] if told["is_command"] else None
    hostile = node.start(program, told, LIMIT_SECONDS if told["end"] == "hang" else 60.0)
    neighbour = node.start(["sh", "-c", "sleep 0.05; echo AMBS-RESULT: 2"], {}, 30.0)
    known = node.supervisors()
    ended = node.ends(2)
    assert ended[neighbour.id].objective == NEIGHBOUR
    assert node.supervisors() == known
    judge(told, ended[hostile.id])


def judge(told: dict[str, Any], outcome: Outcome) -> None:
    """The verdict is what its own end says; a number is its own, or what its result file said."""
    names = {name for name, _, _ in told["leavings"]}
    if outcome.failure is None:
        assert told["end"] not in ("raise", "status", "hang")
        is_any = told["is_command"] and "stdout" in names  # a number alone on its last line is one
        assert is_any or outcome.objective in ({VALUE, 7.0, 0.0} if told["is_command"] else {VALUE})
    if told["end"] == "hang":
        assert outcome.failure is FailureKind.TIMEOUT
        assert outcome.finished_at - outcome.started_at < LIMIT_SECONDS + 5.0
    if told["end"] in ("raise", "status", "signal"):
        assert outcome.failure is FailureKind.ERROR
    if told["end"] == "value" and not told["is_command"] and OUTCOME not in names:
        assert outcome.objective == VALUE
    if told["end"] == "value" and told["is_command"] and told["prints"] and not names & {RESULT, "stdout"}:
        assert outcome.objective == VALUE
