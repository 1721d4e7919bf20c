"""Evaluations as the columns that rules are about: their parameters, and the nodes they ran on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ambs_hpc.insight.rule_conditions import RuleColumn
from ambs_hpc.problem.space import space_from_json
from ambs_hpc.records import Configuration, Value
from ambs_hpc.search.encoding import Encoding

NODE = "node"


def evaluation_columns(
    space: Mapping[str, object], configurations: Sequence[Configuration], nodes: Sequence[str]
) -> list[RuleColumn]:
    """The columns of all parameters that vary, and of the nodes.

    Args:
        space: in its serialised form; all configurations lie in it.
        nodes: of each evaluation; "" where it is not known.
    """
    built = space_from_json(space)
    encoding, parents_of = Encoding(built), built.parents_of
    V = np.array([encoding.encode(one) for one in configurations]).reshape(-1, encoding.dimensions)
    columns = []
    for j, name in enumerate(encoding.names):
        values = encoding.range(j)
        parents = tuple(one.name for one in parents_of[name])
        listed = encoding.choices(j)
        columns.append(RuleColumn(name, V[:, j], listed, not values.is_choice, values.is_whole, parents))
    names: list[Value] = [*sorted(set(nodes) - {""})]
    places = {node: float(place) for place, node in enumerate(names)}
    of_nodes = np.array([places.get(node, np.nan) for node in nodes])
    if len(names) > 1 and not np.isnan(of_nodes).any():
        columns.append(RuleColumn(NODE, of_nodes, names, is_ordered=False, is_whole=True))
    return columns
