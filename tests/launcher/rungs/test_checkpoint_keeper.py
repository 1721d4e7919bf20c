"""Checkpoints that nobody needs any more go, and nothing else does."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ambs_hpc.errors import ProblemError
from ambs_hpc.fidelity import Fidelity, fidelity_to_json
from ambs_hpc.identity import new_uid
from ambs_hpc.launcher.paths import checkpoint_folder
from ambs_hpc.launcher.rungs.checkpoint_keeper import PUT_AWAY, CheckpointKeeper
from ambs_hpc.problem.allow_list import allow_runs
from ambs_hpc.problem.checkpoint_policy import kept_best
from ambs_hpc.queue import (
    NewReport,
    NewRevision,
    add_reports,
    claim,
    complete,
    freed_space,
    get_campaign,
    pause,
    reading,
    rerun,
    show_evaluation,
    store_revision,
    transaction,
)
from ambs_hpc.queue.verbs.rungs.checkpoint_removal import never_promoted
from ambs_hpc.records import Claim
from tests.queue import stock

EXEMPT = 8
BYTES = 1000


class Scene:
    """Evaluations of a campaign that keeps the best result's checkpoint; each has left one."""

    def __init__(self, engine: Engine, folder: Path, number: int, **problem: object) -> None:
        self.engine, self.keeper = engine, CheckpointKeeper(engine)
        uid = new_uid()
        self.runs = folder / "runs" / uid
        allow_runs(str(self.runs))
        stored = {**stock.CAMPAIGN.problem, "checkpoints": "keep-best 1", **problem}
        with transaction(engine) as connection:
            self.campaign = stock.campaign(
                connection,
                problem=stored,
                uid=uid,
                run_directory=str(self.runs),
                max_evaluations=EXEMPT + number,
            )
            self.launcher = stock.launcher(connection)
            stock.evaluations(connection, self.campaign.id, number, first=EXEMPT)
            self.claims = claim(connection, self.launcher, number)
        for one in self.claims:
            self.folder_of(one).mkdir(parents=True)
            (self.folder_of(one) / "weights").write_bytes(bytes(BYTES))

    def folder_of(self, one: Claim) -> Path:
        """Where its checkpoint lies."""
        return Path(checkpoint_folder(str(self.runs), one.ordinal, one.configuration))

    def complete(self, *claims: Claim) -> None:
        """These have results, better the later they come."""
        with transaction(self.engine) as connection:
            outcomes = [stock.success(one, -one.ordinal) for one in claims]
            complete(connection, self.launcher, outcomes)

    def kept(self) -> list[int]:
        """Indices of evaluations whose checkpoints are there, after a look."""
        self.keeper.last()
        return [index for index, one in enumerate(self.claims) if self.folder_of(one).exists()]

    def freed(self) -> tuple[int, int]:
        with reading(self.engine) as connection:
            return tuple(freed_space(connection, self.campaign.id))  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def own_allow_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))


def test_only_the_best_results_keep_their_checkpoints(any_engine: Engine, tmp_path: Path) -> None:
    """Those that run keep theirs, a result that is no longer among the best loses it, and all is counted."""
    scene = Scene(any_engine, tmp_path, 4)
    first, second, third, _runs = scene.claims
    assert scene.kept() == [0, 1, 2, 3]
    scene.complete(first, second)
    assert scene.kept() == [1, 2, 3]
    scene.complete(third)
    assert scene.kept() == [2, 3]
    assert scene.freed() == (2, 2 * BYTES)
    assert scene.kept() == [2, 3]
    assert [path.name for path in scene.runs.rglob(f"*{PUT_AWAY}")] == []


@pytest.mark.parametrize("changed", [{"max_evaluations": 900}, {"checkpoints": "keep-all"}])
def test_what_a_revision_makes_worth_keeping_stays(
    any_engine: Engine, tmp_path: Path, changed: dict[str, object]
) -> None:
    """A look takes minutes where folders are many or large, and goes by what it had read at its beginning."""
    scene = Scene(any_engine, tmp_path, 4)
    scene.complete(*scene.claims)

    def revised(folder: Path) -> int:
        with transaction(any_engine) as connection:
            before = get_campaign(connection, scene.campaign.id)
            if before.revision == scene.campaign.revision:
                policy = {key: value for key, value in changed.items() if key == "checkpoints"}
                problem = {**before.definition.problem, **policy}
                most = changed.get("max_evaluations", before.definition.max_evaluations)
                after = replace(before.definition, problem=problem, max_evaluations=most)
                store_revision(connection, NewRevision(before, after, "me@host", []), {})
        return BYTES

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ambs_hpc.launcher.rungs.checkpoint_keeper._size", revised)
        assert scene.kept() == [0, 1, 2, 3]
    assert scene.kept() == ([0, 1, 2, 3] if "checkpoints" in changed else [3])


def test_what_can_never_be_promoted_loses_its_checkpoint(any_engine: Engine, tmp_path: Path) -> None:
    """By the budget: if all that is to come is worse, the second of three is the one of a third."""
    scene = Scene(any_engine, tmp_path, 4, fidelity=fidelity_to_json(Fidelity("epochs", 1, 9)))
    for one, value in zip(scene.claims, (0.1, 0.2, 0.3, 0.4), strict=True):
        told = NewReport(one.id, 1, one.token, 1, value, time.time())
        with transaction(any_engine) as connection:
            add_reports(connection, [told])
            if one is not scene.claims[0]:
                pause(connection, scene.launcher, [(one.id, 1)])
    ids = [one.id for one in scene.claims]
    with reading(any_engine) as connection:
        assert never_promoted(connection, scene.campaign) == set()  # 8 more may come: of 12 four run on
    with transaction(any_engine) as connection:
        stock.evaluations(connection, scene.campaign.id, EXEMPT)  # the whole budget
        others = claim(connection, scene.launcher, EXEMPT)
        add_reports(connection, [NewReport(o.id, 1, o.token, 1, 0.05, time.time()) for o in others[:2]])
    with reading(any_engine) as connection:
        assert never_promoted(connection, scene.campaign) == {ids[2], ids[3]}
    assert scene.kept() == [0, 1]
    with transaction(any_engine) as connection:
        assert rerun(connection, ids=[ids[2]]) == [ids[2]]
        (again,) = claim(connection, scene.launcher, 1)
        told = [event.detail for event in show_evaluation(connection, ids[2]).events if event.detail]
    assert again.attempt == 2
    assert told[-1] == "a person wants it to go on; from the start, its checkpoint was removed"
    assert scene.freed() == (2, 2 * BYTES)


def test_nothing_outside_of_the_campaigns_folder_is_touched(any_engine: Engine, tmp_path: Path) -> None:
    """A person, or an evaluation, may have put links there."""
    scene = Scene(any_engine, tmp_path, 4)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_text("mine")
    linked, holding, *_ = scene.claims
    (scene.folder_of(linked) / "weights").unlink()
    scene.folder_of(linked).rmdir()
    scene.folder_of(linked).symlink_to(precious)
    (scene.folder_of(holding) / "link").symlink_to(precious)
    scene.complete(*scene.claims)
    assert scene.kept() == [0, 3]
    assert (precious / "data").read_text() == "mine"
    assert scene.freed() == (2, 2 * BYTES)


def test_a_run_folder_behind_a_link_is_left_alone(any_engine: Engine, tmp_path: Path) -> None:
    """What the path means may be another campaign's."""
    scene = Scene(any_engine, tmp_path, 2)
    moved = tmp_path / "elsewhere"
    (scene.runs / "000").rename(moved)
    (scene.runs / "000").symlink_to(moved)
    scene.complete(*scene.claims)
    assert scene.kept() == [0, 1]


def test_a_removal_that_was_cut_short_is_finished(any_engine: Engine, tmp_path: Path) -> None:
    """A launcher was killed between two files: what it had put away goes with the next one."""
    scene = Scene(any_engine, tmp_path, 2)
    scene.complete(*scene.claims)
    folder = scene.folder_of(scene.claims[0])

    def killed(*_: object, **__: object) -> None:
        raise OSError("killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ambs_hpc.launcher.rungs.checkpoint_keeper.shutil.rmtree", killed)
        scene.keeper.last()
    assert folder.with_name(folder.name + PUT_AWAY).exists()
    assert scene.freed() == (0, 0)
    assert scene.kept() == [1]
    assert scene.freed() == (1, BYTES)
    assert not folder.with_name(folder.name + PUT_AWAY).exists()


def test_a_paused_one_whose_checkpoint_was_removed_is_told_of(any_engine: Engine, tmp_path: Path) -> None:
    """When a person raises the budget, it begins anew, and its promotion says so."""
    scene = Scene(any_engine, tmp_path, 3, fidelity=fidelity_to_json(Fidelity("epochs", 1, 9)))
    for one, value in zip(scene.claims, (0.1, 0.2, 0.3), strict=True):
        with transaction(any_engine) as connection:
            add_reports(connection, [NewReport(one.id, 1, one.token, 1, value, time.time())])
            if one is not scene.claims[0]:
                pause(connection, scene.launcher, [(one.id, 1)])
    with transaction(any_engine) as connection:
        stock.evaluations(connection, scene.campaign.id, EXEMPT)
        others = claim(connection, scene.launcher, EXEMPT)
        add_reports(connection, [NewReport(o.id, 1, o.token, 1, 0.05, time.time()) for o in others[:1]])
    assert scene.kept() == [0, 1]
    with transaction(any_engine) as connection:
        stock.evaluations(connection, scene.campaign.id, 9, first=20)
        more = claim(connection, scene.launcher, 9)
        told = [NewReport(o.id, 1, o.token, 1, 0.9, time.time()) for o in more]
        add_reports(connection, told)
        last = show_evaluation(connection, scene.claims[2].id).events[-1]
    assert (last.detail or "").endswith("; from the start, its checkpoint was removed")


@pytest.mark.parametrize("wrong", ["keep-best", "keep-best -1", "keep best 5", 5, None])
def test_a_wrong_policy_is_refused(wrong: object) -> None:
    """The error names what is accepted; nothing of it reaches a database."""
    assert (kept_best("keep-all"), kept_best("keep-best 0"), kept_best("keep-best 12")) == (None, 0, 12)
    with pytest.raises(ProblemError, match=r"checkpoints: is .*keep-best 5"):
        kept_best(wrong)
