"""Legal configurations where guessing whole ones fails: built column by column, and moved from known ones."""

from __future__ import annotations

import numpy as np

from ambs_hpc.search.constraints import Floats, Mask, Test
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.sampling.enumeration import kept

ROWS = 512  # partial rows that are carried from column to column, and moves of one round
DRAWS = 16  # values tried for each partial row
WANTED = ROWS * DRAWS
ENOUGH = 64  # extended rows for which no values near those of known rows are tried
MOVES = 8  # rounds of moves, each from the rows of all rounds before
SMALLEST_SCALE = 1e-8  # of a move, as a share of a parameter's range: legal boxes may be that narrow
REDRAWN = 0.3  # share of the moves that draw a number anew
TRIES = ROWS * (DRAWS + MOVES)  # configurations that were tried when nothing was found


def built(encoding: Encoding, rng: np.random.Generator, parents: Floats) -> Floats:
    """(ROWS, d) rows, about uniform over the legal part of the space; none when no legal one was met.

    Partial rows are extended by draws for one column; those that break a clause are dropped and the others
    continued, each as often as it survived (a particle filter whose weights are 0 and 1).

    Args:
        parents: (k, d) known legal rows, k >= 1; draws are near their values where others are forbidden.
    """
    rows: Floats = np.full((ROWS, encoding.dimensions), np.nan)
    for column, tests in encoding.constraints.steps():
        active = encoding.constraints.active(column, rows)
        drawn = encoding.column_from_uniform(column, rng.random(WANTED))
        more = _extended(rows, active, drawn, column, tests)
        known = parents[~np.isnan(parents[:, column]), column]
        if len(more) < ENOUGH and len(known) and column not in encoding.choice_columns:
            near = _near(encoding, rng, known, column)
            more = np.concatenate([more, _extended(rows, active, near, column, tests)])
        if not len(more):
            return more
        rows = more[rng.choice(len(more), size=ROWS, replace=len(more) < ROWS)]
    return rows


def moved(encoding: Encoding, rng: np.random.Generator, parents: Floats) -> Floats:
    """(m, d) legal rows on random walks from known legal rows `parents` (k, d), k >= 1."""
    rows, found = parents, [parents[:0]]
    for _ in range(MOVES):
        new = steps_from(encoding, rng, rows[rng.integers(len(rows), size=ROWS)])
        new = new[encoding.constraints.allowed(new)]
        found.append(new)
        rows = np.concatenate([rows, new])
    return np.concatenate(found)


def steps_from(encoding: Encoding, rng: np.random.Generator, rows: Floats) -> Floats:
    """(n, d) rows, legal or not, each a step of random size in one or a few columns from one of `rows`."""
    n, d = rows.shape
    anything = encoding.positions(encoding.from_uniform(rng.random((n, d)), keep_inactive=True))
    Z = encoding.positions(rows)
    Z = np.where(np.isnan(rows), anything, Z)
    changed = rng.random((n, d)) < np.where(rng.random(n) < 0.5, 0.0, 2.0 / d)[:, None]
    changed[np.arange(n), rng.integers(d, size=n)] = True
    signs = np.where(rng.random((n, d)) < 0.5, -1.0, 1.0)
    sizes = np.maximum(SMALLEST_SCALE ** rng.random((n, 1)), encoding.grid)
    steps = np.where(rng.random((n, d)) < REDRAWN, anything - Z, signs * sizes * rng.random((n, d)))
    steps = np.where(np.abs(steps) < encoding.grid, signs * encoding.grid, steps)
    steps[:, encoding.choice_columns] = (anything - Z)[:, encoding.choice_columns]
    return encoding.from_positions(np.clip(np.where(changed, Z + steps, Z), 0.0, encoding.highest_positions))


def _extended(rows: Floats, active: Mask, values: Floats, column: int, tests: list[Test]) -> Floats:
    """Each row with DRAWS of the values (WANTED,), NaN where inactive; without what is forbidden."""
    more = np.repeat(rows, DRAWS, axis=0)
    more[:, column] = np.where(np.repeat(active, DRAWS), values, np.nan)
    return kept(more, tests)


def _near(encoding: Encoding, rng: np.random.Generator, known: Floats, column: int) -> Floats:
    """(WANTED,) values of one column at steps of all sizes from known ones (k,)."""
    steps = SMALLEST_SCALE ** rng.random(WANTED) * rng.standard_normal(WANTED)
    return encoding.column_near(column, known[rng.integers(len(known), size=WANTED)], steps)
