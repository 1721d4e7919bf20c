"""What was known near a configuration when it was proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ambs_hpc.problem.space import space_from_json
from ambs_hpc.records import Configuration, Value
from ambs_hpc.search.encoding import Encoding


@dataclass(frozen=True, slots=True)
class NearestKnown:
    """The nearest of several configurations.

    Args:
        place: in the list that was given.
        distance: 0 for the same; each number counts as a share of its range on its own scale, each choice
            that differs as sqrt(2).
        differences: for each parameter that differs its value there and here; None where it is inactive.
    """

    place: int
    distance: float
    differences: Mapping[str, tuple[Value | None, Value | None]]


def nearest_known(
    space: Mapping[str, object], configuration: Configuration, known: Sequence[Configuration]
) -> NearestKnown | None:
    """The nearest configuration of those known; None without one.

    Args:
        space: in its serialised form; all configurations lie in it.
    """
    if not known:
        return None
    encoding = Encoding(space_from_json(space))
    own = encoding.smooth_features(encoding.encode(configuration)[None])[0]
    others = encoding.smooth_features(np.array([encoding.encode(one) for one in known]))
    distances = np.sqrt(((others - own) ** 2).sum(axis=1))
    place = int(distances.argmin())
    there = known[place]
    return NearestKnown(
        place,
        float(distances[place]),
        {
            name: (there.get(name), configuration.get(name))
            for name in encoding.names
            if there.get(name) != configuration.get(name)
        },
    )
