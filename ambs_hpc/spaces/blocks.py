"""Blocks of an architecture: a stack of layers, and cells with skip connections or operations on edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from ambs_hpc.errors import ProblemError
from ambs_hpc.records import Configuration, Value
from ambs_hpc.spaces.graph import CellGraph, EdgeGraph
from ambs_hpc.spaces.parts import Activity, Declared, Group, below, part_of

MOST = 1000  # layers or nodes of a block


class Layers:
    """A stack of layers, each with choices of its own.

    Its value in a configuration is a list of dicts, one for each layer. The parameters of the block `body`
    are `body_count` (where the number varies) and `body_1_NAME`, `body_2_NAME`, ...; those of a layer are
    active where there are so many layers.

    Args:
        minimum, maximum: number of layers, 0 <= minimum <= maximum, 1 <= maximum <= 1000.
        choices: of each layer, by name: what a space's dict takes (`(8, 256, "log")`, `["relu", "tanh"]`, a
            value, a ConfigSpace parameter, whose name is replaced), a block, or a dict of kinds, each with
            parameters that are there where it is chosen: `{"dense": {"units": (8, 256)}, "identity": {}}`.

    Raises:
        ProblemError: names what is wrong and what is accepted.
    """

    def __init__(self, minimum: int, maximum: int, choices: Mapping[str, object]) -> None:
        name = type(self).__name__
        for one, lowest in ((minimum, 0), (maximum, max(1, minimum if _is_count(minimum) else 0))):
            if not _is_count(one) or not lowest <= one <= MOST:
                raise ProblemError(
                    "problem",
                    name,
                    f"has the numbers {minimum!r} and {maximum!r}",
                    f"Give whole numbers, minimum <= maximum, from 0 and from 1 to {MOST}",
                )
        self.minimum, self.maximum = minimum, maximum
        self._group = Group(choices, name)

    def declare(self, prefix: str, activity: Activity | None) -> Iterator[Declared]:
        count = below(prefix, "count")
        if self.minimum < self.maximum:
            yield from part_of(count, (self.minimum, self.maximum), count).declare(count, activity)
        for number in range(1, self.maximum + 1):
            is_there = activity if number <= self.minimum else Activity(count, number - 1, is_above=True)
            yield from self._declare_one(prefix, number, is_there)

    def read(self, prefix: str, configuration: Configuration) -> object:
        return self._read_all(prefix, configuration)

    def write(self, prefix: str, value: object) -> dict[str, Value]:
        if not isinstance(value, list | tuple) or not self.minimum <= len(value) <= self.maximum:
            raise ProblemError(
                "architecture",
                prefix,
                f"is {value!r}",
                f"Give a list of {self.minimum} to {self.maximum} dicts",
            )
        written: dict[str, Value] = {}
        if self.minimum < self.maximum:
            written[below(prefix, "count")] = len(value)
        for number, one in enumerate(value, start=1):
            written |= self._group.write(below(prefix, number), one)
        return written

    def _declare_one(self, prefix: str, number: int, activity: Activity | None) -> Iterator[Declared]:
        yield from self._group.declare(below(prefix, number), activity)

    def _read_all(self, prefix: str, configuration: Configuration) -> list[dict[str, object]]:
        is_fixed = self.minimum == self.maximum
        count = self.maximum if is_fixed else int(configuration[below(prefix, "count")])
        return [self._group.read(below(prefix, number), configuration) for number in range(1, count + 1)]


class Cell(Layers):
    """A chain of nodes, as Layers, in which a node may also get the output of an earlier one.

    Its value in a configuration is a CellGraph. The skip connection from node 1 to node 3 of the block `cell`
    is the parameter `cell_3_skip_1`, true or false, and active where there is a node 3. Node 0 is the input.

    Args:
        minimum, maximum, choices: of the nodes, as of Layers.
        longest_skip: nodes that a connection goes forward at most, >= 2; None for any number.

    Raises:
        ProblemError: names what is wrong and what is accepted.
    """

    def __init__(
        self, minimum: int, maximum: int, choices: Mapping[str, object], *, longest_skip: int | None = None
    ) -> None:
        super().__init__(minimum, maximum, choices)
        if longest_skip is not None and (not _is_count(longest_skip) or longest_skip < 2):
            raise ProblemError(
                "problem", "Cell", f"has longest_skip {longest_skip!r}", "Give a whole number from 2, or None"
            )
        self.longest_skip = longest_skip

    def read(self, prefix: str, configuration: Configuration) -> CellGraph:
        nodes = self._read_all(prefix, configuration)
        skips = [
            (start, end)
            for end in range(1, len(nodes) + 1)
            for start in self._starts(end)
            if configuration[_skip(prefix, start, end)]
        ]
        return CellGraph(nodes, skips)

    def write(self, prefix: str, value: object) -> dict[str, Value]:
        if not isinstance(value, CellGraph):
            raise ProblemError("architecture", prefix, f"is {value!r}", "Give a CellGraph(nodes, skips)")
        written = super().write(prefix, list(value.nodes))
        possible = [(start, end) for end in range(1, len(value.nodes) + 1) for start in self._starts(end)]
        wrong = sorted(set(value.skips) - set(possible))
        if wrong:
            raise ProblemError(
                "architecture",
                prefix,
                f"has the skip connection {wrong[0]}",
                f"Possible ones, from and to: {', '.join(map(str, possible)) or 'none'}",
            )
        return {
            **written,
            **{_skip(prefix, start, end): (start, end) in value.skips for start, end in possible},
        }

    def _declare_one(self, prefix: str, number: int, activity: Activity | None) -> Iterator[Declared]:
        yield from super()._declare_one(prefix, number, activity)
        for start in self._starts(number):
            name = _skip(prefix, start, number)
            yield from part_of(name, [False, True], name).declare(name, activity)

    def _starts(self, end: int) -> range:
        """The nodes from which a skip connection may lead to a node."""
        first = 0 if self.longest_skip is None else max(0, end - self.longest_skip)
        return range(first, end - 1)


class EdgeCell:
    """A cell in which every pair of nodes has an operation between them, as in NAS-Bench-201.

    Its value in a configuration is an EdgeGraph. The choices of the edge from node 0 to node 2 of the block
    `cell` are the parameters `cell_0_2_NAME`, always active; let one choice mean that there is no edge.

    Args:
        nodes: number of nodes behind the input, 1 to 45, which have nodes * (nodes + 1) / 2 edges.
        choices: of each edge, as those of a layer of Layers.

    Raises:
        ProblemError: names what is wrong and what is accepted.

    Source: Dong, Yang (2020), "NAS-Bench-201: extending the scope of reproducible neural architecture
    search".
    """

    def __init__(self, nodes: int, choices: Mapping[str, object]) -> None:
        if not _is_count(nodes) or not 1 <= nodes <= 45:
            raise ProblemError(
                "problem", "EdgeCell", f"has {nodes!r} nodes", "Give a whole number from 1 to 45"
            )
        self.nodes = nodes
        self._group = Group(choices, "EdgeCell")
        self._edges = list(combinations(range(nodes + 1), 2))

    def declare(self, prefix: str, activity: Activity | None) -> Iterator[Declared]:
        for edge in self._edges:
            yield from self._group.declare(_edge(prefix, edge), activity)

    def read(self, prefix: str, configuration: Configuration) -> EdgeGraph:
        return EdgeGraph({edge: self._group.read(_edge(prefix, edge), configuration) for edge in self._edges})

    def write(self, prefix: str, value: object) -> dict[str, Value]:
        if not isinstance(value, EdgeGraph) or set(value.edges) != set(self._edges):
            raise ProblemError(
                "architecture", prefix, f"is {value!r}", f"Give an EdgeGraph with the edges {self._edges}"
            )
        written: dict[str, Value] = {}
        for edge in self._edges:
            written |= self._group.write(_edge(prefix, edge), value.edges[edge])
        return written


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _skip(prefix: str, start: int, end: int) -> str:
    return below(below(prefix, end), f"skip_{start}")


def _edge(prefix: str, edge: tuple[int, int]) -> str:
    return below(below(prefix, edge[0]), edge[1])
