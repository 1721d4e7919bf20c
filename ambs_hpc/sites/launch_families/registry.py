"""The families of launch commands by the name that a site file gives.

A further family is one module with a pure function from ranks to options, and one entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ambs_hpc.sites.launch_families import aprun, hydra, openmpi, pals, srun
from ambs_hpc.sites.launch_families.ranks import Ranks


@dataclass(frozen=True, slots=True)
class LaunchFamily:
    """Launch commands that understand the same options.

    Args:
        program: the usual name of the executable.
        arguments: the options that start and bind some ranks.
    """

    program: str
    arguments: Callable[[Ranks], list[str]]


FAMILIES: Mapping[str, LaunchFamily] = {
    "srun": LaunchFamily("srun", srun.arguments),
    "pals": LaunchFamily("mpiexec", pals.arguments),
    "hydra": LaunchFamily("mpiexec", hydra.arguments),
    "openmpi": LaunchFamily("mpirun", openmpi.arguments),
    "aprun": LaunchFamily("aprun", aprun.arguments),
}
NO_FAMILY = "none"  # a site without a launch command
FAMILY_NAMES: tuple[str, ...] = (*FAMILIES, NO_FAMILY)
