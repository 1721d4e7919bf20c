"""What a command says when it changes a campaign that exists."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ambs_hpc.campaign import Revised, SearchSettings, continue_campaign
from ambs_hpc.cli.shared.terminal import write

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.records import Campaign, NewCampaign


def told_campaign(engine: Engine, wanted: NewCampaign, settings: SearchSettings) -> Campaign:
    """The stored campaign, created, found or revised; what changed is said in a line on stderr.

    Raises:
        CampaignConflict, UsageError: as `continue_campaign`.
    """
    revised = continue_campaign(engine, wanted, settings)
    if revised.changes:
        write(f"ambs: {revised_line(revised)}\n", err=True)
    return revised.campaign


def revised_line(revised: Revised) -> str:
    """The campaign, its revision and what that changes, in one line."""
    return f"campaign {revised.campaign.name}, revision {revised.campaign.revision}: {revised.words}"


def revised_json(revised: Revised) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "campaign": revised.campaign.name,
        "revision": revised.campaign.revision,
        "words": revised.words,
        "changes": [asdict(one) for one in revised.changes],
        "effects": dict(revised.effects),
    }
