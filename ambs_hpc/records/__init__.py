"""Frozen values that cross units: what is proposed, stored, claimed, run and reported."""

from ambs_hpc.records.campaign_values import (
    Campaign,
    CampaignRevision,
    NewCampaign,
    RevisedField,
)
from ambs_hpc.records.evaluation_values import (
    IMPORTED,
    MANUAL,
    Claim,
    Configuration,
    Finished,
    ImportedResult,
    NewEvaluation,
    Observation,
    Outcome,
    Proposal,
    Resources,
    Source,
    Value,
)
from ambs_hpc.records.launcher_values import (
    Allocation,
    Launcher,
    LauncherStats,
    NewLauncher,
    NewNodeEvent,
)

__all__ = [
    "IMPORTED",
    "MANUAL",
    "Allocation",
    "Campaign",
    "CampaignRevision",
    "Claim",
    "Configuration",
    "Finished",
    "ImportedResult",
    "Launcher",
    "LauncherStats",
    "NewCampaign",
    "NewEvaluation",
    "NewLauncher",
    "NewNodeEvent",
    "Observation",
    "Outcome",
    "Proposal",
    "Resources",
    "RevisedField",
    "Source",
    "Value",
]
