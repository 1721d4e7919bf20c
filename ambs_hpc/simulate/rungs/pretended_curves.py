"""Learning curves of a load that has none: its objective is the end, with which rungs agree more or less."""

from __future__ import annotations

import math
import zlib

import numpy as np

from ambs_hpc.errors import UsageError
from ambs_hpc.fidelity import Fidelity
from ambs_hpc.problem import build_space
from ambs_hpc.records import Configuration
from ambs_hpc.simulate.loads import NamedLoad
from ambs_hpc.simulate.rungs.rung_simulation import RungLoad

SAMPLED = 200  # configurations, from which the spread of the objective is known


def read_fidelity(text: str) -> Fidelity:
    """A fidelity as a command line has it: "epochs:1:81", "epochs:1:81:4", "epochs:1:81:3:median".

    Raises:
        UsageError: it has another form.
        ProblemError: a field of it is wrong.
    """
    parts = text.split(":")
    try:
        numbers = [int(one) for one in parts[1:4]]
    except ValueError:
        numbers = []
    if not 3 <= len(parts) <= 5 or len(numbers) < 2:
        raise UsageError(
            f"--fidelity {text}: give NAME:MINIMUM:MAXIMUM, with ETA and RULE after it or without: "
            "epochs:1:81, epochs:1:81:3:median."
        )
    minimum, maximum, eta = (*numbers, 3)[:3]
    return Fidelity(parts[0], minimum, maximum, eta, parts[4] if len(parts) == 5 else "asha")


class PretendedCurves:
    """Values on the way to those of a load; a function of the configuration and the step alone.

    Args:
        load: its objective is the value at the maximum.
        fidelity: of which the correlation with the end rises from `agreement` at the minimum to 1.
        agreement: in [-1, 1]; below 0 what is good at the end is bad at the beginning.
    """

    def __init__(self, load: NamedLoad, fidelity: Fidelity, agreement: float) -> None:
        if not -1.0 <= agreement <= 1.0:
            raise UsageError(f"--agreement {agreement:g}: give a number from -1 to 1.")
        self._load, self._fidelity, self._agreement = load, fidelity, agreement
        self._sign = -1.0 if load.direction == "maximize" else 1.0
        space = build_space(load.space)
        space.seed(0)
        values = [self._end(dict(one)) for one in space.sample_configuration(SAMPLED)]
        self._middle, self._spread = float(np.mean(values)), float(np.std(values)) or 1.0

    @property
    def load(self) -> RungLoad:
        """For `simulate_rungs`."""
        return RungLoad(self._load.space, self.value, self.step_seconds, self._fidelity.maximum)

    def value(self, configuration: Configuration, step: int) -> float:
        """The value at a step, to be minimised."""
        end, low, high = self._end(configuration), self._fidelity.minimum, self._fidelity.maximum
        if step >= high:
            return end
        way = math.log(step / low) / math.log(high / low)
        agreed = self._agreement + (1.0 - self._agreement) * way
        luck = float(self._random(configuration).normal())
        return self._middle + agreed * (end - self._middle) + math.sqrt(1 - agreed**2) * self._spread * luck

    def step_seconds(self, configuration: Configuration) -> float:
        """The run time of the load is that of all steps."""
        random = self._random(configuration)
        random.normal()
        return self._load.run_time.seconds(configuration, random) / self._fidelity.maximum

    def _end(self, configuration: Configuration) -> float:
        return self._sign * self._load.objective(configuration)

    def _random(self, configuration: Configuration) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(repr(sorted(configuration.items())).encode()))
