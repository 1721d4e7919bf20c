"""Reports of running evaluations reach the launcher while they run, all of them before their end."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.supervisor.outcome import RESULT
from ambs_hpc.launcher.supervisor.progress.report_lines import REPORTS
from ambs_hpc.queue import NewReport
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.states import FailureKind
from tests.databases import wait_until
from tests.launcher.prepared import prepared

EXAMPLES = int(os.environ.get("AMBS_FUZZ_EXAMPLES", "15"))
MODULE = """
import os, time
from ambs_hpc import report
def waits_for_a_word(configuration):
    report(1, 0.5, loss=0.25)
    while not os.path.exists("../go"): time.sleep(0.02)
    report(2, 0.75)
    return 1.0
def is_killed(configuration):
    report(1, 0.5)
    os.kill(os.getpid(), 9)
"""


class OneNode:
    """An executor, and what evaluations have reported to it."""

    def __init__(self, folder: Path) -> None:
        node = Node("here", (0, 1), ())
        pool, self.log = NodePool((node,), "CUDA_VISIBLE_DEVICES"), ReportLog()
        self.executor = ProcessExecutor(Packing([node]), pool, 0.2, report_log=self.log)
        self.folder, self._number = folder, 0
        (folder / "told.py").write_text(MODULE)

    def start(self, work: str | list[str], limit: float = 30.0) -> Claim:
        """A function of MODULE, or a command."""
        self._number += 1
        number, attempt = self._number, self.folder / f"attempt-{self._number}"
        claim = Claim(number, 1, "c", number, 1, f"token.{number}", {}, Resources(), limit)
        function = f"told:{work}" if isinstance(work, str) else None
        arguments = None if isinstance(work, str) else work
        environment = {"AMBS_REPORTS": f"{attempt}/{REPORTS}", "AMBS_RESULT": f"{attempt}/{RESULT}"}
        one = prepared(claim, arguments, function, str(self.folder), str(attempt), environment)
        assert self.executor.start(*one)
        return claim

    def end(self, number: int = 1) -> dict[int, Outcome]:
        ended: list[Ended] = []
        wait_until(lambda: ended.extend(self.executor.poll(0.05)) or len(ended) == number, 30)
        return {one.id: one for one in ended if isinstance(one, Outcome)}

    def reports(self) -> list[NewReport]:
        found = list(self.log.due())
        self.log.forget(found)
        return found


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    made = OneNode(tmp_path_factory.mktemp("progress"))
    yield made
    made.executor.close()


def told(reports: list[NewReport]) -> list[tuple[int, int, float]]:
    return [(one.evaluation_id, one.step, one.objective) for one in reports]


def test_a_function_is_heard_while_it_runs(node: OneNode) -> None:
    """Who decides to stop it early must know before it has ended; its last words come before its end."""
    claim, seen = node.start("waits_for_a_word"), list[NewReport]()
    wait_until(lambda: node.executor.poll(0.05) or seen.extend(node.reports()) or seen, 10)
    assert told(seen) == [(claim.id, 1, 0.5)]
    assert (seen[0].attempt, seen[0].token, seen[0].metrics) == (1, claim.token, {"loss": 0.25})
    assert abs(seen[0].at - time.time()) < 60.0
    (node.folder / "go").touch()
    assert node.end()[claim.id].objective == 1.0
    assert told(node.reports()) == [(claim.id, 2, 0.75)]


def test_a_command_reports_by_lines_or_by_its_file(node: OneNode) -> None:
    """Any language can do either; a step that is told both ways is told once by the database."""
    script = """
        echo 'AMBS-REPORT: {"step": 1, "objective": 0.5}'
        echo '{"step": 2, "objective": 0.75, "loss": 0.1}' >> $AMBS_REPORTS
        echo 'AMBS-RESULT: 1'
    """
    claim = node.start(["sh", "-c", script])
    assert node.end()[claim.id].objective == 1.0
    assert sorted(told(node.reports())) == [(claim.id, 1, 0.5), (claim.id, 2, 0.75)]


def test_what_a_killed_evaluation_told_is_kept(node: OneNode) -> None:
    """A curve that ends is worth as much as one that goes on."""
    claim = node.start("is_killed")
    assert node.end()[claim.id].failure is FailureKind.ERROR
    assert told(node.reports()) == [(claim.id, 1, 0.5)]


def test_reports_are_heard_when_their_supervisor_is_killed(node: OneNode) -> None:
    """Nobody tells of its evaluations any more: their files are read."""
    claim = node.start(
        ["sh", "-c", 'echo \'AMBS-REPORT: {"step": 7, "objective": 2}\'; touch ../said; sleep 60']
    )
    wait_until(lambda: node.executor.poll(0.02) or (node.folder / "said").exists(), 10)
    (supervisor,) = [one for one in node.executor._supervisors.values() if claim.id in one.running]
    os.kill(supervisor.pid, 9)
    node.end()
    assert {one[1:] for one in told(node.reports())} == {(7, 2.0)}


HOSTILE = """
import base64, json, os, signal, socket, sys, time
told = json.load(open(sys.argv[1]))
for name, kind, content in told["leavings"]:
    name = os.environ["AMBS_REPORTS"] if name == "reports" else name
    try:
        if os.path.lexists(name): os.unlink(name)
        if kind == "bytes": open(name, "wb").write(base64.b64decode(content) * told["times"])
        elif kind == "sparse": open(name, "wb").truncate(content)
        elif kind == "link": os.symlink(content, name)
        elif kind == "pipe": os.mkfifo(name)
        elif kind == "folder": os.mkdir(name)
        elif kind == "socket": socket.socket(socket.AF_UNIX).bind(name)
        elif kind == "locked": os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0))
        elif kind == "old":
            open(name, "w").write('{"step": 1, "objective": 1}\\n')
            os.utime(name, (content, content))
    except OSError: pass
open(os.environ["AMBS_RESULT"], "w").write("0.125")
if told["end"] == "hang": signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)
if told["end"] == "removed folder": os.system('rm -rf "$PWD"')
"""
LINES = [
    *(
        '{"step": 1, "objective": 1}',
        '{"step": -1, "objective": 1}',
        '{"step": 1, "objective": NaN}',
        "[" * 9999,
    ),
    *(
        '{"step": 1, "objective": 1e999}',
        '{"step": ' + "9" * 4000 + ', "objective": 1}',
        "\0",
        "AMBS-REPORT:",
    ),
    *('AMBS-REPORT: {"step": 2, "objective": 1}', "x" * 70_000, '{"step": 1, "objective": {"objective": 1}}'),
    *(
        '{"step": 1e300, "objective": 1}',
        '{"step": true, "objective": true}',
        '{"step": 3, "objective": 1, "m": "\\u0000"}',
    ),
]
texts = st.lists(st.sampled_from(LINES), max_size=5).map(lambda lines: "\n".join(lines).encode())
contents = st.one_of(
    st.tuples(
        st.just("bytes"), st.one_of(texts, st.binary(max_size=99)).map(lambda b: base64.b64encode(b).decode())
    ),
    st.tuples(st.just("sparse"), st.integers(0, 10 << 30)),
    st.tuples(st.just("link"), st.sampled_from(["/dev/zero", "/dev/full", "/etc/passwd", "..", "nowhere"])),
    st.tuples(st.sampled_from(["pipe", "folder", "socket", "locked"]), st.none()),
    st.tuples(st.just("old"), st.sampled_from([0, 4e9, -1e9])),
)
leavings = st.lists(
    st.tuples(st.sampled_from(["reports", "reports", "stdout"]), contents).map(lambda one: (one[0], *one[1])),
    min_size=1,
    max_size=3,
)
instructions = st.fixed_dictionaries(
    {
        "leavings": leavings,
        "times": st.sampled_from([1, 1, 3000]),
        "end": st.sampled_from(["value", "value", "hang", "removed folder"]),
    }
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="AMBS_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(said=instructions)
def test_hostile_reports_cost_themselves(node: OneNode, said: dict[str, Any]) -> None:
    """Neighbours report and end, limits are kept, and what comes through is what a database takes."""
    script, file = node.folder / "hostile.py", node.folder / "instructions.json"
    script.write_text(HOSTILE)
    file.write_text(json.dumps(said))
    hostile = node.start([sys.executable, str(script), str(file)], 0.6 if said["end"] == "hang" else 60.0)
    line = '{"step": 1, "objective": 2}'
    neighbour = node.start(["sh", "-c", f"echo '{line}' > $AMBS_REPORTS; sleep 0.05; echo AMBS-RESULT: 2"])
    known = {one.pid for one in node.executor._supervisors.values()}
    ended = node.end(2)
    assert ended[neighbour.id].objective == 2.0
    if said["end"] == "value":
        assert ended[hostile.id].objective == 0.125
    if said["end"] == "hang":
        assert ended[hostile.id].failure is FailureKind.TIMEOUT
        assert ended[hostile.id].finished_at - ended[hostile.id].started_at < 5.0
    assert {one.pid for one in node.executor._supervisors.values()} == known
    reports = node.reports()
    assert (neighbour.id, 1, 2.0) in told(reports)
    assert {one[1:] for one in told(reports) if one[0] == hostile.id} <= {(1, 1.0), (2, 1.0), (3, 1.0)}
    assert all(0.0 <= one.at <= time.time() + 60.0 for one in reports)
