"""Asynchronous model-based search that keeps a whole supercomputer allocation busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ambs_hpc.api.campaign_driver import Campaign
    from ambs_hpc.api.campaign_reader import open_campaign
    from ambs_hpc.fidelity import Fidelity
    from ambs_hpc.launcher.supervisor.progress.report_function import report
    from ambs_hpc.problem import Command, Container, Problem
    from ambs_hpc.records import Resources

__all__ = [
    "Campaign",
    "Command",
    "Container",
    "Fidelity",
    "Problem",
    "Resources",
    "open_campaign",
    "report",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the public names on first use, so that `ambs --help` does not pay for ConfigSpace."""
    if name == "Resources":
        from ambs_hpc.records import Resources

        return Resources
    if name in ("Command", "Container", "Problem"):
        from ambs_hpc import problem

        return getattr(problem, name)
    if name == "Fidelity":
        from ambs_hpc.fidelity import Fidelity

        return Fidelity
    if name == "Campaign":
        from ambs_hpc.api.campaign_driver import Campaign

        return Campaign
    if name == "report":
        # Until somebody imports the unit of that name, which then does the same when it is called.
        from ambs_hpc.launcher.supervisor.progress.report_function import report

        return report
    if name == "open_campaign":
        from ambs_hpc.api.campaign_reader import open_campaign

        return open_campaign
    raise AttributeError(f"module 'ambs_hpc' has no attribute {name!r}")
