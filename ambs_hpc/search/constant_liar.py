"""What a pending evaluation is assumed to give until it answers: the constant liar and its relatives.

Source: Ginsbourger, Le Riche, Carraro (2010), "Kriging is well-suited to parallelize optimization".
"""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.objective_transform import Scale

LIES = ("believer", "cl_min", "cl_mean", "cl_max", "none")


def lies_on(scale: Scale, lie: str, means: Floats, leaf_means: Floats) -> Floats:
    """(n,) values lied for pending proposals, on the scale.

    Args:
        lie: "believer" takes what was predicted when it was proposed, or what its leaf says when there was no
            model then; "cl_min", "cl_mean" and "cl_max" take the best, mean or worst value seen.
        means: (n,) predictions in objective units, NaN where no model was asked.
        leaf_means: (n,) what a tree says, on the scale.
    """
    if lie == "believer":
        return np.where(np.isnan(means), leaf_means, scale.forward(means))
    return np.full(len(means), constant_lie(scale, lie))


def constant_lie(scale: Scale, lie: str) -> float | None:
    """The value that "cl_min", "cl_mean" and "cl_max" lie everywhere, on the scale; None for the others."""
    return {"cl_min": scale.best, "cl_mean": scale.mean, "cl_max": scale.worst}.get(lie)
