"""When the models are made: no ask shall wait for libraries or for a restart."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ambs_hpc.problem import build_space
from ambs_hpc.records import Observation, Proposal
from ambs_hpc.search import create_searcher
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Forest
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.searcher import HistorySearcher
from tests.search.spaces import PLAIN, plain_objective


class Counting:
    """A strategy that proposes k = 1, 2, ... and notes what was known when it was told to prepare."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self.prepared_at: list[int] = []

    def choose(self, history: History) -> Draft:
        return Draft(self._encoding.encode({"k": history.next_ordinal + 1}), "design")

    def prepare(self, history: History) -> None:
        self.prepared_at.append(history.count)


def counting() -> tuple[HistorySearcher, Counting]:
    encoding = Encoding(build_space({"k": (1, 50)}))
    strategy = Counting(encoding)
    return HistorySearcher(encoding, strategy, "minimize"), strategy


def test_the_first_results_prepare_and_later_ones_do_not() -> None:
    """Preparing costs a third of a second: once is enough, and nothing told is no reason."""
    searcher, strategy = counting()
    asked = searcher.ask(6)
    searcher.tell([])
    assert strategy.prepared_at == []
    searcher.tell([Observation(p.configuration, 1.0) for p in asked[:2]])
    searcher.tell([Observation(p.configuration, 1.0) for p in asked[2:]])
    assert strategy.prepared_at == [2]


def test_a_restored_search_is_prepared_with_all_its_results() -> None:
    """Once, not for each of a hundred thousand rows."""
    searcher, strategy = counting()
    rows = [{"k": k} for k in range(1, 10)]
    searcher.restore([Proposal(row, "design") for row in rows], [Observation(row, 1.0) for row in rows[:7]])
    assert strategy.prepared_at == [7]


def test_the_first_ask_of_a_restored_search_grows_no_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The forest of a long campaign takes longer than a proposal may."""
    rng = np.random.default_rng(0)
    rows = [
        {"x": float(x), "y": 0.1, "k": int(k), "c": "a", "z": "fixed"}
        for x, k in zip(rng.random(300), rng.integers(1, 50, 300), strict=True)
    ]
    searcher = create_searcher(PLAIN, "ambs", seed=1)
    searcher.restore(
        [Proposal(row, "design") for row in rows], [Observation(row, plain_objective(row)) for row in rows]
    )
    monkeypatch.setattr(Forest, "_grown", lambda *_: pytest.fail("a tree was grown"))
    assert {p.kind for p in searcher.ask(16)} == {"model"}


def test_scikit_learn_is_loaded_by_the_first_result_and_not_by_an_ask() -> None:
    """Creating a searcher and the first proposals do not wait for it; neither does the first model."""
    program = (
        "import sys\n"
        "from ambs_hpc.records import Observation\n"
        "from ambs_hpc.search import create_searcher\n"
        "searcher = create_searcher({'x': (0.0, 1.0)}, 'ambs')\n"
        "asked = searcher.ask(2)\n"
        "print('sklearn' in sys.modules)\n"
        "searcher.tell([Observation(asked[0].configuration, 1.0)])\n"
        "print('sklearn.tree' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
