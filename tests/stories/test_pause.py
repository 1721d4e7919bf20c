"""Killed at random instants, a campaign pauses and promotes what it would have without."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.fidelity import Fidelity
from tests.stories import pause_story

FIDELITY = Fidelity("epochs", 1, 4, eta=2)
# The 1st runs on, the others pause at step 1; with four there the 2nd is promoted, and pauses at step 2.
DECIDED = [
    *((-1, rung, True, False) for rung in FIDELITY.rungs()),
    (-2, 1, False, True),
    (-3, 1, False, False),
    (-4, 1, False, False),
    (-2, 2, False, False),
    (0, 4, True, False),  # its result: it reports no steps
]


@pytest.mark.timeout(180)
def test_a_killed_campaign_makes_the_same_promotions(tmp_path: Path, sqlite_url: str) -> None:
    """Search and allocation die; nothing is decided twice or begins anew that had a checkpoint."""
    story = pause_story.tell(tmp_path, sqlite_url, kills=2, exempt=1, judged=4, seed=1, fidelity=FIDELITY)
    told = [(ordinal, rung, kept, promoted) for ordinal, rung, _, kept, promoted in story.decided]
    assert sorted(told) == sorted(DECIDED)
    assert story.states == {0: "DONE", -1: "DONE", **dict.fromkeys(range(-4, -1), "PAUSED")}
    assert story.moves[-2] == ["pause", "promote", "pause"]
    assert (story.kills, story.lost, story.orphans) == (2, [], [])
    assert any(had for _, had in story.begun)
