"""A search notices when it gets nowhere, and looks where the best is not."""

from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace, InCondition

from ambs_hpc.problem.space import build_space
from ambs_hpc.records import Observation
from ambs_hpc.search import create_searcher
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import History
from ambs_hpc.search.sampling.holes import distances_to_known
from ambs_hpc.search.sampling.niches import draw_niche
from ambs_hpc.search.stagnation import PATIENCE, Stagnation, last_progress

LARGEST_GAP = 0.2
SPACE = {"kernel": ["flat", "deep"], "x": (0.0, 1.0)}


def history_of(objectives: list[float]) -> History:
    encoding = Encoding(build_space({"x": (0.0, 1.0)}))
    history = History(encoding.dimensions)
    for index, y in enumerate(objectives):
        history.observe(encoding.encode({"x": index / 1000.0}), y)
    return history


@pytest.mark.parametrize(
    ("objectives", "place"),
    [
        ([np.nan, 3.0, 2.0, np.nan, 1.0, 1.5], 4),
        ([*[3.0] * 8, 1.0, 0.9999, 0.9998, 0.9997], 8),  # a plateau
        ([*[2.0] * 8, 1.0, *(1.0 - 0.004 * step for step in range(1, 7))], 14),  # small steps add up
        ([1.0, 1.0, 1.0], 0),
    ],
)
def test_only_what_matters_is_progress(objectives: list[float], place: int) -> None:
    """A hundredth of what the search has gained since its first values."""
    assert last_progress(np.array(objectives)) == place


def test_level_rises_and_falls_again() -> None:
    """Zero while there is progress; less when it was tried for long; what is pending was not tried yet."""
    stagnation = Stagnation(1)
    levels = [stagnation.level(history_of([3.0, 2.0, 1.0, *[2.0] * tried])) for tried in (0, 4, 32, 100)]
    assert levels == [0.0, 0.0, 1.0, pytest.approx(0.3)]
    waiting = history_of([3.0, 2.0, 1.0, *[2.0] * (2 * PATIENCE)])
    for index in range(2 * PATIENCE):
        waiting.propose(np.array([0.5 + index / 1000.0]), None)
    assert stagnation.level(waiting) == 0.0


@pytest.mark.parametrize(
    ("tried", "expected", "effort"), [(0, 0.5, 0.0), (0, 0.999, 1.0), (100, 0.999, pytest.approx(0.3))]
)
def test_a_model_that_expects_no_progress_is_left_at_once(tried: int, expected: float, effort: float) -> None:
    """Its optimum is found: waiting for the results that show it would cost a small budget."""
    history = history_of([3.0, 2.0, 1.0, *[2.0] * tried])
    assert Stagnation(1).effort(history, expected) == effort


def test_holes_are_far_from_what_was_tried_and_from_what_is_pending() -> None:
    """Else all slots of a large machine would fill the same hole."""
    encoding = Encoding(build_space({"x": (0.0, 1.0)}))
    history = history_of([1.0, 2.0])  # near 0
    history.propose(encoding.encode({"x": 1.0}), None)
    far = distances_to_known(encoding, history, np.array([[0.1], [0.5], [0.9]]))
    assert far == pytest.approx([0.099, 0.499, 0.1])


def test_in_two_parameters_no_large_hole_is_left_beside_a_basin() -> None:
    """A broad basin took nearly all of fifty evaluations, where random points found the deeper one."""
    searcher = create_searcher({"x": (0.0, 1.0), "y": (0.0, 1.0)}, "ambs", "minimize", 1)
    tried = []
    for _ in range(12):
        proposals = searcher.ask(4)
        tried += [(one.configuration["x"], one.configuration["y"]) for one in proposals]
        searcher.tell(
            [
                Observation(one.configuration, (one.configuration["x"] - 0.8) ** 2 + one.configuration["y"])
                for one in proposals
            ]
        )
    grid = np.stack(np.meshgrid(*[np.linspace(0.1, 0.9, 9)] * 2), axis=-1).reshape(-1, 1, 2)
    gaps = np.linalg.norm(grid - np.array(tried, dtype=np.float64), axis=2).min(axis=1)
    assert gaps.max() < LARGEST_GAP
    best = searcher.best()
    assert best is not None
    assert best.objective < 1e-3


def test_niches_are_what_was_seen_least() -> None:
    """The other choice around its own best, or numbers far from the best."""
    encoding = Encoding(build_space(SPACE))
    history = History(encoding.dimensions)
    for kernel, x, y in [("flat", 0.1, 1.0), ("flat", 0.2, 0.5), ("deep", 0.9, 3.0), ("deep", 0.8, 2.0)]:
        history.observe(encoding.encode({"kernel": kernel, "x": x}), y)
    found = [draw_niche(encoding, history, np.random.default_rng(seed)) for seed in range(20)]
    niches = {(encoding.names[one.column], one.centre) for one in found if one is not None}
    assert niches == {("kernel", 3), ("x", 3)}
    rows = np.array([encoding.encode({"kernel": kernel, "x": 0.3}) for kernel in ("flat", "deep")])
    other = next(one for one in found if one is not None and one.is_choice)
    assert list(other.contains(rows)) == [False, True]
    moved = other.legal(np.random.default_rng(0), rows)
    assert {encoding.configuration(row)["kernel"] for row in moved} == {"deep"}


def test_a_branch_that_is_opened_is_looked_at_everywhere() -> None:
    """What becomes active by another choice has no value yet."""
    space = ConfigurationSpace({"k": ["a", "b"], "x": (0.0, 1.0)})
    space.add(InCondition(space["x"], space["k"], ["b"]))
    encoding = Encoding(space)
    history = History(encoding.dimensions)
    history.observe(encoding.encode({"k": "a"}), 0.0)
    niche = draw_niche(encoding, history, np.random.default_rng(0))
    assert niche is not None
    rows = niche.legal(np.random.default_rng(1), np.repeat(history.rows[:1], 50, axis=0))
    values = [float(encoding.configuration(row)["x"]) for row in rows]
    assert min(values) < 0.2
    assert max(values) > 0.8


def test_what_was_replaced_is_no_progress() -> None:
    """A wrong value that ran again must not be what all later ones are measured by."""
    values = [float(2.0 + index % 7) for index in range(600)]
    values[300] = -1e6
    history = history_of(values)
    history.observe(history.rows[300].copy(), 1.5)
    for index, y in enumerate(np.linspace(1.4, 0.5, 40)):
        history.observe(np.array([0.9 + index / 1000.0]), float(y))
    assert Stagnation(1).level(history) == 0.0


def test_every_success_may_be_forgotten() -> None:
    """Then there is no model any more: none of them may stay in place as one of a few replaced rows."""
    history = history_of([1.0 if index in (7, 9) else np.nan for index in range(600)])
    history.forget([history.rows[7].tobytes(), history.rows[9].tobytes()])
    assert (history.successes, history.failures, history.count) == (0, 598, 598)


def test_a_plateau_is_left() -> None:
    """One choice is never better than 0.3, the other has a narrow optimum that a design easily misses."""

    def value(configuration: dict[str, object]) -> float:
        x = float(configuration["x"])  # type: ignore[arg-type]
        if configuration["kernel"] == "flat":
            return 0.3 + 1e-5 * abs(x - 0.5)
        return min(1.0, 60.0 * (x - 0.37) ** 2)

    best = []
    for seed in range(5):
        searcher = create_searcher(build_space(SPACE), "ambs", seed=seed)
        values = []
        for _ in range(90):
            (proposal,) = searcher.ask(1)
            values.append(value(dict(proposal.configuration)))
            searcher.tell([Observation(proposal.configuration, values[-1])])
        best.append(min(values))
    assert sorted(best)[3] < 0.05


def test_where_almost_all_fails_it_stays_near_what_does_not() -> None:
    """A model is asked after twenty evaluations, though hardly any has a value."""
    space = build_space({f"x{index}": (0.0, 1.0) for index in range(6)})
    searcher = create_searcher(space, "ambs", seed=3)
    kinds, worked = [], 0
    for _ in range(150):
        (proposal,) = searcher.ask(1)
        kinds.append(proposal.kind)
        configuration = proposal.configuration
        inside = all(0.2 < float(configuration[f"x{index}"]) < 0.6 for index in range(3))
        worked += inside
        value = sum(float(x) for x in configuration.values()) if inside else None
        searcher.tell([Observation(configuration, value)])
    assert kinds[:13] == ["design"] * 13
    assert "model" in kinds[:60]
    assert worked > 50  # a random search would have about ten
