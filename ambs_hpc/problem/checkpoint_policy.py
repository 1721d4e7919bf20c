"""Which checkpoints of a campaign are kept, as a person states it."""

from __future__ import annotations

import re

from ambs_hpc.errors import ProblemError

KEEP_ALL = "keep-all"
_KEEP_BEST = re.compile(r"keep-best (\d{1,9})")


def kept_best(policy: object) -> int | None:
    """Of how many of the best results the checkpoints stay; None where all checkpoints do.

    Raises:
        ProblemError: it is neither "keep-all" nor "keep-best N".
    """
    if policy == KEEP_ALL:
        return None
    found = _KEEP_BEST.fullmatch(policy) if isinstance(policy, str) else None
    if found is None:
        remedy = 'Write "keep-all", or "keep-best 5" to keep those of the five best results'
        raise ProblemError("problem", "checkpoints", f"is {policy!r}", remedy)
    return int(found[1])
