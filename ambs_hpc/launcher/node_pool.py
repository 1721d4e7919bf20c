"""The nodes that a launcher may use, and how it reaches them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ambs_hpc.errors import UsageError
from ambs_hpc.identity import this_process
from ambs_hpc.launcher.packing import Node, Share
from ambs_hpc.launcher.supervisor.probes.node_lock import VARIABLE as NODE_LOCK
from ambs_hpc.launcher.supervisor.probes.node_lock import NodeClaim
from ambs_hpc.schedulers import Scheduler

LaunchOn = Callable[[str], Sequence[str]]
LaunchRanks = Callable[[Sequence[Share], int, Collection[str]], Sequence[str]]
LaunchOnAll = Callable[[Sequence[str]], Sequence[str]]


def on_this_node(_node: str) -> Sequence[str]:
    """The empty launch command: programs start here without one."""
    return ()


def on_no_nodes(_shares: Sequence[Share], _per_node: int, _variables: Collection[str]) -> Sequence[str]:
    """Nothing starts copies of a program side by side here.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        "There is no launch command here. Use a launcher in an allocation, or a site that has one."
    )


def nowhere_else(_nodes: Sequence[str]) -> Sequence[str]:
    """Nothing starts programs on several nodes here.

    Raises:
        UsageError: always.
    """
    raise UsageError("There is no launch command here, so a pool of workers has one node only.")


@dataclass(frozen=True, slots=True)
class Tenancy:
    """The batch allocation by which a launcher has its nodes.

    Args:
        scheduler: that granted it.
        scheduler_id: its id there.
        ends_at: end of its walltime as it was when `NodePool.seconds_left` was counted, seconds since 1970
            UTC; None where the environment has named it, and the scheduler's answers mean another moment.
    """

    scheduler: Scheduler
    scheduler_id: str
    ends_at: float | None = None

    @property
    def name(self) -> str:
        """The allocation in words."""
        return f"{self.scheduler.name} allocation {self.scheduler_id}"


@dataclass(frozen=True, slots=True)
class NodePool:
    """Where a launcher runs.

    Args:
        nodes: that evaluations may use.
        gpu_variable: the one variable that hides other GPUs.
        launch_on: the command that starts a program on a node; () for this one.
        launch_ranks: the command that starts copies of a program, as MPI ranks, on the nodes of some shares:
            so many on each, which see these variables.
        launch_on_all: the command that starts a program once on each of some nodes; the death of one copy
        leaves
            the others alone.
        folder: for what launchers keep beside the campaign, seen by all nodes; None for this machine alone.
        packs: whether several launch commands may share a node.
        most_at_once: launch commands that may run at a time; None without limit.
        container: what the site adds to the containers of evaluations, as a problem's container is stored;
            {} for nothing.
        counted: names of nodes of which only a number of cores was granted; which ones is a guess.
        allocation_id: ours, of the batch allocation around us.
        seconds_left: until the scheduler ends the allocation, less a margin; None when nobody does.
        tenancy: the batch allocation around us; None for launchers that were started by hand, or on this
            machine, which overlap on purpose.
    """

    nodes: tuple[Node, ...]
    gpu_variable: str
    launch_on: LaunchOn = on_this_node
    launch_ranks: LaunchRanks = on_no_nodes
    launch_on_all: LaunchOnAll = nowhere_else
    folder: Path | None = None
    packs: bool = True
    most_at_once: int | None = None
    container: Mapping[str, object] = field(default_factory=dict)
    counted: frozenset[str] = frozenset()
    allocation_id: int | None = None
    seconds_left: float | None = None
    tenancy: Tenancy | None = None

    @property
    def own_name(self) -> str:
        """This machine's name among the nodes; "" when it is none of them."""
        return next((one.name for one in self.nodes if not self.launch_on(one.name)), "")

    def lock(self, node: str) -> dict[str, str]:
        """The variable by which a supervisor locks a node against launchers of other allocations.

        {} where launchers overlap on purpose.
        """
        cores = [core for one in self.nodes if one.name == node for core in one.cores]
        if self.tenancy is None or not cores:
            return {}
        me = this_process()
        who = f"launcher {me.pid} on {me.host} in {self.tenancy.name}"
        return {NODE_LOCK: NodeClaim(node, cores, str(me), who, node in self.counted).text()}
