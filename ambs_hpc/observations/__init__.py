"""Results of elsewhere: read from files and other programs' storages, and fitted into a space."""

from ambs_hpc.observations.fit import SpaceFit
from ambs_hpc.observations.raw_observation import RawObservation, RawPoint, RowEnding
from ambs_hpc.observations.reader import is_storage, read_observations, read_points

__all__ = [
    "RawObservation",
    "RawPoint",
    "RowEnding",
    "SpaceFit",
    "is_storage",
    "read_observations",
    "read_points",
]
