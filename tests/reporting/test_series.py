"""Curves say what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.reporting.figure import draw_campaign
from ambs_hpc.reporting.series import EndedEvaluation, best_so_far, busy_slots

ENDINGS = [
    EndedEvaluation(10.0, 14.0, 3.0),
    EndedEvaluation(10.0, 12.0, 5.0),
    EndedEvaluation(12.0, 15.0, None),
    EndedEvaluation(14.0, 20.0, 4.0),
]


def test_best_so_far_follows_the_order_of_ending() -> None:
    """Evaluations are listed in any order."""
    curve = best_so_far(ENDINGS, "minimize")
    assert curve.elapsed_seconds.tolist() == [2.0, 4.0, 10.0]
    assert curve.best.tolist() == [5.0, 3.0, 3.0]
    assert best_so_far(ENDINGS, "maximize").best.tolist() == [5.0, 5.0, 5.0]


def test_busy_slots_never_count_a_slot_twice_at_a_hand_over() -> None:
    """One evaluation ends and the next starts at the same instant in the same slot."""
    at, running = busy_slots(ENDINGS)
    assert at.tolist() == [0.0, 0.0, 2.0, 2.0, 4.0, 4.0, 5.0, 10.0]
    assert running.max() == 2.0
    assert running[-1] == 0.0


def test_picture_is_drawn_and_a_wrong_suffix_told(tmp_path: Path) -> None:
    """The file is a picture; nothing is written when its format is unknown."""
    draw_campaign("p", "minimize", ENDINGS, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"\.png"):
        draw_campaign("p", "minimize", ENDINGS, tmp_path / "p.doc")


def test_no_endings_draw_an_empty_picture(tmp_path: Path) -> None:
    """A picture asked for too early is empty, not an error."""
    draw_campaign("p", "minimize", [], tmp_path / "p.svg")
    assert (tmp_path / "p.svg").exists()
