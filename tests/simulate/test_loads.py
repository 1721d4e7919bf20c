"""Run times, objectives and spaces are what their names promise."""

from __future__ import annotations

import numpy as np
import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.problem import build_space
from ambs_hpc.records import Value
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.simulate.durations import (
    ByConfiguration,
    Constant,
    LogNormal,
    Normal,
    read_run_time,
    recurrent_network_seconds,
)
from ambs_hpc.simulate.loads import LOADS, named_load
from ambs_hpc.simulate.objectives import Bowl, ackley, minus_ackley, sphere
from ambs_hpc.simulate.spaces import PlainSpace, box, published_space

PUBLISHED = {
    "rnn1": 9,
    "rnn2": 8,
    "mnistmlp": 8,
    "mnistcnn": 12,
    "cifar10cnn": 12,
    "gcn": 10,
    "babi_rnn": 10,
    "capsule": 11,
    "combo": 22,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_spaces_have_their_dimensions(name: str) -> None:
    """A parameter lost in copying would make the problem easier than the published one."""
    assert len(build_space(published_space(name))) == PUBLISHED[name]


def test_an_unknown_space_is_told() -> None:
    """A slip of the pen must name what there is."""
    with pytest.raises(UsageError, match="rnn2"):
        published_space("rnn3")


def test_known_optima() -> None:
    """Regret is measured against these."""
    origin = {f"x{index}": 0.0 for index in range(5)}
    assert ackley(origin) == pytest.approx(0.0, abs=1e-12)
    assert minus_ackley({**origin, "x3": 32.768}) < -10
    assert sphere({"x0": 3.0, "x1": 4.0}) == 25.0
    assert len(box(5, -1.0, 1.0)) == 5


def test_a_bowl_has_one_best_configuration() -> None:
    """Every parameter counts: else the pretended accuracy could be reached by chance."""
    space = {"a": (0, 10), "b": (1e-4, 1.0, "log"), "c": ["u", "v", "w"]}
    bowl = Bowl(space)
    values = [
        (bowl({"a": a, "b": 10 ** (-b / 25), "c": c}), a, c)
        for a in range(11)
        for b in range(101)
        for c in "uvw"
    ]
    assert 0.95 < max(values)[0] <= 1.0
    assert len({(a, c) for value, a, c in values if value > 0.95 * max(values)[0]}) < 6


def test_run_times_follow_their_law() -> None:
    """The published row is compared with evaluations of just these lengths."""
    random = np.random.default_rng(1)
    normal = [Normal(60, 20).seconds({}, random) for _ in range(4000)]
    assert np.mean(normal) == pytest.approx(60, abs=1.5)
    assert np.std(normal) == pytest.approx(20, abs=1.5)
    assert min(Normal(0, 1).seconds({}, random) for _ in range(100)) > 0
    assert np.median([LogNormal(600, 0.5).seconds({}, random) for _ in range(4000)]) == pytest.approx(
        600, rel=0.05
    )
    assert Constant(7.0).seconds({}, random) == 7.0


def test_a_cap_makes_many_end_together() -> None:
    """That is the load which stalled the published search."""
    random = np.random.default_rng(2)
    model = ByConfiguration(recurrent_network_seconds, cap=600.0)
    draws = [
        model.seconds(
            {
                "epochs": int(random.integers(5, 501)),
                "nhidden": int(random.integers(1, 101)),
                "batch_size": int(random.integers(8, 1025)),
                "rnn_type": str(random.choice(["LSTM", "GRU", "SimpleRNN"])),
            },
            random,
        )
        for _ in range(2000)
    ]
    together = np.mean([600 <= draw < 605 for draw in draws])
    assert 0.8 < together < 0.92
    assert min(draws) < 200


def test_run_times_are_read_from_words() -> None:
    """Another load's run times can be tried without a line of Python."""
    assert read_run_time("constant:60") == Constant(60.0)
    assert read_run_time("normal:60,20") == Normal(60.0, 20.0)
    assert read_run_time("lognormal:600,0.5") == LogNormal(600.0, 0.5)


@pytest.mark.parametrize(
    "text", ["60", "normal:60", "normal:a,b", "constant:0", "uniform:1,2", "normal:60,-1"]
)
def test_wrong_run_times_are_refused(text: str) -> None:
    """The message shows the form that is wanted."""
    with pytest.raises(UsageError, match="normal:60,20"):
        read_run_time(text)


@pytest.mark.parametrize("name", LOADS)
def test_every_load_evaluates_every_configuration(name: str) -> None:
    """A load that fails on some configurations would stop a simulation in its second hour."""
    load = named_load(name)
    random = np.random.default_rng(4)
    for configuration in drawn(load.space, 50):
        assert np.isfinite(load.objective(configuration))
        assert 0 < load.run_time.seconds(configuration, random) < 1e5


@pytest.mark.parametrize(("name", "share"), [("mnistmlp", 0.015), ("mnistcnn", 0.112), ("gcn", 0.012)])
def test_good_configurations_are_as_rare_as_published(name: str, share: float) -> None:
    """The comparison of methods is of shares of good configurations."""
    load = named_load(name)
    good = np.mean([load.objective(one) > 0.8 for one in drawn(load.space, 4000)])
    assert share / 3 < good < 2 * share


def drawn(space: PlainSpace, count: int) -> list[dict[str, Value]]:
    """Configurations from the whole space."""
    encoding = Encoding(build_space(space))
    rows = encoding.from_uniform(np.random.default_rng(5).random((count, encoding.dimensions)))
    return [encoding.configuration(row) for row in rows]
