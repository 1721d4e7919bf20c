"""The score of a predicted candidate; nothing here depends on the model that predicts."""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats

EXPLORATIONS = ("exponential", "fixed")


def lower_confidence_bound(mean: Floats, std: Floats, kappa: float) -> Floats:
    """Score candidates for minimisation; lower is better.

    Args:
        mean, std: prediction, each (n,), on the model's scale.
        kappa: weight of the uncertainty, >= 0. 0 exploits only.

    Returns:
        (n,) `mean - kappa * std`.

    Raises:
        ValueError: kappa is negative.

    Source: Cox & John (1992), "A statistical method for global optimization".
    """
    if kappa < 0:
        raise ValueError(f"kappa {kappa} is negative; give 0 or more")
    return mean - kappa * std


def with_failures(scores: Floats, failure_rate: Floats, worst: float) -> Floats:
    """(n,) expected scores when an evaluation fails, and then counts as `worst`, with probability (n,)."""
    return (1.0 - failure_rate) * scores + failure_rate * worst


def draw_kappa(rng: np.random.Generator, exploration: str, kappa: float) -> float:
    """The exploration weight of one proposal.

    "exponential" draws it with mean `kappa`, so that simultaneous proposals cover the trade-off;
    "fixed" gives `kappa`. One number is drawn either way.
    """
    drawn = float(rng.exponential())
    return kappa * drawn if exploration == "exponential" else kappa
