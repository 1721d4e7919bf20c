"""A campaign: one search, from its first proposal to its budget, across any number of restarts."""

from ambs_hpc.campaign.creation import SearchSettings, define_campaign, open_campaign, searcher_for
from ambs_hpc.campaign.first_endings import Hopeless
from ambs_hpc.campaign.loop import Progress, SearchLoop

__all__ = [
    "Hopeless",
    "Progress",
    "SearchLoop",
    "SearchSettings",
    "define_campaign",
    "open_campaign",
    "searcher_for",
]
