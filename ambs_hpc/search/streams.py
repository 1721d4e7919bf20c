"""The random streams of the search by name: every random number of a campaign comes from one of them.

A stream is addressed by the campaign's seed, its number here and a place in it (an ordinal, a number of
observations), so that a restarted search draws what the other would have drawn. Numbers never change:
campaigns that are under way go on with them.
"""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np


@unique
class Stream(IntEnum):
    """The streams of this package's own methods."""

    DESIGN = 1  # points before the first model
    GROWTH = 2  # rows and thresholds of one tree
    PROPOSAL = 3  # candidates and exploration of one proposal
    FALLBACK = 4  # what replaces a point of the design that is illegal or known
    LOCAL_FIT = 5  # points on which the local process's hyperparameters are fitted
    INCUMBENT = 6  # what the local process is centred on
    GOAL_GROWTH = 11  # rows and thresholds of one tree of all objectives
    GOAL_PROPOSAL = 12  # weights of the objectives, candidates and exploration of one proposal
    GOAL_FIT = 13  # points on which hyperparameters for all objectives are fitted
    GOAL_CENTRE = 14  # what the local process of all objectives is centred on
    SOURCE_GROWTH = 21  # the seeds of sources' forests
    SOURCE_WEIGHT = 22  # bootstrap samples that weigh the sources
    SOURCE_PROPOSAL = 23  # whether a proposal comes from the sources, and its candidates


@unique
class OptunaStream(IntEnum):
    """The streams of Optuna's samplers; no campaign uses both families, so their numbers may be the same."""

    PROPOSAL = 5
    FALLBACK = 6


def generator(seed: int, stream: Stream | OptunaStream, *place: int) -> np.random.Generator:
    """The generator at one place of a stream."""
    return np.random.default_rng([seed, int(stream), *place])
