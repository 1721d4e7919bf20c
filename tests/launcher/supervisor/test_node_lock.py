"""One node, several launchers of one user: who may use its cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.launcher.supervisor.probes import node_lock
from ambs_hpc.launcher.supervisor.probes.node_lock import (
    VARIABLE,
    NodeClaim,
    NodeInUse,
    NodeLock,
    claim_of,
    is_guess,
    lock_node,
)

HOLD = """
import sys
from ambs_hpc.launcher.supervisor.probes.node_lock import claim_of, lock_node
lock = lock_node(claim_of({"AMBS_NODE_LOCK": sys.argv[1]}), [sys.argv[2]])
print(type(lock).__name__, flush=True)
sys.stdin.read()
"""
ALL = tuple(sorted(os.sched_getaffinity(0)))


@pytest.fixture(autouse=True)
def cores_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test machine's cores share does not matter."""
    monkeypatch.setattr(node_lock, "physical_core", lambda processor: processor)


def claim(launcher: str, node: str = "n1", cores: tuple[int, ...] = ALL) -> NodeClaim:
    return NodeClaim(node, cores, launcher, f"launcher {launcher}")


def locked(place: Path, *which: NodeClaim) -> list[NodeLock | NodeInUse]:
    return [lock_node(one, [str(place)]) for one in which]


def files(place: Path) -> list[str]:
    return sorted(path.name for path in place.glob("*/*.lock"))


def test_the_second_launcher_hears_who_has_the_node(tmp_path: Path) -> None:
    """And has it once the first is gone."""
    first, second = locked(tmp_path, claim("a"), claim("b"))
    assert isinstance(first, NodeLock)
    assert second == NodeInUse("launcher a")
    first.release()
    assert files(tmp_path) == []
    (again,) = locked(tmp_path, claim("b"))
    assert isinstance(again, NodeLock)
    again.release()


def test_supervisors_of_one_launcher_share_the_node(tmp_path: Path) -> None:
    """Until the last of them ends; one more may come at any time."""
    first, second = locked(tmp_path, claim("a"), claim("a"))
    assert isinstance(first, NodeLock)
    assert isinstance(second, NodeLock)
    first.release()
    assert locked(tmp_path, claim("b")) == [NodeInUse("launcher a")]
    (third,) = locked(tmp_path, claim("a"))
    second.release()
    assert locked(tmp_path, claim("b")) == [NodeInUse("launcher a")]
    assert isinstance(third, NodeLock)
    third.release()
    assert files(tmp_path) == []


@pytest.mark.parametrize("other", [claim("b", node="n2"), claim("b", cores=ALL[1:])])
def test_other_nodes_and_other_cores_are_free(tmp_path: Path, other: NodeClaim) -> None:
    """A scheduler may share a node between two allocations, each with cores of its own."""
    if len(ALL) < 2:
        other = claim("b", node="n2")
    first, second = locked(tmp_path, claim("a", cores=ALL[:1]), other)
    for lock in (first, second):
        assert isinstance(lock, NodeLock)
        lock.release()


def test_a_launcher_without_known_cores_has_them_all(tmp_path: Path) -> None:
    """Numbers of a wrong site file are no cores of this node: its evaluations are not bound."""
    first, second = locked(tmp_path, claim("a", cores=(100_000,)), claim("b", cores=ALL[-1:]))
    assert isinstance(first, NodeLock)
    assert second == NodeInUse("launcher a")
    first.release()


def test_a_killed_supervisor_holds_nothing(tmp_path: Path) -> None:
    """The kernel drops its lock; the file that it left is removed by the next."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, claim("a").text(), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "NodeLock\n"
    assert locked(tmp_path, claim("b")) == [NodeInUse("launcher a")]
    holder.kill()
    holder.communicate()
    (lock,) = locked(tmp_path, claim("b"))
    assert isinstance(lock, NodeLock)
    assert len(files(tmp_path)) == 1
    lock.release()


def test_what_is_started_does_not_inherit_the_lock(tmp_path: Path) -> None:
    """An evaluation that outlives its supervisor keeps no node."""
    (lock,) = locked(tmp_path, claim("a"))
    assert isinstance(lock, NodeLock)
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    os.close(lock._descriptor)  # as the kernel does
    lock._descriptor = -1
    try:
        (other,) = locked(tmp_path, claim("b"))
    finally:
        child.kill()
        child.wait()
    assert isinstance(other, NodeLock)
    other.release()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "x.lock").write_text("no claim"),
        lambda folder: (folder / "x.lock").symlink_to("/etc/passwd"),
        lambda folder: (folder / "x.lock").mkdir(),
        lambda folder: (folder / "register").chmod(0o400),
    ],
)
def test_strange_files_keep_nobody_from_a_node(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """Others may write into their own folders what they like."""
    (lock,) = locked(tmp_path, claim("a"))
    assert isinstance(lock, NodeLock)
    lock.release()
    spoil(tmp_path / f"ambs-nodes-{os.getuid()}")
    (lock,) = locked(tmp_path, claim("a"))
    assert isinstance(lock, NodeLock)
    lock.release()


def test_without_a_place_nothing_is_locked(tmp_path: Path) -> None:
    """A node on which nothing can be written is used, and has other troubles."""
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "missing", tmp_path / "file"):
        first, second = locked(place, claim("a"), claim("b"))
        assert isinstance(first, NodeLock)
        assert isinstance(second, NodeLock)
    (lock,) = [lock_node(claim("a"), [str(tmp_path / "missing"), str(tmp_path)])]
    assert isinstance(lock, NodeLock)
    assert len(files(tmp_path)) == 1
    lock.release()


def test_a_claim_is_taken_out_of_the_environment() -> None:
    """Evaluations that start supervisors of their own (`ambs` within `ambs`) claim nothing for us."""
    environ = {VARIABLE: claim("a").text(), "HOME": "/"}
    assert claim_of(environ) == NodeClaim("n1", list(ALL), "a", "launcher a")
    assert environ == {"HOME": "/"}
    assert claim_of(environ) is None
    assert json.loads(claim("a").text())["node"] == "n1"


@pytest.mark.skipif(len(ALL) < 2, reason="a part of one core is no part")
def test_a_number_of_cores_on_a_shared_node_locks_none(tmp_path: Path) -> None:
    """Two allocations of 8 of 64 cores each both call theirs 0 to 7, where nothing confines them."""
    parts = [replace(claim(name, cores=ALL[:1]), is_a_number=True) for name in "ab"]
    first, second = locked(tmp_path, *parts)
    assert isinstance(first, NodeLock)
    assert isinstance(second, NodeLock)
    assert files(tmp_path) == []
    assert is_guess(parts[0])


def test_a_number_of_cores_to_which_we_are_confined_is_locked(tmp_path: Path) -> None:
    """They are known, whatever the launcher calls them."""
    first, second = locked(tmp_path, *(replace(claim(name), is_a_number=True) for name in "ab"))
    assert isinstance(first, NodeLock)
    assert second == NodeInUse("launcher a")
    first.release()


def test_the_folder_is_named_after_the_launchers_user(tmp_path: Path) -> None:
    """In a container of podman the same user is another one."""
    (lock,) = locked(tmp_path, replace(claim("a"), uid=4711))
    assert isinstance(lock, NodeLock)
    assert [path.name for path in tmp_path.iterdir()] == ["ambs-nodes-4711"]
    lock.release()
    told = json.loads(claim("a").text())
    assert told["uid"] == os.getuid()


def test_supervisors_that_are_confined_to_different_cores_hold_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of one allocation may get cores of their own, whose numbers have fewer digits or more."""

    def lock(launcher: str, *allowed: int) -> NodeLock | NodeInUse:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(allowed))
        return lock_node(claim(launcher, cores=tuple(range(200))), [str(tmp_path)])

    held = [lock("a", 100, 101, 102), lock("a", 7)]
    assert lock("b", 7) == lock("b", 101) == NodeInUse("launcher a")
    held.append(lock("b", 8))
    for one in held:
        assert isinstance(one, NodeLock)
        one.release()
    assert files(tmp_path) == []


def test_launchers_in_different_places_see_each_other(tmp_path: Path) -> None:
    """The first place was full when one of them came."""
    places = [str(tmp_path / "first"), str(tmp_path / "second")]
    (tmp_path / "second").mkdir()
    early = lock_node(claim("a"), places)
    (tmp_path / "first").mkdir()
    assert lock_node(claim("b"), places) == NodeInUse("launcher a")
    sibling = lock_node(claim("a"), places)
    for lock in (early, sibling):
        assert isinstance(lock, NodeLock)
        lock.release()
    assert files(tmp_path / "first") == files(tmp_path / "second") == []
