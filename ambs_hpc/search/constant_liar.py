"""The value that a pending evaluation is assumed to have until its result is known: the constant liar.

Source: Ginsbourger, Le Riche, Carraro (2010), "Kriging is well-suited to parallelize optimization".
"""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.objective_transform import Scale

LIES = ("believer", "cl_min", "cl_mean", "cl_max", "none")


def lies_on(scale: Scale, lie: str, means: Floats, leaf_means: Floats) -> Floats:
    """(n,) the values assumed for pending proposals, on the scale.

    Args:
        lie: "believer" takes the prediction made with the proposal, or the mean of its leaf when there was no
            model then; "cl_min", "cl_mean" and "cl_max" take the best, mean or worst value seen.
        means: (n,) predictions in objective units, NaN where no model was asked.
        leaf_means: (n,) means of the leaves in a tree, on the scale.
    """
    if lie == "believer":
        return np.where(np.isnan(means), leaf_means, scale.forward(means))
    return np.full(len(means), constant_lie(scale, lie))


def constant_lie(scale: Scale, lie: str) -> float | None:
    """The one value that "cl_min", "cl_mean" or "cl_max" assumes, on the scale; None for the other lies."""
    return {"cl_min": scale.best, "cl_mean": scale.mean, "cl_max": scale.worst}.get(lie)
