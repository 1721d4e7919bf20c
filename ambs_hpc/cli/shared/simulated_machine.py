"""The conversion of the options of `ambs simulate` into the simulated machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ambs_hpc.simulate import Grant, SimulatedAllocation


@dataclass(frozen=True, slots=True)
class SimulatedMachine:
    """The nodes that are simulated.

    Args:
        allocations: the slots, with start and walltime.
        failures_per_slot_hour: failures of a busy slot per hour.
        slots_per_node: slots of a node, >= 1.
    """

    allocations: Sequence[SimulatedAllocation]
    failures_per_slot_hour: float
    slots_per_node: int


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """The options that describe the machine; times in minutes, as they are given."""

    site: str
    queue: str
    slots_per_node: int | None
    launchers: int
    queue_wait: float
    walltime: float | None
    node_failures: float

    def machine(self, nodes: int, minutes: float) -> SimulatedMachine:
        """The machine of `nodes` nodes, for a campaign of `minutes` minutes.

        Raises:
            UsageError, NotFound: the site does not grant such allocations.
        """
        from ambs_hpc.simulate import renewed, shared

        grant = self._grant(nodes)
        slots = self.slots_per_node or grant.slots_per_node
        walltime = self.walltime or grant.longest_minutes
        allocations = shared(nodes * slots, self.launchers)
        if walltime is not None:
            allocations = renewed(allocations, 60 * walltime, 60 * self.queue_wait, 60 * minutes)
        return SimulatedMachine(allocations, self.node_failures / slots, slots)

    def _grant(self, nodes: int) -> Grant:
        from ambs_hpc.errors import UsageError
        from ambs_hpc.simulate import Grant, grant_of
        from ambs_hpc.sites import load_site

        if not self.site:
            if self.queue:
                raise UsageError(f"--queue {self.queue}: of which site? Give --site too.")
            return Grant(1, None)
        grant = grant_of(load_site(self.site, Path.cwd()), self.queue, nodes, self.launchers)
        if self.walltime and grant.longest_minutes and self.walltime > grant.longest_minutes:
            raise UsageError(
                f"--walltime {self.walltime:g}: {self.site} gives at most {grant.longest_minutes} minutes "
                f"to {nodes} nodes."
            )
        return grant
