"""Documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from ambs_hpc.states import MOVES, FailureKind, State

ROOT = Path(__file__).parent.parent


def test_states_page_lists_every_legal_move() -> None:
    """The page is what people reason from when something is stuck."""
    text = (ROOT / "docs" / "states.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([A-Z, ]*) ?\| ([A-Z]+) \|", text, flags=re.MULTILINE)
    told = {move: (set(sources.replace(",", " ").split()), target) for move, sources, target in rows}
    real = {
        move.value: ({state.value for state in sources}, target.value)
        for move, (sources, target) in MOVES.items()
    }
    assert told == real


def test_states_page_explains_every_failure_kind() -> None:
    """A kind without advice helps nobody."""
    text = (ROOT / "docs" / "states.md").read_text()
    for kind in FailureKind:
        assert re.search(rf"^\| {kind.value} \| .+ \| .+ \|$", text, flags=re.MULTILINE)
    assert {state.value for state in State} <= set(re.findall(r"[A-Z]+", text))
