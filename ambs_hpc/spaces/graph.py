"""What a cell is in one configuration: its nodes or edges, and who gets whose output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Values = Mapping[str, object]  # the values of a layer, node or edge, by the names of its choices


@dataclass(frozen=True)
class CellGraph:
    """A chain of nodes with skip connections.

    Node 0 is the cell's input; nodes 1, 2, ... are those of `nodes`, each of which gets the output of the one
    before it; the last one is the cell's output.

    Args:
        nodes: the values of node 1, 2, ...
        skips: further connections (from, to) with to - from >= 2.
    """

    nodes: Sequence[Values]
    skips: Sequence[tuple[int, int]] = ()

    @property
    def inputs(self) -> list[list[int]]:
        """For node 1, 2, ... the nodes whose outputs it gets, rising; the one before it is the last."""
        sources: list[list[int]] = [[] for _ in self.nodes]
        for start, end in sorted(self.skips):
            sources[end - 1].append(start)
        return [[*skipped, node] for node, skipped in enumerate(sources)]

    @property
    def adjacency(self) -> list[list[int]]:
        """(n + 1, n + 1): 1 where the node of the column gets the output of the node of the row."""
        size = len(self.nodes) + 1
        matrix = [[0] * size for _ in range(size)]
        for node, sources in enumerate(self.inputs, start=1):
            for source in sources:
                matrix[source][node] = 1
        return matrix


@dataclass(frozen=True)
class EdgeGraph:
    """Nodes of which each gets the sum of operations on all nodes before it.

    Args:
        edges: the values of the edge (from, to) for all 0 <= from < to <= n; node 0 is the cell's input,
            node n its output.
    """

    edges: Mapping[tuple[int, int], Values]

    def of_node(self, node: int) -> dict[int, Values]:
        """The edges that lead to a node, by the node they come from."""
        return {start: values for (start, end), values in self.edges.items() if end == node}
