"""The run times of simulated evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ambs_hpc.errors import UsageError
from ambs_hpc.records import Configuration


class RunTime(Protocol):
    """The run time of an evaluation."""

    def seconds(self, configuration: Configuration, random: np.random.Generator) -> float:
        """Seconds, > 0; `random` belongs to this evaluation alone."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for all evaluations, so whole machines end at once."""

    value: float

    def seconds(self, configuration: Configuration, random: np.random.Generator) -> float:
        """The constant."""
        return self.value


@dataclass(frozen=True, slots=True)
class Normal:
    """Normally distributed, never below `least`; the published Ackley row sleeps N(60, 20)."""

    mean: float
    deviation: float
    least: float = 0.01

    def seconds(self, configuration: Configuration, random: np.random.Generator) -> float:
        """A draw, at least `least`."""
        return max(self.least, float(random.normal(self.mean, self.deviation)))


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normally distributed around `median`; `sigma` belongs to the logarithm."""

    median: float
    sigma: float

    def seconds(self, configuration: Configuration, random: np.random.Generator) -> float:
        """A draw."""
        return self.median * math.exp(self.sigma * float(random.normal()))


@dataclass(frozen=True, slots=True)
class ByConfiguration:
    """The time that `expected` gives for the configuration, times log-normal noise, limited by `cap`.

    A cap that many reach makes hundreds of evaluations end within a second of one another.

    Args:
        expected: seconds before noise and cap.
        cap: seconds after which an evaluation is stopped and reports its result so far.
        sigma: standard deviation of the noise's logarithm.
        cap_spread: mean of the exponential time that stopping takes, in seconds.
    """

    expected: Callable[[Configuration], float]
    cap: float = math.inf
    sigma: float = 0.1
    cap_spread: float = 1.0

    def seconds(self, configuration: Configuration, random: np.random.Generator) -> float:
        """A draw around the expected time, at most the cap and the time that stopping takes."""
        free = self.expected(configuration) * math.exp(self.sigma * float(random.normal()))
        if free < self.cap:
            return max(1.0, free)
        return self.cap + float(random.exponential(self.cap_spread))


LAWS: dict[str, tuple[Callable[..., RunTime], int]] = {
    "constant": (Constant, 1),
    "normal": (Normal, 2),
    "lognormal": (LogNormal, 2),
}


def read_run_time(text: str) -> RunTime:
    """The run time that `constant:60`, `normal:60,20` or `lognormal:600,0.5` names.

    Raises:
        UsageError: the text names no run time.
    """
    law, _, numbers = text.partition(":")
    try:
        made, count = LAWS[law]
        values = [float(number) for number in numbers.split(",")]
        if len(values) != count or not values[0] > 0.0 or min(values) < 0.0:
            raise ValueError
    except (KeyError, ValueError):
        raise UsageError(
            f"--run-time {text}: give constant:SECONDS, normal:MEAN,DEVIATION or lognormal:MEDIAN,SIGMA, "
            "for example normal:60,20."
        ) from None
    return made(*values)


def recurrent_network_seconds(configuration: Configuration) -> float:
    """A model of rnn2's training time: load, then epochs times hidden units over the batch size.

    Documented as a model: the published run times of that benchmark are its mean (600 s and a little more)
    and its cap (10 minutes) only. About 85 % of the space reaches the cap, as those figures ask for.
    """
    cells = {"LSTM": 1.0, "GRU": 0.8, "SimpleRNN": 0.4}
    epochs = float(configuration["epochs"])
    hidden = float(configuration["nhidden"])
    batches = 9000 / float(configuration["batch_size"])
    a_batch = 0.06 * cells[str(configuration["rnn_type"])] * (1 + hidden / 50)
    return 30.0 + epochs * (6.0 + batches * a_batch)


@dataclass(frozen=True, slots=True)
class TrainingSeconds:
    """A model of a training's length: start-up, then epochs times a cost that grows with the network.

    Args:
        typical: seconds for half the epochs with a network of half the size.
        most_epochs: upper bound of the epochs in the space.
        sizes: upper bounds of the numbers that make the network large.
    """

    typical: float
    most_epochs: float
    sizes: Mapping[str, float]

    def __call__(self, configuration: Configuration) -> float:
        """Seconds for this configuration."""
        size = sum(float(configuration[name]) / most for name, most in self.sizes.items()) / len(self.sizes)
        return 30.0 + self.typical * (2 * float(configuration["epochs"]) / self.most_epochs) * (0.5 + size)
