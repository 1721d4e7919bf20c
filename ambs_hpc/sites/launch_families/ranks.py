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
        gpus: GPUs of each node that the copies may use, by name, for families that would hide them otherwise.
        granted: all nodes of the allocation in the scheduler's order, for families that count in it.
        scheduler: the site's, whose variables some families read.
        last_processor: the highest number of a processor that a copy may use, where `cores` is empty; None
            for `depth` of them from 0 on.
        is_service: whether the program shares its node with what it or another launch command starts there,
            as a supervisor does, so that it must not be counted as a user of cores.
    """

    nodes: Sequence[str]
    per_node: int = 1
    cores: Sequence[Sequence[int]] = ()
    depth: int = 1
    stand_together: bool = True
    variables: Collection[str] = ()
    gpus: Sequence[str] = ()
    granted: Sequence[str] = ()
    scheduler: str = ""
    last_processor: int | None = None
    is_service: bool = False

    @property
    def total(self) -> int:
        """Copies on all nodes."""
        return len(self.nodes) * self.per_node

    @property
    def processors_per_rank(self) -> int:
        """Processors that each copy may use."""
        return max((len(cores) for cores in self.cores), default=self.depth)


def slurm_counts(ranks: Ranks) -> list[str]:
    """The variables of an allocation of Slurm that count its tasks, `NAME=value`, as these ranks need them.

    Launch commands that are not Slurm's own learn from them how many ranks each granted node has.

    Source: Slurm's manual page of sbatch, "OUTPUT ENVIRONMENT VARIABLES".
    """
    nodes = len(ranks.granted or ranks.nodes)
    tasks = nodes * ranks.per_node
    each = f"{ranks.per_node}(x{nodes})" if nodes > 1 else str(ranks.per_node)
    return [
        f"SLURM_NNODES={nodes}",
        f"SLURM_NTASKS={tasks}",
        f"SLURM_NPROCS={tasks}",
        f"SLURM_TASKS_PER_NODE={each}",
    ]
