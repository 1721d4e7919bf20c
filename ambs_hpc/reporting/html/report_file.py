"""How the report's file is named."""

from __future__ import annotations

import re

MOST_LETTERS = 60  # of a file's name, each up to four bytes


def default_name(campaign: str) -> str:
    """The name of a campaign's report: a file of this folder, whatever signs the campaign's name has."""
    kept = re.sub(r"[^\w.+=@-]+", "-", campaign).strip("-.")
    return f"{kept[:MOST_LETTERS] or 'campaign'}.html"
