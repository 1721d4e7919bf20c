"""Points in the largest holes that a search has left in the space."""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import History

NEWEST_ONES = 1024  # observations, and pending proposals, from which distances are taken


def distances_to_known(encoding: Encoding, history: History, V: Floats) -> Floats:
    """(n,) distance of each of the rows `V` (n, d) to the nearest that was tried or is being tried.

    The best of random candidates by it fills a space evenly, whatever else was tried in between.

    Source: Mitchell (1991), "Spectrally optimal sampling for distribution ray tracing".
    """
    pending = [one.row[None] for one in list(history.pending.values())[-NEWEST_ONES:]]
    known = encoding.smooth_features(np.concatenate([history.rows[-NEWEST_ONES:], *pending]))
    X = encoding.smooth_features(V)
    square = (X**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2.0 * X @ known.T
    return np.asarray(np.sqrt(np.maximum(square.min(axis=1), 0.0)))
