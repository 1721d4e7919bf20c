"""Which rows of a campaign are in its space: what else stands there is told and left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ambs_hpc.campaign.carry_over import carry_over_of
from ambs_hpc.errors import OutsideOfSpace, ProblemError, RowUnusable
from ambs_hpc.problem.space import space_from_json, stored_space
from ambs_hpc.queue import tell_fault
from ambs_hpc.search.encoding import Encoding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ambs_hpc.queue import Proposed
    from ambs_hpc.records import Campaign, Configuration, Proposal


class LegalRows:
    """Reads configurations of all spaces that a campaign has had as ones of its newest space."""

    def __init__(self, campaign: Campaign) -> None:
        """
        Raises:
            RowUnusable: the campaign's own row has no space that can be read.
        """
        self.space: Mapping[str, Any] = space_of(campaign)
        try:
            self._encoding = Encoding(space_from_json(self.space))
            self._carry_over = carry_over_of(campaign.definition.problem)
        except ProblemError as error:
            raise _fault(campaign, error) from error

    def carried(self, evaluation_id: int, configuration: Configuration) -> Configuration | None:
        """The configuration in the newest space; None where it lies outside."""
        if self._carry_over is not None:  # of an earlier space it may lie outside of this one
            return self._carry_over.carried(configuration)
        if not configuration:  # the reader of the row has told it
            return None
        try:
            self._encoding.check(configuration)
        except ValueError as error:
            tell_fault(OutsideOfSpace(evaluation_id, configuration, str(error)))
            return None
        return configuration

    def of_proposals(self, rows: Iterable[Proposed]) -> list[Proposal | None]:
        """All proposals in their order, as ones of the newest space; None for those outside.

        Several may have become the same: of what they were told, the search keeps what it would of one that
        was proposed several times.
        """
        carried = [(row.proposal, self.carried(row.id, row.proposal.configuration)) for row in rows]
        return [
            None if new is None else one if new is one.configuration else replace(one, configuration=new)
            for one, new in carried
        ]


def space_of(campaign: Campaign) -> Mapping[str, Any]:
    """The newest space of a campaign, in its stored form.

    Raises:
        RowUnusable: its row has none.
    """
    try:
        return stored_space(campaign.definition.problem, campaign.name)
    except ProblemError as error:
        raise _fault(campaign, error) from error


def _fault(campaign: Campaign, error: ProblemError) -> RowUnusable:
    seen, accepted = error.seen.removeprefix("is "), error.remedy.removeprefix("Accepted: ")
    return RowUnusable("campaign", campaign.id, f"problem.{error.field}", seen, accepted)
