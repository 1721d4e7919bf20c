"""The copies of a program that a launch command starts; nothing here depends on a family."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranks:
    """Copies of a program, the same number on every node.

    Args:
        nodes: as the scheduler names them; numbers on a Cray under Cobalt.
        per_node: copies on each node.
        cores: processors of each copy on a node, by local rank; empty leaves all processors to all copies.
        depth: processors that a copy may use, where `cores` is empty.
        stand_together: whether the death of one copy ends the others, as MPI programs need it.
        variables: names of the environment variables that the copies must see. Every family but Open MPI
            passes all variables, and says so where it has an option for that.
    """

    nodes: Sequence[str]
    per_node: int = 1
    cores: Sequence[Sequence[int]] = ()
    depth: int = 1
    stand_together: bool = True
    variables: Collection[str] = ()

    @property
    def total(self) -> int:
        """Copies on all nodes."""
        return len(self.nodes) * self.per_node

    @property
    def processors_per_rank(self) -> int:
        """Processors that each copy may use."""
        return max((len(cores) for cores in self.cores), default=self.depth)
