"""The largest numbers that are taken; a larger one is refused before a database or a launcher sees it."""

from __future__ import annotations

LARGEST_COUNT = 2**31 - 1  # that columns of both databases hold: cores, budgets, rows
LARGEST_ID = 2**63 - 1  # the same for ids and seeds
# Of a request for nodes, also where a profile knows no limit: no machine has more, and columns hold no more.
MOST_NODES, LONGEST_MINUTES = 1_000_000, 366 * 24 * 60
MOST_SLOTS = 1_000_000  # of a launcher or a search: more is a slip, and each takes memory
