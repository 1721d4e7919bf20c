"""The launcher's loop ends what pauses, once, and takes what comes instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from ambs_hpc.fidelity import Fidelity, fidelity_to_json
from ambs_hpc.launcher.loop import LauncherLoop
from ambs_hpc.launcher.supervisor.messages import Reported
from ambs_hpc.queue import NO_CHECKPOINT, show_evaluation, transaction
from ambs_hpc.queue.schema.tables import campaign, evaluation
from ambs_hpc.states import Move, State
from tests.launcher.test_loop import FakeExecutor, Stage, rounds


class RungStage(Stage):
    """Three evaluations that run and are judged at rungs."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        super().__init__(engine, folder, 3)
        plain = {"fidelity": fidelity_to_json(Fidelity("epochs", 1, 9))}
        with transaction(engine) as connection:
            connection.execute(update(campaign).values(problem=plain))
            connection.execute(update(evaluation).values(ordinal=evaluation.c.ordinal + 8))  # not exempt
        self.loop, self.executor = self.launcher(cores=3)
        rounds(self.loop)

    def report(self, values: list[float]) -> None:
        """Each reports a value after its first step."""
        for evaluation_id, value in zip(self.ids, values, strict=True):
            one = self.executor.running[evaluation_id].claim
            row = [1, value, {}, 1.0, 0]
            self.loop.database.report_log.note(Reported(one.id, one.attempt, one.token, [row]))
        rounds(self.loop)


def test_what_pauses_is_ended_once_and_its_slot_is_free_when_it_is_gone(
    any_engine: Engine, tmp_path: Path
) -> None:
    """TERM is sent once however often the database says so; a lost checkpoint is told."""
    stage = RungStage(any_engine, tmp_path)
    best, second, third = stage.ids
    stage.report([0.1, 0.2, 0.3])
    rounds(stage.loop)
    assert stage.executor.cancelled == [second, third]
    assert stage.states() == {State.RUNNING: 3}
    folder = Path(stage.executor.running[second].request.environment["AMBS_CHECKPOINT_DIR"])
    folder.mkdir(parents=True)
    (folder / "weights").touch()
    stage.executor.end(second, interrupted=True)
    stage.executor.end(third, interrupted=True)
    rounds(stage.loop)
    assert stage.states() == {State.RUNNING: 1, State.PAUSED: 2}
    assert (stage.loop.tally.paused, stage.loop.tally.interrupted) == (2, 0)
    with transaction(any_engine) as connection:
        details = [show_evaluation(connection, one).events[-1].detail or "" for one in (second, third)]
    assert [NO_CHECKPOINT in detail for detail in details] == [False, True]
    stage.executor.end(best)
    rounds(stage.loop)
    assert stage.states() == {State.DONE: 1, State.PAUSED: 2}
    assert stage.loop.is_idle


def test_a_result_in_place_of_the_pause_is_a_result(any_engine: Engine, tmp_path: Path) -> None:
    """And a stop of the launcher in between is no interruption of what was to pause."""
    stage = RungStage(any_engine, tmp_path)
    best, second, third = stage.ids
    stage.report([0.1, 0.2, 0.3])
    stage.executor.end(second)
    stage.loop.stop(grace_seconds=1.0)
    stage.executor.end(third, interrupted=True)
    stage.executor.end(best, interrupted=True)
    rounds(stage.loop)
    assert stage.states() == {State.DONE: 1, State.PAUSED: 1, State.READY: 1}
    with transaction(any_engine) as connection:
        last = {one: show_evaluation(connection, one) for one in (best, third)}
    assert {one: story.row.interruptions for one, story in last.items()} == {best: 1, third: 0}
    assert last[third].events[-1].move is Move.PAUSE


def test_an_executor_that_cannot_pause_is_told_of(
    any_engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the first evaluation of the campaign, once: a person else waits for pauses that never come."""
    stage = RungStage(any_engine, tmp_path)
    loop, executor = stage.launcher(cores=3)
    loop.pauses.note_impossible("it reports at its end only")
    stage.loop.stop(grace_seconds=0.0)
    for one in stage.ids:
        stage.executor.end(one, interrupted=True)
    rounds(stage.loop)
    rounds(loop)
    assert isinstance(loop, LauncherLoop)
    assert isinstance(executor, FakeExecutor)
    assert sorted(executor.running) == stage.ids
    told = [one.getMessage() for one in caplog.records if "paused" in one.getMessage()]
    assert told == ["campaign=c is not paused at its rungs: it reports at its end only"]
