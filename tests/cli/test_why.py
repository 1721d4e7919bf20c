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
