"""A campaign: one search, from its first proposal to its budget, across any number of restarts."""

from ambs_hpc.campaign.creation import SearchSettings, define_campaign, open_campaign, searcher_for
from ambs_hpc.campaign.loop import Progress, SearchLoop
from ambs_hpc.campaign.warm_start import FoundSource, find_sources, keep_sources

__all__ = [
    "FoundSource",
    "Progress",
    "SearchLoop",
    "SearchSettings",
    "define_campaign",
    "find_sources",
    "keep_sources",
    "open_campaign",
    "searcher_for",
]
