"""When the models are made: no ask shall wait for libraries or for a restart."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from ConfigSpace import Configuration

from ambs_hpc.problem import build_space
from ambs_hpc.records import Observation, Proposal
from ambs_hpc.search import create_searcher
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Forest
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.searcher import HistorySearcher
from tests.search.spaces import PLAIN, plain_objective, rich_objective, rich_space


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


def test_the_best_and_the_history_are_told_in_the_users_units() -> None:
    """A script needs no bookkeeping of its own."""
    searcher = create_searcher({"x": (0.0, 1.0)}, "random", "maximize")
    assert searcher.best() is None
    assert list(searcher.history) == []
    asked = [p.configuration for p in searcher.ask(4)]
    told = [Observation(row, value) for row, value in zip(asked, (1.0, None, 3.0, 3.0), strict=True)]
    searcher.tell(told)
    assert list(searcher.history) == told
    assert searcher.best() == told[2]
    searcher.tell([Observation(asked[2], 0.5)])
    assert searcher.best() == told[3]
    assert list(searcher.history) == [told[0], told[1], told[3], Observation(asked[2], 0.5)]


def test_types_of_configspace_and_numpy_are_told_as_they_are() -> None:
    """ConfigSpace rounds to 13 decimals: its configuration is still the proposal that it was made from."""
    space = rich_space()
    searcher, plain = (create_searcher(space, "ambs", seed=2, design_size=4) for _ in range(2))
    for _ in range(4):
        asked = searcher.ask(4)
        assert plain.ask(4) == asked
        values = [rich_objective(p.configuration) for p in asked]
        made = [Configuration(space, values=dict(p.configuration)) for p in asked]
        searcher.tell([Observation(one, np.float64(v)) for one, v in zip(made, values, strict=True)])
        plain.tell([Observation(p.configuration, v) for p, v in zip(asked, values, strict=True)])
    assert searcher.history == plain.history


def test_what_a_clause_forbids_is_not_learned() -> None:
    """It is outside the space; so is a value beyond a bound."""
    searcher = create_searcher(rich_space(), "random")
    forbidden = {"units": 50, "optimizer": "sgd", "rate": 1e-3, "order": 2, "warm": True, "dropout": 0.5}
    forbidden["data"] = "digits"
    with pytest.raises(ValueError, match="a clause of the space forbids it"):
        searcher.tell([Observation(forbidden, 1.0)])
    with pytest.raises(ValueError, match="'units': 500 is none of its whole numbers from 1 to 100"):
        searcher.tell([Observation({**forbidden, "order": 1, "units": 500}, 1.0)])
    assert searcher.best() is None


@pytest.mark.parametrize("objective", ["0.3", [0.3], object(), 10**400])
def test_an_objective_of_another_type_is_refused_in_words(objective: object) -> None:
    """Not by a traceback from numpy."""
    searcher = create_searcher({"x": (0.0, 1.0)}, "random")
    with pytest.raises(ValueError, match="Tell a finite number"):
        searcher.tell([Observation({"x": 0.5}, objective)])


@pytest.mark.parametrize("method", ["ambs", "classic"])
@pytest.mark.filterwarnings("error")
def test_penalties_as_large_as_numbers_go_do_not_blind_the_model(method: str) -> None:
    """'Return a very high number' is what many objectives do where they fail."""

    def penalised(configuration: Configuration) -> float:
        x, y = float(configuration["x"]), float(configuration["y"])
        return sys.float_info.max if x > 0.5 else (x - 0.3) ** 2 + (y - 0.7) ** 2

    best, options = [], {"trees": 16, "candidates": 300}
    for seed in (1, 2, 3):
        searcher = create_searcher({"x": (0.0, 1.0), "y": (0.0, 1.0)}, method, seed=seed, **options)
        for _ in range(15):
            asked = searcher.ask(4)
            assert all(p.mean is None or math.isfinite(p.mean + p.std) for p in asked)
            searcher.tell([Observation(p.configuration, penalised(p.configuration)) for p in asked])
        best.append(searcher.best().objective)
    assert np.median(best) < 0.004  # 60 random points: 0.01
