"""Allocations through a real Balsam site."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.balsam.conftest import Campaign
from tests.databases import wait_until

pytestmark = [pytest.mark.balsam, pytest.mark.timeout(120)]

PROBLEM = """
from ambs_hpc import Problem, Resources
problem = Problem(name="p", space={"x": (0.0, 1.0)}, objective="model:f"RESOURCES)
"""
VIA = ("submit", "--via", "balsam", "--balsam-site", "here", "-n", "1", "-t", "30", "-A", "local")


def newest(campaign: Campaign) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(campaign.ambs("allocations", "--json"))[0]
    return found


def stocked(campaign: Campaign, resources: str = "") -> None:
    """Evaluations that wait."""
    campaign.write("model.py", "def f(configuration):\n    return 1.0\n")
    campaign.write("problem.py", PROBLEM.replace("RESOURCES", resources))
    options = ("--max-evaluations", "2", "--slots", "2", "--max-minutes", "0.05")
    campaign.ambs("search", "problem.py", *options)


def test_life_of_a_batch_job(campaign: Campaign) -> None:
    """Submitted, running, ended by us; and what the site's agent says when it refuses."""
    stocked(campaign)
    told = json.loads(campaign.ambs(*VIA, "-q", "local", "--dry-run"))
    assert (told["mode"], told["filter_tags"]) == ("serial", {"ambs": "evaluation"})
    campaign.ambs(*VIA, "-q", "local", "--campaign", "p")
    wait_until(lambda: newest(campaign)["state"] == "RUNNING", 30)
    campaign.ambs("allocations", "cancel", str(newest(campaign)["id"]))
    wait_until(lambda: newest(campaign)["state"] == "ENDED", 60)
    campaign.ambs(*VIA, "-q", "nosuch")
    wait_until(lambda: newest(campaign)["state"] == "ENDED", 30)
    assert "Unknown queue nosuch" in newest(campaign)["detail"]


def test_wrong_requests_are_told(campaign: Campaign) -> None:
    """With what is missing or unknown; nothing is submitted."""
    stocked(campaign)
    elsewhere = ["her" if word == "here" else word for word in VIA]
    assert "Did you mean 'here'" in campaign.rejected(*elsewhere, "-q", "local")
    assert "--queue" in campaign.rejected(*VIA)
    assert "walltime" in campaign.rejected(*VIA, "-q", "local", "-t", "3")
    assert "--balsam-site" in campaign.rejected("launch", "--executor", "balsam")
    assert "ambs launch --executor balsam" in campaign.rejected(*VIA, "-q", "local", "--executor", "balsam")


def test_programs_of_several_ranks_ask_for_mpi_mode(campaign: Campaign) -> None:
    """Balsam's other mode starts each as one process."""
    stocked(campaign, ", resources=Resources(nodes=2, ranks_per_node=2)")
    assert json.loads(campaign.ambs(*VIA, "-q", "local", "--dry-run"))["mode"] == "mpi"


def test_shape_that_fits_no_node_is_told(campaign: Campaign) -> None:
    """Not left to wait in Balsam."""
    stocked(campaign, ", resources=Resources(cores=64)")
    said = campaign.rejected("launch", "--executor", "balsam", "--balsam-site", "here", "--campaign", "p")
    assert "nodes of Balsam site 'here' have" in said
    assert "Correct `resources`" in campaign.ambs("status")


def test_unknown_login_is_told(campaign: Campaign) -> None:
    """With the command that mends it."""
    stocked(campaign)
    file = campaign.balsam.folder / "client.yml"
    good = file.read_text()
    token = next(line for line in good.splitlines() if line.startswith("token:"))
    try:
        file.write_text(good.replace(token, "token: nonsense"))
        said = campaign.rejected("launch", "--executor", "balsam", "--balsam-site", "here")
    finally:
        file.write_text(good)
    assert "balsam login" in said
