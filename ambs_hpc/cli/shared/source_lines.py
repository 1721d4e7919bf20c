"""What `ambs run`, `ambs search` and `--dry-run` say of the sources of a warm start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ambs_hpc.cli.shared.output import cell
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.errors import DatabaseRefused

if TYPE_CHECKING:
    from ambs_hpc.campaign import FoundSource, SearchSettings
    from ambs_hpc.records import NewCampaign


def tell_sources(found: Sequence[FoundSource]) -> None:
    """Say a line of each source on stderr, where a script that reads JSON is not disturbed."""
    for one in found:
        write(f"from {cell(one.line)}\n", err=True)


def sources_of_plan(wanted: NewCampaign, settings: SearchSettings, db: str | None) -> list[FoundSource]:
    """The sources of a dry run, which makes no database.

    Raises:
        AmbsError: as `find_sources`.
    """
    from ambs_hpc.campaign import find_sources
    from ambs_hpc.cli.shared.options import open_engine

    if not settings.sources:
        return []
    try:
        engine = open_engine(db)
    except DatabaseRefused:  # there is none yet
        return find_sources(None, wanted, settings.sources, settings.method)
    return find_sources(engine, wanted, settings.sources, settings.method)
