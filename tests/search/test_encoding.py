"""Rows of numbers stand for configurations, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import Categorical, Configuration, ConfigurationSpace, Float

from ambs_hpc.problem.space import build_space
from ambs_hpc.search.encoding import Encoding
from tests.search.spaces import PLAIN, rich_space


def drawn(encoding: Encoding, count: int) -> np.ndarray:
    return encoding.from_uniform(np.random.default_rng(0).random((count, encoding.dimensions)))


def is_legal(space: ConfigurationSpace, configuration: dict) -> bool:
    try:
        Configuration(space, values=configuration)
    except ValueError:
        return False
    return True


def test_rows_are_legal_exactly_when_the_space_says_so() -> None:
    """Our masks replace ConfigSpace's per-configuration checks, so they must agree on each one."""
    space = rich_space()
    encoding = Encoding(space)
    V = drawn(encoding, 3000)
    allowed = encoding.constraints.allowed(V)
    assert 0.2 < allowed.mean() < 0.9
    assert [is_legal(space, encoding.configuration(row)) for row in V] == list(allowed)


def test_configurations_survive_the_way_there_and_back() -> None:
    """A told configuration is recognised by its bytes."""
    encoding = Encoding(rich_space())
    V = drawn(encoding, 500)
    back = np.array([encoding.encode(encoding.configuration(row)) for row in V])
    assert back.tobytes() == V.tobytes()


def test_positions_lead_back_to_the_same_values() -> None:
    """A candidate that was not moved is the configuration it came from."""
    encoding = Encoding(rich_space())
    V = drawn(encoding, 500)
    np.testing.assert_allclose(encoding.from_positions(encoding.positions(V)), V, rtol=1e-12)


def test_values_are_plain_python() -> None:
    """They are stored as JSON and handed to users' functions."""
    encoding = Encoding(rich_space())
    kinds = {type(value) for row in drawn(encoding, 50) for value in encoding.configuration(row).values()}
    assert kinds == {bool, int, float, str}


def test_uniform_points_give_each_whole_value_its_share() -> None:
    """Without half a step beyond the bounds, the first and last value would come half as often."""
    encoding = Encoding(build_space({"k": (1, 4)}))
    values, counts = np.unique(drawn(encoding, 4000), return_counts=True)
    assert list(values) == [1.0, 2.0, 3.0, 4.0]
    assert counts.min() > 850


def test_weights_of_choices_are_honoured() -> None:
    """A choice of weight zero is legal but is never drawn."""
    encoding = Encoding(ConfigurationSpace({"c": Categorical("c", ["a", "b", "d"], weights=[0, 1, 3])}))
    values, counts = np.unique(drawn(encoding, 4000), return_counts=True)
    assert list(values) == [1.0, 2.0]
    assert 0.7 < counts[1] / 4000 < 0.8


def test_true_and_one_are_different_choices() -> None:
    """Python finds them equal; a configuration must not change on its way."""
    encoding = Encoding(ConfigurationSpace({"f": Float("f", (0, 1)), "c": Categorical("c", ["1", "True"])}))
    assert encoding.configuration(encoding.encode({"f": 0.5, "c": "True"})) == {"f": 0.5, "c": "True"}


def test_a_missing_active_parameter_is_named() -> None:
    """Foreign configurations are told by hand."""
    with pytest.raises(ValueError, match="'k' is missing"):
        Encoding(build_space(PLAIN)).encode({"x": 0.5, "y": 0.1, "c": "a", "z": "fixed"})


def test_an_unknown_choice_is_named() -> None:
    """The message lists what is accepted."""
    with pytest.raises(ValueError, match=r"'c': 'q' is none of its choices \['a', 'b', 'c'\]"):
        Encoding(build_space(PLAIN)).encode({"x": 0.5, "y": 0.1, "k": 3, "c": "q", "z": "fixed"})


def test_inactive_parameters_of_a_foreign_configuration_are_ignored() -> None:
    """They make no difference to what was evaluated."""
    encoding = Encoding(rich_space())
    base = {"units": 50, "optimizer": "none", "order": 8, "warm": True, "data": "digits"}
    assert encoding.encode({**base, "rate": 0.5}).tobytes() == encoding.encode(base).tobytes()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"x": 1.5}, "'x': 1.5 is none of its numbers from 0 to 1"),
        ({"x": float("nan")}, "'x': nan"),
        ({"x": "0.5"}, "'x': '0.5'"),
        ({"k": 51}, "'k': 51 is none of its whole numbers from 1 to 50"),
        ({"k": 2.5}, "'k': 2.5"),
        ({"k": True}, "'k': True"),
        ({"x": None}, "'x': a parameter's value must be"),
        ({"rates": 0.1}, "no parameter 'rates'"),
    ],
)
def test_what_is_outside_the_space_is_refused_in_words(changed: dict, words: str) -> None:
    """A value that was silently moved would be learned for another configuration."""
    inside = {"x": 0.5, "y": 0.1, "k": 3, "c": "a", "z": "fixed"}
    with pytest.raises(ValueError, match=r"none of|no parameter|must be") as told:
        Encoding(build_space(PLAIN)).encode({**inside, **changed})
    assert words in str(told.value)


def test_numbers_of_numpy_and_a_hair_outside_a_bound_are_taken() -> None:
    """Both come from other libraries' configurations."""
    encoding = Encoding(build_space(PLAIN))
    row = encoding.encode({"x": 0.5, "y": 1.0, "k": 3, "c": "a", "z": "fixed"})
    told = {
        "x": np.float32(0.5),
        "y": 1.0 + 1e-13,
        "k": np.int64(3),
        "c": np.str_("a"),
        "z": np.str_("fixed"),
    }
    assert encoding.encode(told).tobytes() == row.tobytes()


def test_many_choices_make_few_features_that_tell_them_apart() -> None:
    """Thirty parameters of fifty choices would be 1500 features of every candidate."""
    encoding = Encoding(build_space({f"c{i}": [f"v{k}" for k in range(50)] for i in range(30)}))
    V = drawn(encoding, 300)
    X = encoding.features(V)
    assert X.shape == (300, 180)
    assert len(np.unique(X, axis=0)) == len(np.unique(V, axis=0))
