"""What nodes leave in a pool's folder reaches the launcher checked, whatever lies there, and what follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ambs_hpc.launcher.executors.node_log import NodeLog
from ambs_hpc.launcher.executors.node_pauses import NodePauses
from ambs_hpc.launcher.executors.node_probes import NodeProbes
from ambs_hpc.launcher.executors.parsl import pool_nodes, pool_reports, worker
from ambs_hpc.launcher.executors.parsl.pool_files import (
    NodeFound,
    NodeLost,
    NodeNews,
    NodeOccupied,
    ObjectiveImported,
    PoolFiles,
    news_of,
)
from ambs_hpc.launcher.executors.parsl.pool_nodes import PoolNodes
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.launcher.supervisor.messages import NodeProbed, Reported

PROBE = {"node": "a", "at": 5.0, "is_binding": True, "trouble": "", "facts": {"gpus": 4}}


class Left:
    """A pool's folder, and what a launcher hears of it."""

    def __init__(self, folder: Path) -> None:
        (folder / worker.NODES).mkdir()
        self.folder, self.news, self.reported = folder, list[NodeNews](), list[Reported]()
        self.files = PoolFiles(folder, ["a", "b"], self.news.append, self.reported.append)

    def add(self, *lines: object) -> None:
        with (self.folder / worker.PLACES).open("a") as file:
            file.writelines((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)

    def places(self) -> list[tuple[int, int, str]]:
        self.files.look()
        return self.files.places()


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def test_places_of_a_known_form_alone_are_taken(left: Left) -> None:
    """Lines are lost and torn on some file systems; none of them may break an exchange with the database."""
    odd = [[[1], 1, "a"], [1, 1, 7], [1, 1, "elsewhere"], [True, 1, "a"], [1, 2**40, "a"], [1, -1, "a"], {}]
    left.add([1, 1, "a"], *odd, "[1, 1", "[" * 5000, "\u2028", [2, 1, "b"])
    assert left.places() == [(1, 1, "a"), (2, 1, "b")]
    assert left.places() == []
    left.add("[3, 1, " + "9" * 5000 + "]", [3, 1, "a"])
    assert left.places() == [(3, 1, "a")]


def test_a_file_without_ends_of_lines_is_passed_over(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of being read again for ever; a line that is not whole yet is waited for."""
    monkeypatch.setattr(worker, "MOST_BYTES", 64)
    left.add("\0" * 200, [1, 1, "a"])
    assert [one for _ in range(6) for one in left.places()] == [(1, 1, "a")]
    with (left.folder / worker.PLACES).open("a") as file:
        file.write("\n[2, 1,")
    assert left.places() == []
    left.add(' "b"]')
    assert left.places() == [(2, 1, "b")]


def test_a_file_system_in_trouble_tells_nothing_and_ends_nothing(tmp_path: Path) -> None:
    """No folder, a folder in place of a file, a file in place of a folder; orders wait for it."""
    files = PoolFiles(tmp_path / "gone", ["a"], lambda _: None, lambda _: None)
    files.look()
    (tmp_path / worker.PLACES).mkdir()
    (tmp_path / worker.NODES).touch()
    (tmp_path / worker.CANCELLED).mkdir()
    files = PoolFiles(tmp_path, ["a"], lambda _: None, lambda _: None)
    files.cancel([(1, 1)], 2.0)
    files.look()
    files.look()
    assert files.places() == []
    (tmp_path / worker.CANCELLED).rmdir()
    files.look()
    files.look()
    (told,) = worker.SharedLines(tmp_path / worker.CANCELLED).further()
    assert told == [1, 1, 2.0]


def test_what_nodes_tell_is_taken_once_for_each_change(left: Left) -> None:
    """In whatever order; nodes of which the pool knows nothing are none."""
    worker.tell_of_node(left.folder, "a", "taken", {"taken": "launcher 7"})
    worker.tell_of_node(left.folder, "b", "import", {"function": "m:f", "import_seconds": 2})
    worker.tell_of_node(left.folder, "c", "taken", {"taken": "launcher 7"})
    (left.folder / worker.NODES / "odd.json").write_bytes(b"\xff\xfe[")
    (left.folder / worker.NODES / "folder.json").mkdir()
    left.files.look()
    left.files.look()
    expected = [NodeOccupied("a", "launcher 7"), ObjectiveImported("b", "m:f", 2.0)]
    assert sorted(left.news, key=lambda one: one.node) == expected


@pytest.mark.parametrize(
    "told",
    [
        [],
        {},
        {"taken": "x"},
        {**PROBE, "node": ["a"]},
        {**PROBE, "at": "now"},
        {**PROBE, "at": float("nan")},
        {**PROBE, "at": 10**400},
        {**PROBE, "is_binding": 1},
        {**PROBE, "facts": []},
        {"node": "a", "function": "m:f", "import_seconds": None},
        {"node": "a", "function": 1, "import_seconds": 1.0},
    ],
    ids=str,
)
def test_news_of_another_form_are_none(told: object) -> None:
    """A node of another version, or a file that is not whole, ends no launcher."""
    assert news_of(json.dumps(told).encode()) is None


def test_a_probe_is_read_with_the_facts_that_can_be_stored() -> None:
    """Nothing that is nested without end."""
    facts = {"gpus": 4, "scratch": "/tmp", "free": float("inf"), "more": [[[]]], "runs_error": None}
    found = news_of(json.dumps({**PROBE, "facts": facts, "further": 1}).encode())
    assert found == NodeProbed("a", True, 5.0, "", {"gpus": 4, "scratch": "/tmp", "runs_error": None})
    assert news_of(b"[" * 60_000) is None


def pool_of(names: str) -> PoolNodes:
    nodes = [Node(name, (0,)) for name in names]
    packing, log = Packing(nodes), NodeLog(list(names))
    return PoolNodes(packing, NodeProbes(packing, nodes, NodePauses(packing), log), log)


def unfit(node: str) -> NodeProbed:
    return NodeProbed(node, True, 0.0, "scratch is full", {})


def test_nodes_with_trouble_are_used_when_others_have_the_rest() -> None:
    """Not before these have had time to leave; who they are is told."""
    pool = pool_of("ab")
    assert pool.begin(), "trouble keeps a node out while another may be better"
    pool.hear(unfit("a"))
    assert not pool.needs_unfit(1e9), "b may come up"
    pool.hear(NodeOccupied("b", "launcher 7 on c"))
    assert pool.troubles == ["node a: scratch is full", "node b: in use by launcher 7 on c"]
    assert pool.taken_words == "node b is in use by launcher 7 on c"
    assert pool.usable == 0
    assert not pool.needs_unfit(pool_nodes.TAKEN_SECONDS)
    assert pool.needs_unfit(pool_nodes.TAKEN_SECONDS + 1)
    assert not pool.begin(), "the next pool takes what there is"
    assert pool.usable == 2
    assert pool.begin(), "and the one after it looks again"


def test_a_lost_node_is_told_until_it_is_back() -> None:
    """`ambs status` shows what the allocation no longer has."""
    pool = pool_of("ab")
    pool.begin()
    pool.hear(NodeLost("b"))
    assert pool.troubles == [f"node b: {pool_nodes.LOST}"]
    pool.hear(NodeFound("b"))
    assert pool.troubles == []


def test_nodes_that_all_have_trouble_are_used_at_once() -> None:
    """Nobody needs to leave before; nodes that others alone have are waited for."""
    pool = pool_of("ab")
    pool.begin()
    pool.hear(NodeOccupied("b", "launcher 7"))
    pool.hear(NodeOccupied("a", "launcher 7"))
    assert not pool.needs_unfit(1e9)
    for node in "ab":
        pool.hear(NodeOccupied(node, ""))
        pool.hear(unfit(node))
    assert pool.needs_unfit(0.0)


def test_reports_come_once_from_whole_lines(left: Left) -> None:
    """Workers of a node add to one file while it is read; what is torn or of another form breaks nothing."""
    first, second = (Reported(number, 1, "token", [[1, 0.5, {}, 1.7e9, 0]]) for number in (1, 2))
    left.files.look()
    pool_reports.tell_reported(left.folder, "a", first)
    (file,) = (left.folder / pool_reports.FOLDER).iterdir()
    with file.open("a") as lines:
        lines.write('\n{}\n[[[\n{"kind": "alive", "pid": 1}\n{"kind": "reported", "id": 1}\n{"kind": "repor')
    left.files.look()
    assert left.reported == [first]
    with file.open("a") as lines:
        lines.write("\n")
    pool_reports.tell_reported(left.folder, "b", second)
    left.files.look()
    left.files.look()
    assert left.reported == [first, second]


def test_a_nodes_file_of_reports_is_bounded(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launcher runs for days beside it; the files of the attempts have all of it."""
    monkeypatch.setattr(pool_reports, "MOST_BYTES", 500)
    for step in range(100):
        pool_reports.tell_reported(left.folder, "a", Reported(1, 1, "token", [[step, 0.5, {}, 1.7e9, 0]]))
    (file,) = (left.folder / pool_reports.FOLDER).iterdir()
    assert 500 <= file.stat().st_size < 700
