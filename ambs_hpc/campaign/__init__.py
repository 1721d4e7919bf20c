"""A campaign: one search, from its first proposal to its budget, across any number of restarts."""

from ambs_hpc.campaign.creation import (
    continue_campaign,
    define_campaign,
    edited_campaign,
    open_campaign,
    planned_campaign,
    searcher_for,
)
from ambs_hpc.campaign.differences import space_lines
from ambs_hpc.campaign.first_endings import Hopeless
from ambs_hpc.campaign.loop import SearchLoop
from ambs_hpc.campaign.progress import Progress
from ambs_hpc.campaign.revision import Revised, plan, revise
from ambs_hpc.campaign.settings import SearchSettings
from ambs_hpc.campaign.warm_start import FoundSource, find_sources, keep_sources

__all__ = [
    "FoundSource",
    "Hopeless",
    "Progress",
    "Revised",
    "SearchLoop",
    "SearchSettings",
    "continue_campaign",
    "define_campaign",
    "edited_campaign",
    "find_sources",
    "keep_sources",
    "open_campaign",
    "plan",
    "planned_campaign",
    "revise",
    "searcher_for",
    "space_lines",
]
