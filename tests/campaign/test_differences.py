"""What a command line asks of a campaign that exists: to go on, to change it, or for another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ambs_hpc.campaign import SearchSettings, define_campaign
from ambs_hpc.campaign.creation import edited_campaign
from ambs_hpc.campaign.differences import definition_differences, wanted_after
from ambs_hpc.errors import CampaignConflict, UsageError
from ambs_hpc.fidelity import Fidelity
from ambs_hpc.problem import Command, Problem
from ambs_hpc.problem.problem_file import LoadedProblem
from ambs_hpc.records import Campaign, NewCampaign

FIELDS: dict[str, Any] = {"name": "p", "space": {"x": (0.0, 1.0), "n": (1, 9)}, "objective": "model:train"}


class Desk:
    """A person's folder, in which a problem is edited and commands are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored = Campaign(1, 0.0, self.wanted({}))

    def wanted(self, fields: Mapping[str, Any], settings: SearchSettings | None = None) -> NewCampaign:
        loaded = LoadedProblem(Problem(**{**FIELDS, **fields}), self.folder / "problem.py")
        found = define_campaign(loaded, settings or SearchSettings(run_root=self.folder / "runs"))
        return replace(found, uid="0123")

    def after(self, fields: Mapping[str, Any] | None = None, **settings: Any) -> NewCampaign:
        given = SearchSettings(run_root=self.folder / "runs", **settings)
        return wanted_after(self.stored, self.wanted(fields or {}, given), given)

    def words(self, fields: Mapping[str, Any] | None = None, **settings: Any) -> list[str]:
        after = self.after(fields, **settings)
        return [one.words for one in definition_differences(self.stored.definition, after)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "here").mkdir()
    return Desk(tmp_path / "here")


FIDELITY = "{'name': 'epochs', 'minimum': 1, 'maximum': 9, 'eta': 3, ..."

CHANGES: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, []),
    ({"time_limit_seconds": 60}, {}, ["time_limit_seconds none -> 60"]),
    ({"max_failures": 3}, {}, ["max_failures 1 -> 3"]),
    ({"starting_points": [{"x": 0.1, "n": 2}]}, {}, ["starting_points 0 -> 1 of them"]),
    ({"warm": False}, {}, ["warm True -> False"]),
    ({}, {"method": "lhs"}, ["method ambs -> lhs"]),
    ({}, {"method_options": {"kappa": 2}}, ["method_options.kappa none -> 2"]),
    ({}, {"max_evaluations": 9}, ["max_evaluations none -> 9"]),
    ({}, {"priority": 5}, ["priority 0 -> 5"]),
    ({"fidelity": Fidelity("epochs", 1, 9)}, {}, ["fidelity none -> " + FIDELITY]),
]


@pytest.mark.parametrize(("fields", "settings", "words"), CHANGES)
def test_all_but_objective_direction_space_and_seed_may_change(
    desk: Desk, fields: dict[str, Any], settings: dict[str, Any], words: list[str]
) -> None:
    """It is the same campaign with other means."""
    assert desk.words(fields, **settings) == words


OTHERS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"objective": "model:test"}, {}, "objective model:train -> model:test"),
    ({"objective": Command(["./x"])}, {}, "objective model:train -> none"),
    ({"direction": "maximize"}, {"revise": True}, "direction minimize -> maximize"),
    ({}, {"seed": 4}, "has the seed 0"),
    ({"space": {"x": (0.0, 2.0), "n": (1, 9)}}, {}, "another one: x 0..1 -> 0..2. Take .* --revise"),
]


@pytest.mark.parametrize(("fields", "settings", "part"), OTHERS)
def test_another_campaign_is_told_in_a_few_words(
    desk: Desk, fields: dict[str, Any], settings: dict[str, Any], part: str
) -> None:
    """It was refused with both spaces, whole."""
    with pytest.raises(CampaignConflict, match=part) as caught:
        desk.after(fields, **settings)
    assert len(str(caught.value)) < 300


def test_added_parameters_count_with_what_was_in_force(desk: Desk) -> None:
    """The default of a range is its middle, which is seldom what old evaluations had."""
    more = {"space": {**FIELDS["space"], "rate": (0.0, 0.5)}}
    assert desk.words(more, revise=True, was={"rate": "0"}) == [
        "rate added (0..0.5)",
        "those without rate count with 0",
    ]
    assert desk.after(more, revise=True).problem["was"] == {"rate": 0.25}


def test_of_a_removed_parameter_a_person_says_what_is_in_force(desk: Desk) -> None:
    """Neither keeping all nor dropping all is right unless somebody says so."""
    less = {"space": {"x": (0.0, 1.0)}}
    with pytest.raises(UsageError, match=r"--was n=VALUE"):
        desk.after(less, revise=True)
    assert desk.after(less, revise=True, was={"n": "4"}).problem["was"] == {"n": 4}
    assert desk.after(less, revise=True, was={"n": "*"}).problem["was"] == {"n": None}
    with pytest.raises(UsageError, match="neither new nor gone"):
        desk.after(less, revise=True, was={"n": "4", "m": "1"})


def test_an_unchanged_problem_file_keeps_what_was_edited_since(desk: Desk) -> None:
    """Whoever narrowed the space goes on with the same command; the file has not changed."""
    edited = edited_campaign(desk.stored, {"--narrow": ["x=0..0.5"]}, {})
    desk.stored = replace(desk.stored, definition=edited)
    assert desk.words() == []
    assert desk.words({"space": {"x": (0.0, 0.5), "n": (1, 9)}}) == []
    changed = {"space": {"x": (0.0, 1.0), "n": (1, 12)}}
    with pytest.raises(CampaignConflict, match=r"x 0\.\.0\.5 -> 0\.\.1 .*; n 1\.\.9 -> 1\.\.12"):
        desk.after(changed)
    assert "stated_space" not in desk.after(changed, revise=True).problem


def test_what_a_stated_space_undoes_is_said(desk: Desk) -> None:
    """Whoever edits the file has forgotten, or never known, what somebody has narrowed since."""
    edited = edited_campaign(desk.stored, {"--narrow": ["x=0..0.5"], "--forbid": ["x=0.25,n=3"]}, {})
    desk.stored = replace(desk.stored, definition=edited)
    undone = "(this undoes what `ambs space` changed)"
    told = ["x 0..0.5 -> 0..1", "n 1..9 -> 1..12", "allowed again: x=0.25, n=3"]
    assert desk.words({"space": {"x": (0.0, 1.0), "n": (1, 12)}}, revise=True) == [
        f"{told[0]} {undone}",
        told[1],
        f"{told[2]} {undone}",
    ]
    with pytest.raises(CampaignConflict, match=r"x 0\.\.0\.5 -> 0\.\.1 \(this undoes what .* changed\); n 1"):
        desk.after({"space": {"x": (0.0, 1.0), "n": (1, 12)}})
    desk.stored = replace(desk.stored, definition=edited_campaign(desk.stored, {"--widen": ["x=0..0.8"]}, {}))
    assert desk.words() == []


def test_a_command_follows_parameters_that_come_and_go(desk: Desk) -> None:
    """It names them."""
    short, long = Command(["./x", "--x={x}", "--n={n}"]), Command(["./x", "--x={x}", "--n={n}", "--m={m}"])
    desk.stored = replace(desk.stored, definition=desk.wanted({"objective": short}))
    more = {"objective": long, "space": {**FIELDS["space"], "m": (0.0, 1.0)}}
    assert desk.after(more, revise=True).objective == {"command": list(long.arguments)}
    with pytest.raises(CampaignConflict, match="objective"):
        desk.after({"objective": Command(["./y", "--x={x}", "--n={n}"])}, revise=True)


def test_a_moved_folder_is_followed_with_its_runs(desk: Desk) -> None:
    """By another name of the same folder nothing moves; runs that stayed are found where they are."""
    old = desk.folder
    runs = f"{old}/runs/p/0123"
    desk.stored = replace(desk.stored, definition=replace(desk.stored.definition, run_directory=runs))
    Path(runs).mkdir(parents=True)
    link = old.parent / "link"
    link.symlink_to(old)
    desk.folder = link
    assert desk.words() == []
    desk.folder = old.parent / "copy"
    desk.folder.mkdir()
    assert desk.words() == [f"directory {old} -> {desk.folder}"]
    desk.folder.rmdir()
    old.rename(desk.folder)
    assert desk.words() == [f"directory {old} -> {desk.folder}", f"runs in {desk.folder}/runs/p/0123"]


def test_a_fidelity_may_change_but_for_its_end(desk: Desk) -> None:
    """Results are those of its last step, and what is paused waits to get there."""
    desk.stored = Campaign(1, 0.0, desk.wanted({"fidelity": Fidelity("epochs", 1, 81)}))
    changed = desk.words({"fidelity": Fidelity("epochs", 3, 81, rule="median")})
    assert changed == ["fidelity.minimum 1 -> 3", "fidelity.rule asha -> median"]
    for other in (Fidelity("epochs", 1, 27), Fidelity("trees", 1, 81), None):
        with pytest.raises(CampaignConflict, match="has another fidelity"):
            desk.after({"fidelity": other})
