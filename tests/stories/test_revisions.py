"""The second week of a campaign: limits are raised, the folder moves, memory doubles, a choice is added."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.queue import EvaluationStory, list_evaluations, open_database, reading, show_evaluation
from ambs_hpc.states import Move, State
from tests.stories.commands import Shell

MODEL = """
import time
def train(configuration):
    if configuration["kind"] == "slow":
        time.sleep(2.0)
    return configuration["x"]
"""
PROBLEM = """
from ambs_hpc import Problem, Resources
problem = Problem(
    name="digits",
    space={{"x": (0.0, 1.0), "kind": {kinds}}},
    objective="model:train",
    resources=Resources(memory_gib={memory_gib}),
    time_limit_seconds={limit},
    starting_points={starts},
)
"""
SLOW, FAST, NEW = {"x": 0.5, "kind": "slow"}, {"x": 0.75, "kind": "fast"}, {"x": 0.25, "kind": "new"}
RUN = ("run", "problem.py", "--slots", "2", "--method", "random", "--max-evaluations")

pytestmark = pytest.mark.timeout(120)


def test_a_campaign_changes_while_it_lives(any_url: str, tmp_path: Path) -> None:
    """What our own page tells people to do after a TIMEOUT was refused, and so was all the rest."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    shell = Shell(first, any_url)
    shell.write("model.py", MODEL)
    shell.write("problem.py", problem(["slow", "fast"], 0.5, 1, [SLOW, FAST]))
    shell.ambs(*RUN, "2")
    assert [one.row.state for one in stories(any_url)] == [State.FAILED, State.DONE]

    first.rename(second)
    shell = Shell(second, any_url)
    shell.write("problem.py", problem(["slow", "fast", "new"], 1.0, 60, [SLOW, FAST, NEW]))
    refused = shell.rejected(*RUN, "3")
    assert "choice new of kind added" in refused
    assert "--revise" in refused
    assert len(refused) < 300
    shell.ambs("rerun", "--failed", "--kind", "TIMEOUT")
    process = shell.start(*RUN, "3", "--revise")
    _, told = process.communicate(timeout=90)
    assert process.returncode == 0, told
    assert next(line for line in told.splitlines() if line.startswith("ambs: ")) == (
        "ambs: campaign digits, revision 2: choice new of kind added; resources.memory_gib 0.5 -> 1; "
        "time_limit_seconds 1 -> 60; starting_points 2 -> 3 of them; "
        f"directory {first} -> {second}; runs in {runs(shell)}; max_evaluations 2 -> 3, "
        "for 1 waiting evaluation, 1 of 1 result fit and are kept, 0 leave the model"
    )

    slow, fast, new = stories(any_url)
    assert [one.row.state for one in (slow, fast, new)] == [State.DONE] * 3
    assert [one.revision.number for one in (slow, fast, new)] == [2, 1, 2]
    assert [one.revision for one in slow.events if one.move is Move.CLAIM] == [1, 2]
    assert (slow.time_limit_seconds, slow.resources.memory_gib) == (60.0, 1.0)
    assert (fast.time_limit_seconds, fast.resources.memory_gib) == (1.0, 0.5)
    assert new.row.configuration == NEW
    shown = shell.ambs("show", "1")
    assert "ran under revision 2 of 2: choice new of kind added" in shown
    assert f"files          {runs(shell)}/000/000000-2" in shown


def problem(kinds: list[str], memory_gib: float, limit: float, starts: list[dict[str, object]]) -> str:
    return PROBLEM.format(kinds=kinds, memory_gib=memory_gib, limit=limit, starts=starts)


def stories(url: str) -> list[EvaluationStory]:
    engine = open_database(url)
    with reading(engine) as connection:
        found = [show_evaluation(connection, row.id) for row in list_evaluations(connection)]
    engine.dispose()
    return found


def runs(shell: Shell) -> str:
    """The campaign's folder of runs, made by the first command."""
    (found,) = (shell.folder / "ambs-runs" / "digits").iterdir()
    return str(found)
