"""Whatever an evaluation leaves behind costs that evaluation at most, never its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Ended
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.records import Claim, Outcome, Resources
from ambs_hpc.states import FailureKind
from tests.databases import wait_until
from tests.launcher.prepared import Prepared, prepared

ERROR, BAD_RESULT = FailureKind.ERROR, FailureKind.BAD_RESULT
RESULT = '"$AMBS_RESULT"'


@pytest.fixture
def executor() -> Iterator[ProcessExecutor]:
    node = Node("here", (0, 1), ())
    made = ProcessExecutor(Packing([node]), NodePool((node,), "CUDA_VISIBLE_DEVICES"), grace_seconds=0.5)
    yield made
    made.close()


def work(folder: Path, number: int, text: str) -> Prepared:
    claim = Claim(number, 1, "c", number, 1, {}, Resources(), 10.0)
    attempt = folder / f"attempt-{number}"
    environment = {"AMBS_RESULT": str(attempt / "result.json")}
    return prepared(claim, ["bash", "-c", text], None, str(folder), str(attempt), environment)


def both(executor: ProcessExecutor, folder: Path, text: str) -> tuple[Outcome, Outcome]:
    """The end of a hostile evaluation, and of the neighbour that outlives it."""
    executor.start(*work(folder, 1, text))
    executor.start(*work(folder, 2, "sleep 0.5; echo AMBS-RESULT: 2"))
    ended: list[Ended] = []
    wait_until(lambda: ended.extend(executor.poll(0.05)) or len(ended) == 2, 15)
    first, second = sorted(ended, key=lambda one: one.id)  # type: ignore[union-attr]
    assert isinstance(first, Outcome), first
    assert isinstance(second, Outcome), second
    return first, second


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ('rm -rf "$PWD"; exit 3', ERROR),
        ("mkdir outcome.json; exit 4", ERROR),
        ("kill -40 $$", ERROR),
        ("kill -TERM $$", ERROR),
        ("exit 143", ERROR),
        (f"mkdir {RESULT}", BAD_RESULT),
        (f"mkfifo {RESULT}", BAD_RESULT),
        (f"ln -s /dev/zero {RESULT}", BAD_RESULT),
        (f"truncate -s 10G {RESULT}", BAD_RESULT),
        (f"python3 -c 'print(\"1\" * 400)' > {RESULT}", BAD_RESULT),
        (f"python3 -c 'print(\"1\" * 9999)' > {RESULT}", BAD_RESULT),
        (f'python3 -c \'print("[" * 99999 + "]" * 99999)\' > {RESULT}', BAD_RESULT),
        (f"head -c 1000 /dev/urandom > {RESULT}", BAD_RESULT),
        ("rm stdout; mkfifo stdout", BAD_RESULT),
        ("rm stderr; mkfifo stderr; exit 5", ERROR),
    ],
)
def test_hostile_leavings_cost_one_evaluation(
    text: str, failure: FailureKind, executor: ProcessExecutor, tmp_path: Path
) -> None:
    """Each was seen to end, or to block, the process that supervises all evaluations of the node."""
    hostile, neighbour = both(executor, tmp_path, text)
    assert hostile.failure is failure
    assert neighbour.objective == 2.0


def test_word_that_no_program_can_be_given_fails_the_evaluation(
    executor: ProcessExecutor, tmp_path: Path
) -> None:
    """A NUL ends a word of a command line."""
    hostile, neighbour = both(executor, tmp_path, "echo \0")
    assert hostile.failure is ERROR
    assert neighbour.objective == 2.0


def test_folder_of_somebody_else_is_not_entered(executor: ProcessExecutor, tmp_path: Path) -> None:
    """A link in it could lead what is printed into any file of ours."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "attempt-1").symlink_to(tmp_path / "elsewhere")
    hostile, _ = both(executor, tmp_path, "echo AMBS-RESULT: 1")
    assert hostile.failure is ERROR
    assert "traps" in hostile.error
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_log_that_is_a_link_is_not_followed(executor: ProcessExecutor, tmp_path: Path) -> None:
    """Also in a folder that is ours."""
    (tmp_path / "attempt-1").mkdir()
    (tmp_path / "precious").write_text("mine\n")
    (tmp_path / "attempt-1" / "stdout").symlink_to(tmp_path / "precious")
    hostile, _ = both(executor, tmp_path, "echo AMBS-RESULT: 1")
    assert hostile.failure is ERROR
    assert (tmp_path / "precious").read_text() == "mine\n"
