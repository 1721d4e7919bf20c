"""Whether a result lies outside of the space that its campaign searches now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ambs_hpc.records import Campaign, Configuration


def outside_note(campaign: Campaign, configuration: Configuration) -> str:
    """What a person is told of a best result that the campaign's newest space leaves out; "" where it fits.

    A space may have been narrowed because such values cannot be used: nobody should take one unawares.
    """
    if "was" not in campaign.definition.problem:  # never revised: spare the import of the space's libraries
        return ""
    from ambs_hpc.campaign.carry_over import carry_over_of

    carry_over = carry_over_of(campaign.definition.problem)
    if carry_over is None or carry_over.carried(configuration) is not None:
        return ""
    return f"It lies outside of the space that is searched now: ambs space {campaign.name}"
