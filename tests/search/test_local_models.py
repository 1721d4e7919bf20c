"""Which of the two local processes proposes: the one that orders better, and not ranks on a plateau."""

from __future__ import annotations

import numpy as np
import pytest

from ambs_hpc.problem.space import build_space
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.forest import Forest, Growth
from ambs_hpc.search.history import History
from ambs_hpc.search.local_gp import LocalGp, order_skill
from ambs_hpc.search.local_models import LocalModels
from ambs_hpc.search.objective_transform import ADAPTIVE

GROWTH = Growth("extra", 4, 1, 0.1, 2000, "half_rank", "believer", 5)


def known(results: int) -> tuple[Encoding, History, Forest]:
    """A valley, seen at random places."""
    encoding = Encoding(build_space({"x": (0.0, 1.0), "y": (0.0, 1.0)}))
    history = History(encoding.dimensions)
    for x, y in np.random.default_rng(0).random((results, 2)):
        row = encoding.encode({"x": float(x), "y": float(y)})
        history.observe(row, (float(x) - 0.3) ** 2 + (float(y) - 0.6) ** 2)
    forest = Forest(GROWTH, encoding, 0)
    forest.update(history)
    return encoding, history, forest


def share_of_ranks(history: History, forest: Forest, models: LocalModels, stagnation: float) -> float:
    """Among two hundred draws."""
    rng = np.random.default_rng(1)
    first = models.first(forest).process
    drawn = [models.draw(history, forest, stagnation, rng).process is not first for _ in range(200)]
    return float(np.mean(drawn))


def test_the_order_of_the_best_is_what_skill_judges() -> None:
    """All right is 1, all wrong is -1; pairs without one of the best do not count."""
    t = np.arange(16.0)
    assert order_skill(t, t**3) == 1.0
    assert order_skill(t, -t) == -1.0
    assert order_skill(t, np.concatenate([t[:5], t[:4:-1]])) == 1.0
    assert order_skill(np.zeros(16), t) == 0.0


@pytest.mark.parametrize(("skills", "expected"), [((0.9, 0.7), 0.0), ((0.7, 0.9), 1.0), ((0.8, 0.8), 0.4)])
def test_the_process_that_orders_better_proposes_more(
    skills: tuple[float, float], expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of half ranks and ranks, whatever they order."""
    encoding, history, forest = known(40)
    models = LocalModels(encoding, 0, 30, ADAPTIVE)
    by_scale = dict(zip(("half_rank", "rank"), skills, strict=True))
    monkeypatch.setattr(LocalGp, "skill", property(lambda self: by_scale[self._transform]))
    assert share_of_ranks(history, forest, models, 0.0) == pytest.approx(expected, abs=0.1)


def test_ranks_leave_a_search_that_gets_nowhere() -> None:
    """They would see progress in the fifth digit for ever."""
    encoding, history, forest = known(40)
    models = LocalModels(encoding, 0, 30, ADAPTIVE)
    assert share_of_ranks(history, forest, models, 1.0) == 0.0


def test_a_smooth_valley_is_left_to_distances() -> None:
    """Without noise the process on distances predicts the bottom; that on ranks bends it."""
    encoding, history, forest = known(60)
    models = LocalModels(encoding, 0, 60, ADAPTIVE)
    assert share_of_ranks(history, forest, models, 0.0) < 0.3


def test_one_transform_has_one_process() -> None:
    """On the scale of the forest."""
    encoding, history, forest = known(40)
    models = LocalModels(encoding, 0, 30, "half_rank")
    assert share_of_ranks(history, forest, models, 0.0) == 0.0
    assert models.draw(history, forest, 0.0, np.random.default_rng(0)).scale is forest.scale
