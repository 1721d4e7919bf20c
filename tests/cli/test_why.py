"""`ambs importance` and `ambs why` as people and scripts read them."""

from __future__ import annotations

import json

import pytest

from tests.stories.commands import Shell

PROBLEM = """
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer
from ambs_hpc import Problem
space = ConfigurationSpace(seed=1)
kind, momentum = Categorical("kind", ["sgd", "adam"]), Float("momentum", (0.0, 1.0))
space.add(kind, momentum, Float("x", (0.0, 1.0)), Integer("units", (1, 100)))
space.add(EqualsCondition(momentum, kind, "sgd"))
problem = Problem(name="p", space=space, objective="model:train")
"""
MODEL = """
def train(configuration):
    if configuration["units"] > 70:
        raise MemoryError(f"no room for {configuration['units']} units")
    return configuration["x"] + 0.1 * (configuration["kind"] == "sgd")
"""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("why")
    made = Shell(folder, str(folder / "ambs.db"))
    made.write("problem.py", PROBLEM)
    made.write("model.py", MODEL)
    made.ambs("run", "problem.py", "--max-evaluations", "60", "--slots", "2", "--method", "random")
    return made


def test_importance_ranks_the_parameters(campaign: Shell) -> None:
    """The objective is nearly x, which people and scripts are told alike."""
    told = json.loads(campaign.ambs("importance", "--json"))
    assert told["parameters"][0]["names"] == ["x"]
    assert {one["names"][0] for one in told["parameters"]} == {"kind", "momentum", "x", "units"}
    text = campaign.ambs("importance")
    assert f"importance from {told['results']} results" in text
    assert text.index("\nx\t") < text.index("\nunits\t")


def test_importance_says_what_it_needs(campaign: Shell) -> None:
    """A wrong share is refused with an example of a right one."""
    assert "--best 3: give a share" in campaign.rejected("importance", "--best", "3")
    assert "There is no campaign 'q'" in campaign.rejected("importance", "-c", "q")


def test_failures_are_explained_and_mended(campaign: Shell) -> None:
    """The rule, what speaks for it, and commands that a person can paste, of which one narrows the space."""
    (cause,) = json.loads(campaign.ambs("why", "failed", "--json"))["causes"]
    assert (cause["kind"], cause["signature"]) == ("OUT_OF_MEMORY", "MemoryError: no room for # units")
    (rule,) = cause["rules"]
    (condition,) = rule["conditions"]
    assert (condition["name"], condition["relation"]) == ("units", ">=")
    assert 65 < condition["value"] <= 75
    assert (rule["precision"], rule["recall"], rule["failed"]) == (1.0, 1.0, cause["number"])
    text = campaign.ambs("why", "failed")
    assert f"{cause['number']} of {cause['number']} OUT_OF_MEMORY: {rule['words']}" in text
    assert text.rstrip().endswith("ambs rerun --failed --kind OUT_OF_MEMORY --campaign p")
    assert campaign.ambs(*rule["command"].split()[1:]).endswith("leave the model\nNothing was stored.\n")


def test_unknown_questions_name_the_known_ones(campaign: Shell) -> None:
    """A person guesses what can be asked."""
    assert "`ambs why failed`" in campaign.rejected("why", "faild")


def test_an_evaluation_is_explained(campaign: Shell) -> None:
    """Why it was proposed, with what was known then, and why it waits; the last line is a command."""
    first = campaign.ambs("why", "1")
    assert "it belongs to the design" in first or "drawn at random" in first
    campaign.ambs("add", "p", "--set", "x=0.25", "--set", "kind=adam", "--set", "units=10")
    text = campaign.ambs("why", "61")
    assert text.startswith("evaluation 61 of p: READY\nproposed because a person added it\n")
    assert "known then: 60 evaluations had ended, 0 were pending" in text
    assert text.endswith("no allocation is to come\n    ambs launch\n")
    told = json.loads(campaign.ambs("why", "61", "--json"))
    assert [one["code"] for one in told["waiting"]] == ["no_launcher"]
    results = json.loads(campaign.ambs("list", "--state", "DONE", "-n", "100", "--json"))
    assert told["known"]["best"]["objective"] == min(one["objective"] for one in results)
    assert told["known"]["nearest"]["configuration"]["kind"] == "adam"
    failed = json.loads(campaign.ambs("list", "--state", "FAILED", "--json"))[0]["id"]
    assert campaign.ambs("why", str(failed)).endswith(f"then: ambs rerun {failed}\n")
    assert "There is no evaluation 99" in campaign.rejected("why", "99")
