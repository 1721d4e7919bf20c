"""Results of elsewhere: read from files and other programs' storages, and fitted into a space."""

from ambs_hpc.observations.fit import SpaceFit
from ambs_hpc.observations.raw_observation import RawObservation, RowEnding
from ambs_hpc.observations.reader import read_observations

__all__ = ["RawObservation", "RowEnding", "SpaceFit", "read_observations"]
