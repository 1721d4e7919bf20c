"""Observations of another problem as rows of this one's space, by the names of parameters."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ambs_hpc.records import Configuration, Source
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding

FORBIDDEN = "forbidden by a clause of the space"
_NUMBERED = re.compile(
    r"^(parameter '[^']*':) .* is none of", re.DOTALL
)  # reasons are counted without values


@dataclass(frozen=True, slots=True)
class MappedSource:
    """The observations of a source that this problem can use.

    Args:
        rows: (n, d) values of V.
        objectives: (n,) to be minimised, NaN where the evaluation failed.
        missing: parameters of this problem that no observation gave; their defaults stand in the rows.
        ignored: names that this problem does not have.
        refused: number of observations by why they do not fit.
    """

    name: str
    rows: Floats
    objectives: Floats
    missing: tuple[str, ...]
    ignored: tuple[str, ...]
    refused: Mapping[str, int]

    @property
    def successes(self) -> int:
        """Observations that carry an objective."""
        return int(np.isfinite(self.objectives).sum())


def map_source(encoding: Encoding, source: Source) -> MappedSource:
    """The source's observations in this space; of equal rows the last one counts.

    A parameter that only this problem has takes its default, one that only the source has is ignored. What
    lies outside of a range, is none of the choices, or is forbidden here, does not fit.
    """
    sign = -1.0 if source.direction == "maximize" else 1.0
    found: dict[bytes, tuple[Floats, float]] = {}
    given: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for observation in source.observations:
        given.update(observation.configuration.keys())
        row = _row(encoding, observation.configuration)
        if isinstance(row, str):
            refused[row] += 1
            continue
        objective = math.nan if observation.objective is None else sign * observation.objective
        found.pop(row.tobytes(), None)
        found[row.tobytes()] = row, objective
    return MappedSource(
        source.name,
        np.array([row for row, _ in found.values()]).reshape(-1, encoding.dimensions),
        np.array([objective for _, objective in found.values()]),
        tuple(name for name in encoding.names if not given[name]),
        tuple(sorted(given.keys() - set(encoding.names))),
        dict(refused),
    )


def _row(encoding: Encoding, configuration: Configuration) -> Floats | str:
    """The row of a configuration, or why there is none."""
    known = {name: value for name, value in configuration.items() if name in encoding.defaults}
    try:
        row = encoding.encode({**encoding.defaults, **known})
    except ValueError as error:
        return _NUMBERED.sub(r"\1 none of", str(error))
    return row if encoding.constraints.allowed(row[None])[0] else FORBIDDEN
