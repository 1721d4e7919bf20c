"""The largest numbers that columns of both databases hold; a larger one is refused before it is sent."""

from __future__ import annotations

LARGEST_COUNT = 2**31 - 1  # cores, budgets, rows
LARGEST_ID = 2**63 - 1  # ids and seeds
MOST_SLOTS = 1_000_000  # of a launcher or a search: more is a slip, and each takes memory
