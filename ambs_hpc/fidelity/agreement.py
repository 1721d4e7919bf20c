"""How far the order on a rung is the order at the end, and what share runs on where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ambs_hpc.fidelity.fidelity_range import Fidelity

# Of each rung, the values of all that have reached it, by the evaluations' ids; the last one is the end.
Standings = Sequence[Mapping[int, float | None]]


def keep_shares(fidelity: Fidelity, standings: Standings, numbers: Mapping[int, int]) -> tuple[float, ...]:
    """What share of those on each rung runs on: 1/eta, more where the rung says little of the end, up to 1.

    Args:
        standings: values on each rung, minimised, None or NaN where it failed.
        numbers: ordinals by ids, of those that `first_rung` exempts at least.
    """
    return (1 / fidelity.eta,) * len(standings)
