"""The rows of a campaign from which something is learned, as configurations of its newest space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from ambs_hpc.queue import StoredFailure, StoredResult
    from ambs_hpc.records import Campaign

    Stored = TypeVar("Stored", StoredResult, StoredFailure)


def newest_space(campaign: Campaign) -> Mapping[str, Any]:
    """The space as it is now, in its stored form."""
    return cast("Mapping[str, Any]", campaign.definition.problem["space"])


def in_newest_space(campaign: Campaign, rows: Sequence[Stored]) -> list[Stored]:
    """Those of the rows that lie in the space as it is now, with their configurations in it."""
    from ambs_hpc.campaign.carry_over import carry_over_of

    carry_over = carry_over_of(campaign.definition.problem)
    if carry_over is None:  # the space never was another one
        return list(rows)
    carried = [(row, carry_over.carried(row.configuration)) for row in rows]
    return [row._replace(configuration=one) for row, one in carried if one is not None]
