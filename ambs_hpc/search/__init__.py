"""What to try next: pure functions of a space, a seed and the results so far."""

from ambs_hpc.records import Observation, Proposal
from ambs_hpc.search.method_options import AmbsOptions
from ambs_hpc.search.registry import METHODS, create_searcher
from ambs_hpc.search.searcher import Searcher

__all__ = ["METHODS", "AmbsOptions", "Observation", "Proposal", "Searcher", "create_searcher"]
