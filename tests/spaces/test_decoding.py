"""Blocks become conditional parameters, and every configuration becomes the layers that were meant."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ConfigSpace import Float

from ambs_hpc import Problem
from ambs_hpc.errors import ProblemError
from ambs_hpc.problem.space import space_from_json, space_to_json
from ambs_hpc.search import create_searcher
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.spaces import Architecture, Cell, CellGraph, EdgeCell, EdgeGraph, Layers

DENSE = {"op": {"dense": {"units": (8, 256, "log"), "act": ["relu", "tanh"]}, "identity": {}}}


def everything() -> Architecture:
    return Architecture(
        {
            "lr": Float("any", (1e-4, 1e-1), log=True, default=1e-2),
            "opt": {"sgd": {"momentum": (0.0, 0.99)}, "adam": {}},
            "body": Layers(0, 3, {**DENSE, "drop": (0.0, 0.5)}),
            "cell": Cell(2, 5, {"kind": {"a": {"deep": {"x": {"q": (0.0, 1.0)}, "y": {}}}, "b": {}}}),
            "stack": Layers(1, 2, {"inner": Cell(3, 3, {"w": (1, 9)}, longest_skip=2)}),
            "edge": EdgeCell(2, {"op": ["none", "skip", "conv"]}),
        }
    )


def drawn(architecture: Architecture, number: int) -> list[dict[str, object]]:
    encoding = Encoding(architecture.configuration_space)
    V = encoding.from_uniform(np.random.default_rng(3).random((number, encoding.dimensions)))
    return [encoding.configuration(row) for row in V]


def test_every_configuration_is_read_and_written_alike() -> None:
    """What a person writes as a starting point is what the objective gets, for all blocks in each other."""
    architecture = everything()
    for configuration in drawn(architecture, 300):
        assert architecture.encode(architecture.decode(configuration)) == configuration


def test_a_configuration_is_a_list_of_layers() -> None:
    """The objective builds from it without knowing how parameters are called."""
    architecture = Architecture({"lr": (0.1, 1.0), "body": Layers(1, 3, DENSE)})
    configuration = {
        "lr": 0.5,
        "body_count": 2,
        "body_1_op": "dense",
        "body_1_op_dense_units": 64,
        "body_1_op_dense_act": "relu",
        "body_2_op": "identity",
    }
    assert architecture.decode(configuration) == {
        "lr": 0.5,
        "body": [{"op": "dense", "units": 64, "act": "relu"}, {"op": "identity"}],
    }


def test_parameters_of_absent_layers_are_inactive() -> None:
    """The search must not spend evaluations on values that nothing reads."""
    architecture = Architecture({"body": Layers(1, 3, {"units": (1, 9)})})
    assert {tuple(sorted(one)) for one in drawn(architecture, 60)} == {
        ("body_1_units", "body_count"),
        ("body_1_units", "body_2_units", "body_count"),
        ("body_1_units", "body_2_units", "body_3_units", "body_count"),
    }


def test_a_fixed_number_of_layers_is_no_parameter() -> None:
    """There is nothing to choose."""
    architecture = Architecture({"body": Layers(2, 2, {"units": (1, 9)})})
    assert set(architecture.configuration_space) == {"body_1_units", "body_2_units"}


def test_cells_tell_who_gets_whose_output() -> None:
    """As lists of inputs, which a network is built from, and as the matrix of the literature."""
    cell = CellGraph([{"u": 1}, {"u": 2}, {"u": 3}], [(0, 3), (0, 2)])
    assert cell.inputs == [[0], [0, 1], [0, 2]]
    assert cell.adjacency == [[0, 1, 1, 1], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    architecture = Architecture({"cell": Cell(1, 4, {"u": (1, 9)}, longest_skip=2)})
    written = architecture.encode({"cell": CellGraph([{"u": 1}, {"u": 2}, {"u": 3}], [(1, 3)])})
    assert {name: value for name, value in written.items() if "skip" in name} == {
        "cell_2_skip_0": False,
        "cell_3_skip_1": True,
    }
    assert architecture.decode(written)["cell"].skips == [(1, 3)]


def test_edges_are_told_by_the_node_they_lead_to() -> None:
    """A node sums what its edges make of earlier nodes."""
    configuration = {"e_0_1_op": "conv", "e_0_2_op": "skip", "e_1_2_op": "none"}
    graph = Architecture({"e": EdgeCell(2, {"op": ["none", "skip", "conv"]})}).decode(configuration)["e"]
    assert isinstance(graph, EdgeGraph)
    assert graph.of_node(2) == {0: {"op": "skip"}, 1: {"op": "none"}}


def test_it_is_the_space_of_a_problem() -> None:
    """Stored as any other, with ConfigSpace's own parameters as they were, under the name of their place."""
    architecture = everything()
    problem = Problem(name="net", space=architecture, objective="model:train")
    stored = space_from_json(space_to_json(problem.configuration_space))
    assert stored == architecture.configuration_space
    assert stored["lr"].default_value == 1e-2
    proposals = create_searcher(stored, seed=1).ask(30)
    assert all(architecture.decode(one.configuration)["cell"].nodes for one in proposals)


MISTAKES = [
    (lambda: Layers(3, 2, {}), "Layers: has the numbers 3 and 2. Give whole numbers, minimum <= maximum"),
    (lambda: Layers(0, 0, {}), "has the numbers 0 and 0"),
    (lambda: Layers(1, 2.0, {}), "has the numbers 1 and 2.0"),
    (lambda: Layers(1, 2, ["relu"]), "Layers: is ['relu']. Give a dict from names"),
    (lambda: Cell(1, 3, {}, longest_skip=1), "longest_skip 1. Give a whole number from 2"),
    (lambda: EdgeCell(0, {}), "EdgeCell: has 0 nodes. Give a whole number from 1 to 45"),
    (lambda: Layers(1, 2, {"op": {}}), "Layers['op']: has no kinds"),
    (
        lambda: Layers(1, 2, {"op": {"dense": {"units": (1, 9)}}, "units": (1, 9)}),
        "Layers['op']['dense']: has the name 'units', which something beside 'op' has too",
    ),
    (
        lambda: Architecture({"a": Layers(1, 2, {}), "a_count": 3}).configuration_space,
        "has two parameters of the name 'a_count'",
    ),
    (
        lambda: Architecture({"a": Layers(1, 2, {"units": (9, 1)})}).configuration_space,
        "space['a_1_units']: has the low bound 9 and the high bound 1",
    ),
    (
        lambda: Problem("p", {"a": Layers(1, 2, {})}, "m:f"),
        "space['a']: is the block Layers. Write space=Architecture({...}) of",
    ),
]


@pytest.mark.parametrize(("make", "words"), MISTAKES)
def test_mistakes_are_named(make: object, words: str) -> None:
    """With the place where they stand."""
    with pytest.raises(ProblemError) as caught:
        make()  # type: ignore[operator]
    assert words in str(caught.value)


WRONG_VALUES = [
    ({"lr": 1.0}, "lack 'body'"),
    ({"lr": 1.0, "body": []}, "body: is []. Give a list of 1 to 2 dicts"),
    ({"lr": 1.0, "body": [{"op": "dens"}]}, "body_1_op: is 'dens'. Did you mean 'dense'?"),
    ({"lr": 1.0, "body": [{"op": "dense", "units": 9}]}, "body_1_op_dense: lack 'act'. Give all of"),
    ({"lr": 1.0, "body": [{"op": "identity", "units": 9}]}, "body_1: have 'units'. Accepted: op."),
    ({"lr": 2.0, "body": [{"op": "identity"}]}, "is not in the space"),
]


@pytest.mark.parametrize(("values", "words"), WRONG_VALUES)
def test_wrong_starting_points_are_refused(values: dict[str, object], words: str) -> None:
    """Before anything runs."""
    architecture = Architecture({"lr": (0.1, 1.0), "body": Layers(1, 2, DENSE)})
    with pytest.raises(ProblemError) as caught:
        architecture.encode(values)
    assert words in str(caught.value)


def test_a_configuration_of_another_space_is_refused() -> None:
    """An objective that was changed while its campaign lives says what it misses."""
    architecture = Architecture({"body": Layers(1, 2, {"units": (1, 9)})})
    with pytest.raises(ProblemError, match="body_2_units: is missing in the configuration"):
        architecture.decode({"body_count": 2, "body_1_units": 3})


def test_evaluations_decode_without_configspace() -> None:
    """Every evaluation imports the objective's module: what it does not need costs each of them."""
    program = (
        "import sys; from ambs_hpc.spaces import Architecture, Cell\n"
        "Architecture({'c': Cell(1, 2, {'u': (1, 9)})}).decode({'c_count': 1, 'c_1_u': 3})\n"
        "print('ConfigSpace' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False False\n"
