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
    claim = Claim(number, 1, "c", number, 1, f"token.{number}", {}, Resources(), 10.0)
    attempt = folder / f"attempt-{number}"
    environment = {"AMBS_RESULT": str(attempt / ".ambs-result.json")}
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
        ("mkdir .ambs-outcome.json; exit 4", ERROR),
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


@pytest.mark.parametrize("trap", ["folder", "link"])
def test_what_stands_in_the_place_of_a_folder_is_moved_aside(
    trap: str, executor: ProcessExecutor, tmp_path: Path
) -> None:
    """A link in it could lead what is printed into any file of ours; a result in it is another attempt's."""
    (tmp_path / "precious").write_text("mine\n")
    elsewhere = tmp_path / ("elsewhere" if trap == "link" else "attempt-1")
    elsewhere.mkdir()
    (elsewhere / "stdout").symlink_to(tmp_path / "precious")
    (elsewhere / ".ambs-result.json").write_text("7")
    if trap == "link":
        (tmp_path / "attempt-1").symlink_to(elsewhere)
    mine, neighbour = both(executor, tmp_path, "echo AMBS-RESULT: 1")
    assert (mine.objective, neighbour.objective) == (1.0, 2.0)
    assert (tmp_path / "precious").read_text() == "mine\n"
    assert len(list(tmp_path.glob("attempt-1.*"))) == 1


def test_result_that_was_written_survives_the_supervisor(executor: ProcessExecutor, tmp_path: Path) -> None:
    """It had ended when its supervisor was killed; only the report of its end is lost."""
    (tmp_path / "quick.py").write_text(
        "import os\n"
        "def train(configuration):\n"
        "    import ambs_hpc.launcher.supervisor.outcome as outcome\n"
        "    write = outcome.write_outcome\n"
        "    def then_kill(*arguments):\n"
        "        write(*arguments)\n"
        "        os.kill(int(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1]), 9)\n"
        "    outcome.write_outcome = then_kill\n"
        "    return 7.0\n"
    )
    claim = Claim(1, 1, "c", 1, 1, "token.1", {}, Resources(), 10.0)
    attempt = tmp_path / "attempt-1"
    executor.start(*prepared(claim, None, "quick:train", str(tmp_path), str(attempt), {}))
    ended: list[Ended] = []
    wait_until(lambda: ended.extend(executor.poll(0.05)) or ended, 15)
    (one,) = ended
    assert isinstance(one, Outcome)
    assert one.objective == 7.0
