"""Launchers share a queue without a word between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories import many_launchers


@pytest.mark.timeout(180)
def test_each_evaluation_is_run_by_one_launcher(
    tmp_path: Path, any_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gets one twice, none is left, on both databases."""
    monkeypatch.setenv("AMBS_CONFIG_DIR", str(tmp_path / "config"))
    story = many_launchers.tell(tmp_path, any_url, launchers=4, evaluations=300)
    assert story.states == {"DONE": 300}
    assert len(story.completions) == 300
    assert set(story.completions.values()) == {1}
    assert story.claims == story.completions
    assert len(story.by_launcher) > 1
