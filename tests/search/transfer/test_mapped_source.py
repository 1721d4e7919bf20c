"""Observations of another problem stand where this problem would have them, or are counted out."""

from __future__ import annotations

import numpy as np
import pytest
from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

from ambs_hpc.problem import build_space
from ambs_hpc.records import Configuration, Observation, Source
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.transfer.mapped_source import MappedSource, map_source

SPACE = {"lr": (1e-4, 1e-1, "log"), "units": (8, 64), "kind": ["a", "b"], "drop": (0.0, 0.5)}


def mapped(*rows: tuple[Configuration, float | None], direction: str = "minimize") -> MappedSource:
    source = Source("old", direction, tuple(Observation(*row) for row in rows))
    return map_source(Encoding(build_space(SPACE)), source)


def test_parameters_meet_by_name() -> None:
    """What only one side has takes the default, or says nothing."""
    found = mapped(({"lr": 1e-2, "units": 16, "kind": "b", "momentum": 0.9}, 0.5))
    rows = [Encoding(build_space(SPACE)).configuration(row) for row in found.rows]
    assert rows == [{"lr": 1e-2, "units": 16, "kind": "b", "drop": 0.25}]
    assert (found.missing, found.ignored, found.refused) == (("drop",), ("momentum",), {})


def test_what_does_not_fit_is_counted_by_its_reason() -> None:
    """A person sees why a source is of less use than they thought, whatever the values were."""
    found = mapped(
        ({"lr": 0.5, "units": 16, "kind": "a"}, 1.0),
        ({"lr": 0.7, "units": 16, "kind": "a"}, 1.0),
        ({"lr": 1e-2, "units": 16, "kind": "c"}, 1.0),
        ({"lr": 1e-2, "units": 16, "kind": "a"}, 1.0),
    )
    assert found.refused == {
        "parameter 'lr': none of its numbers from 0.0001 to 0.1": 2,
        "parameter 'kind': none of its choices ['a', 'b']": 1,
    }
    assert len(found.rows) == 1


def test_the_last_of_equal_rows_counts_and_failures_stay() -> None:
    """An evaluation that ran again says what is true now; a failure is a result too."""
    good = {"lr": 1e-2, "units": 16, "kind": "a"}
    found = mapped((good, 0.5), ({**good, "units": 8}, None), (good, 0.7), direction="maximize")
    assert np.array_equal(found.objectives, [np.nan, -0.7], equal_nan=True)
    assert found.successes == 1


@pytest.mark.parametrize("given", [{"kind": "deep"}, {"kind": "deep", "layers": 3}])
def test_conditions_are_those_of_the_new_problem(given: Configuration) -> None:
    """A source without conditions has values that are inactive here, and lacks some that are active."""
    space = ConfigurationSpace()
    kind, layers = Categorical("kind", ["flat", "deep"], default="flat"), Integer("layers", (2, 9), default=3)
    space.add(kind, layers, Float("lr", (0.0, 1.0), default=0.5))
    space.add(EqualsCondition(layers, kind, "deep"))
    encoding = Encoding(space)
    source = Source(
        "old", "minimize", (Observation(given, 1.0), Observation({"kind": "flat", "layers": 9}, 2.0))
    )
    rows = [encoding.configuration(row) for row in map_source(encoding, source).rows]
    assert rows == [{"kind": "deep", "layers": 3, "lr": 0.5}, {"kind": "flat", "lr": 0.5}]
