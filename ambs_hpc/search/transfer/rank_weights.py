"""The weight of each source: how often it orders the first results better than anything else does.

Source: Feurer, Letham, Bakshy (2018), "Scalable meta-learning for Bayesian optimization", and Feurer, Letham,
Hutter, Bakshy (2022), "Practical transfer learning for Bayesian optimization" (bootstrap samples, weight
dilution); Wistuba, Schilling, Schmidt-Thieme (2015), "Sequential model-free hyperparameter tuning" (ranks).
"""

from __future__ import annotations

import math

import numpy as np

from ambs_hpc.search.constraints import Floats

DRAWS = 64
LUCK = 1.0  # standard deviations better than luck that a source must be


def rank_weights(sources: Floats, own: Floats, targets: Floats, rng: np.random.Generator) -> Floats:
    """The probability of each source to order the targets best.

    Args:
        sources: (k, n) predictions of the sources, in any unit.
        own: (n,) predictions of the search's own model for each target, made from the others.
        targets: (n,) what was observed.
        rng: of the bootstrap samples.

    Returns:
        (k,) weights >= 0, their sum <= 1; the rest is the weight of the search's own model. A source that
        its own model beats in every second sample has none, so that many bad ones cannot add up.
    """
    counts = rng.multinomial(len(targets), np.full(len(targets), 1.0 / len(targets)), DRAWS).astype(float)
    lower = (targets[:, None] < targets[None, :]).astype(float)
    pairs = _weighed(lower, counts)
    losses = np.array([_losses(one, lower, pairs, counts) for one in (*sources, own)])  # (k + 1, draws)
    own_losses = np.minimum(losses[-1], _by_luck(len(targets)))
    better = losses[:-1] < own_losses
    hopeless = better.mean(axis=1) < 0.5
    losses[:-1][hopeless] = np.inf
    best = losses[:-1].min(axis=0)
    wins = (losses[:-1] == best) & (best < own_losses)
    shares: Floats = (wins / np.maximum(wins.sum(axis=0), 1)).mean(axis=1)
    return shares


def _by_luck(n: int) -> float:
    """The share of wrongly ordered pairs that a random order comes down to, one time in six.

    Source: Kendall (1938), "A new measure of rank correlation", for the variance.
    """
    return 0.5 - 0.5 * LUCK * math.sqrt(2.0 * (2 * n + 5) / (9.0 * n * (n - 1)))


def _losses(predictions: Floats, lower: Floats, pairs: Floats, counts: Floats) -> Floats:
    """(draws,) share of the pairs of different targets that the predictions put in the wrong order."""
    steps = np.sign(predictions[:, None] - predictions[None, :])
    wrong = _weighed(lower * (0.5 + 0.5 * steps), counts)
    return np.asarray(np.where(pairs > 0.0, wrong / np.maximum(pairs, 1.0), 0.5))


def _weighed(pairs: Floats, counts: Floats) -> Floats:
    """(draws,) the sum of a table of pairs (n, n), each as often as the samples (draws, n) hold it."""
    return np.asarray(((counts @ pairs) * counts).sum(axis=1))
