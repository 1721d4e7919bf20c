"""Killed at random instants, a campaign ends with exactly what was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import kill_story


@pytest.mark.timeout(180)
def test_killed_campaign_ends_exactly(tmp_path: Path, any_url: str) -> None:
    """Nothing lost, nothing counted twice, nobody left behind: on both databases."""
    story = kill_story.tell(tmp_path, any_url, kills=4, evaluations=30, seed=1)
    assert story.states == {"DONE": 30}
    assert story.ordinals == list(range(30))
    assert set(story.completions.values()) == {1}
    assert len(story.completions) == 30
    assert story.orphans == []
    assert story.moves["enqueue"] == 30
