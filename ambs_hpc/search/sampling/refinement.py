"""Rounds of candidates: scored, and made anew around the best of the round before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.sampling.candidates import Candidates

Score: TypeAlias = Callable[[Floats], Floats]  # V (n, d) -> score, mean, standard deviation (3, n)

BEST_ONES = 10  # that the next round starts from


def refined(
    candidates: Candidates,
    rng: np.random.Generator,
    V: Floats,
    score: Score,
    steps: Sequence[float],
    count: int,
) -> tuple[Floats, Floats]:
    """`V`, and for each step `count` more rows around the best of the round before, with their scores."""
    rounds, figures = [V], [score(V)]
    for step in steps:
        best = rounds[-1][best_first(figures[-1][0], BEST_ONES)]
        if len(best):
            V = candidates.mutated(rng, best, rng.integers(len(best), size=count), step)
            rounds.append(V)
            figures.append(score(V))
    return np.concatenate(rounds), np.concatenate(figures, axis=1)


def best_first(scores: Floats, count: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Places of the `count` lowest scores, lowest first."""
    return np.argsort(scores, kind="stable")[:count]
