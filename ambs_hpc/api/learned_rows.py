"""The rows of a campaign from which something is learned, as configurations of its newest space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ambs_hpc.queue import StoredFailure, StoredResult
    from ambs_hpc.records import Campaign

    Stored = TypeVar("Stored", StoredResult, StoredFailure)


class LearnedRows:
    """Takes those of a campaign's rows that lie in its space as it is now."""

    def __init__(self, campaign: Campaign) -> None:
        """
        Raises:
            RowUnusable: the campaign's own row has no space that can be read.
        """
        from ambs_hpc.campaign.legal_rows import LegalRows

        self._legal = LegalRows(campaign)

    @property
    def space(self) -> Mapping[str, Any]:
        """The space as it is now, in its stored form."""
        return self._legal.space

    def of(self, rows: Sequence[Stored]) -> list[Stored]:
        """Those of the rows that lie in it, with their configurations in it; others are told."""
        carried = [(row, self._legal.carried(row.id, row.configuration)) for row in rows]
        return [row._replace(configuration=one) for row, one in carried if one is not None]
