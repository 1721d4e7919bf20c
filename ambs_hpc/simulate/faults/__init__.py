"""The fault machine: search, queue and launchers in virtual time while programs, database and clocks fail."""

from ambs_hpc.simulate.faults.fault_kinds import FaultKind, FaultSettings, settings_of
from ambs_hpc.simulate.faults.fault_run import FaultBench, FaultRun, fault_bench

__all__ = ["FaultBench", "FaultKind", "FaultRun", "FaultSettings", "fault_bench", "settings_of"]
