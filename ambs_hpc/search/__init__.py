"""What to try next: pure functions of a space, a seed and the results so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambs_hpc.search.protocol import Searcher
from ambs_hpc.search.registry import DEFAULT_METHOD, METHODS, WARM, create_searcher

if TYPE_CHECKING:
    from ambs_hpc.records import Observation, Proposal
    from ambs_hpc.search.method_options import AmbsOptions

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "WARM",
    "AmbsOptions",
    "Observation",
    "Proposal",
    "Searcher",
    "create_searcher",
]


def __getattr__(name: str) -> object:
    """Import these names on first use: the command line needs the methods' names without numpy."""
    if name == "AmbsOptions":
        from ambs_hpc.search.method_options import AmbsOptions

        return AmbsOptions
    if name in ("Observation", "Proposal"):
        from ambs_hpc import records

        return getattr(records, name)
    raise AttributeError(f"module 'ambs_hpc.search' has no attribute {name!r}")
