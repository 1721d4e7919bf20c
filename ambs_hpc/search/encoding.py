"""Conversion between configurations and rows of numbers, on which every step of the search works.

Three forms of n configurations of d parameters, columns in the space's order:

    V (n, d)  values: numbers as they are, choices as their index, inactive as NaN; the form for equality
    Z (n, d)  positions: numbers in [0, 1] on their own scale (linear or log), choices as their index
    X (n, f)  features for models: positions, choices with more than two values one-hot; inactive -1 (or 0)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambs_hpc.problem.space import plain_value
from ambs_hpc.records import Configuration, Value
from ambs_hpc.search.constraints import Constraints, Floats, Mask

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


@dataclass(frozen=True, slots=True)
class Range:
    """The values of one column of V: numbers from low to high, or the places of unordered choices."""

    low: float
    high: float
    is_log: bool
    is_whole: bool
    is_choice: bool


class Encoding:
    """The vectorised form of a ConfigSpace space."""

    def __init__(self, space: ConfigurationSpace) -> None:
        self.names = list(space)
        self.dimensions = len(self.names)
        parameters = [space[name] for name in self.names]
        self._choices: list[list[Any] | None] = [_choices(parameter) for parameter in parameters]
        self.is_choice: Mask = np.array([_is_unordered(parameter) for parameter in parameters])
        self._is_whole: Mask = np.array([_is_whole(parameter) for parameter in parameters])
        self._is_log: Mask = np.array([bool(getattr(p, "log", False)) for p in parameters])
        bounds = [
            (0, len(choices) - 1) if choices is not None else _bounds(p)
            for p, choices in zip(parameters, self._choices, strict=True)
        ]
        self._low, self._high = np.array(bounds, dtype=float).T
        self.sizes = np.where(self._is_whole, self._high - self._low + 1, np.inf)  # (d,) legal values
        self._places = [_places(choices) for choices in self._choices]
        self._cumulative = {
            j: np.cumsum(parameter.probabilities)
            for j, parameter in enumerate(parameters)
            if hasattr(parameter, "probabilities")
        }
        self.constraints = Constraints(
            space, {n: c for n, c in zip(self.names, self._choices, strict=True) if c is not None}
        )
        self._scale_bounds()

    def range(self, column: int) -> Range:
        """The values of one column of V; ordered choices are whole numbers."""
        return Range(
            float(self._low[column]),
            float(self._high[column]),
            bool(self._is_log[column]),
            bool(self._is_whole[column]) or self._choices[column] is not None,
            bool(self.is_choice[column]),
        )

    def encode(self, configuration: Configuration) -> Floats:
        """(d,) values of one configuration; parameters that are inactive or unknown are ignored.

        Raises:
            ValueError: an active parameter is missing, or its value is not one of the choices.
        """
        row = np.full((1, self.dimensions), np.nan)
        for j, name in enumerate(self.names):
            if name in configuration:
                row[0, j] = self._number(j, configuration[name])
        given = ~np.isnan(row[0])
        full = np.where(given, row, self._low)  # conditions of a missing parameter's children still resolve
        canonical: Floats = self.constraints.deactivate(full)
        missing = np.flatnonzero(~np.isnan(canonical[0]) & ~given)
        if len(missing):
            name = self.names[missing[0]]
            raise ValueError(f"{dict(configuration)}: the active parameter {name!r} is missing")
        return np.asarray(canonical[0] + 0.0)  # no negative zero: equal values have equal bytes

    def configuration(self, row: Floats) -> dict[str, Value]:
        """The active parameters of one row of V, as plain Python values."""
        found: dict[str, Value] = {}
        for j, name in enumerate(self.names):
            if np.isnan(row[j]):
                continue
            choices = self._choices[j]
            if choices is not None:
                found[name] = plain_value(choices[int(row[j])])
            else:
                found[name] = int(row[j]) if self._is_whole[j] else float(row[j])
        return found

    def from_uniform(self, U: Floats) -> Floats:
        """V of points of the unit cube: uniform points give every legal value its share."""
        scaled = self._edge_low + np.clip(U, 0.0, 1.0) * (self._edge_high - self._edge_low)
        V = self._snapped(scaled)
        for j, cumulative in self._cumulative.items():
            V[:, j] = np.minimum(np.searchsorted(cumulative, U[:, j], side="right"), self._high[j])
        return self.constraints.deactivate(V)

    def from_positions(self, Z: Floats) -> Floats:
        """V of positions, each number at the nearest legal value; choices are indices."""
        V = self._snapped(self._scaled_low + np.clip(Z, 0.0, 1.0) * self._span)
        V[:, self.choice_columns] = Z[:, self.choice_columns]
        return self.constraints.deactivate(V)

    def from_listed(self, places: Floats) -> Floats:
        """V of a finite space from each parameter's place among its legal values, counted from 0."""
        return self.constraints.deactivate(self._low + places)

    def positions(self, V: Floats, inactive: float = 0.5) -> Floats:
        """Z of values; inactive numbers lie at `inactive`, inactive choices at index 0."""
        Z = V - self._scaled_low
        Z[:, self._log_columns] = np.log(V[:, self._log_columns]) - self._scaled_low[self._log_columns]
        Z /= self._span
        if self.constraints.is_flat:
            return Z
        return np.where(np.isnan(V), np.where(self.is_choice, 0.0, inactive), Z)

    def features(self, V: Floats) -> NDArray[np.float32]:
        """X of values for trees: inactive numbers and pairs at -1, inactive choices all zero."""
        return self._features(V, -1.0).astype(np.float32)

    def smooth_features(self, V: Floats) -> Floats:
        """X of values for distances: inactive numbers in the middle, where they separate no two rows."""
        return self._features(V, 0.5)

    def _features(self, V: Floats, inactive: float) -> Floats:
        Z = self.positions(V, inactive)
        if not self.constraints.is_flat:
            Z[:, self._pairs] = np.where(np.isnan(V[:, self._pairs]), inactive, V[:, self._pairs])
        single = len(self._single)
        X = np.empty((len(V), single + len(self._hot_codes)))
        X[:, :single] = Z[:, self._single]
        np.equal(V[:, self._hot_columns], self._hot_codes, out=X[:, single:])
        return X

    def _snapped(self, V: Floats) -> Floats:
        """Overwrite `V`, given on each parameter's scale, with legal values."""
        V[:, self._log_columns] = np.exp(V[:, self._log_columns])
        V[:, self._whole_columns] = np.rint(V[:, self._whole_columns])
        np.maximum(V, self._low, out=V)
        np.minimum(V, self._high, out=V)
        V += 0.0  # no negative zero
        return V

    def _scale_bounds(self) -> None:
        """Bounds on the scale of each parameter; whole numbers own half a step beyond either bound."""
        log_low = np.log(np.where(self._is_log, self._low, 1.0))
        log_high = np.log(np.where(self._is_log, self._high, 1.0))
        self._scaled_low = np.where(self._is_log, log_low, self._low)
        scaled_high = np.where(self._is_log, log_high, self._high)
        self._span = np.where(scaled_high > self._scaled_low, scaled_high - self._scaled_low, 1.0)
        half = np.where(self._is_whole, 0.5, 0.0)
        low, high = (
            np.maximum(self._low - half, np.where(self._is_log, self._low / 2, -np.inf)),
            self._high + half,
        )
        self._edge_low = np.where(self._is_log, np.log(np.where(self._is_log, low, 1.0)), low)
        self._edge_high = np.where(self._is_log, np.log(np.where(self._is_log, high, 1.0)), high)
        self._span[self.is_choice] = 1.0
        self.choice_columns = np.flatnonzero(self.is_choice)
        self._log_columns, self._whole_columns = np.flatnonzero(self._is_log), np.flatnonzero(self._is_whole)
        one_hot = self.is_choice & (self.sizes > 2)
        self._single = np.flatnonzero(~one_hot)
        self._pairs = np.flatnonzero(self.is_choice & ~one_hot)
        hot = [(j, code) for j in np.flatnonzero(one_hot) for code in range(int(self.sizes[j]))]
        self._hot_columns = np.array([j for j, _ in hot], dtype=int)
        self._hot_codes = np.array([code for _, code in hot], dtype=float)

    def _number(self, column: int, value: Value) -> float:
        places = self._places[column]
        if places is None:
            return float(value)
        place = places.get((isinstance(value, bool), value))
        if place is None:
            raise ValueError(
                f"parameter {self.names[column]!r}: {value!r} is none of its choices {self._choices[column]}"
            )
        return float(place)


def _choices(parameter: Any) -> list[Any] | None:
    """The listed values of a parameter, or None for a range of numbers."""
    if hasattr(parameter, "choices"):
        return list(parameter.choices)
    if hasattr(parameter, "sequence"):
        return list(parameter.sequence)
    if not hasattr(parameter, "lower"):
        return [parameter.value]
    return None


def _bounds(parameter: Any) -> tuple[float, float]:
    return float(parameter.lower), float(parameter.upper)


def _is_unordered(parameter: Any) -> bool:
    return not hasattr(parameter, "sequence") and not hasattr(parameter, "lower")


def _is_whole(parameter: Any) -> bool:
    from ConfigSpace.hyperparameters import IntegerHyperparameter

    return not hasattr(parameter, "lower") or isinstance(parameter, IntegerHyperparameter)


def _places(choices: list[Any] | None) -> Mapping[tuple[bool, Value], int] | None:
    """True and 1 are different choices although Python finds them equal."""
    if choices is None:
        return None
    plain = [plain_value(choice) for choice in choices]
    return {(isinstance(value, bool), value): place for place, value in enumerate(plain)}
