"""The largest numbers that are taken; a larger one is refused before a database or a launcher sees it."""

from __future__ import annotations

LARGEST_COUNT = 2**31 - 1  # that columns of both databases hold: cores, budgets, rows
LARGEST_ID = 2**63 - 1  # the same for ids and seeds
MOST_SLOTS = 1_000_000  # of a launcher or a search: more is a slip, and each takes memory
