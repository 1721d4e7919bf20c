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

from ambs_hpc.errors import nearest
from ambs_hpc.problem.space import default_configuration, plain_value
from ambs_hpc.records import Configuration, Value
from ambs_hpc.search.constraints import Constraints, Floats, Mask
from ambs_hpc.search.priors import Warps

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

BOUND_TOLERANCE = 1e-9  # of a range: a value so little outside was rounded on its way, and is the bound
MOST_ONE_HOT = 400  # features of unordered choices; of more, choices are told by the digits of their places


PLAIN = frozenset((bool, int, float, str))


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
        margins = map(self._margin, range(self.dimensions))
        # As Python's own numbers: each comparison with one of numpy's costs as much as all of these.
        self._ranges = list(
            zip(self._low.tolist(), self._high.tolist(), margins, self._is_whole.tolist(), strict=True)
        )
        self._places = [_places(choices) for choices in self._choices]
        weights = {j: p.probabilities for j, p in enumerate(parameters) if hasattr(p, "probabilities")}
        self._cumulative = {j: np.cumsum(shares) for j, shares in weights.items()}
        self._without_priors = {
            j: np.cumsum(np.where(shares > 0.0, 1.0 / np.count_nonzero(shares), 0.0))
            for j, shares in weights.items()
        }
        self._warps = Warps(parameters)
        self.constraints = Constraints(
            space, {n: c for n, c in zip(self.names, self._choices, strict=True) if c is not None}
        )
        self._scale_bounds()
        # Of every parameter, also of those that the default configuration leaves inactive.
        self.defaults: dict[str, Value] = {p.name: plain_value(p.default_value) for p in parameters}
        self.default: Floats = self.encode(default_configuration(space))  # (d,) legal, as ConfigSpace checks

    @property
    def feature_owners(self) -> NDArray[np.intp]:
        """(f,) for each feature of X the column of V that it stands for."""
        return np.concatenate([self._single, self._hot_columns]).astype(np.intp)

    def range(self, column: int) -> Range:
        """The values of one column of V; ordered choices are whole numbers."""
        return Range(
            float(self._low[column]),
            float(self._high[column]),
            bool(self._is_log[column]),
            bool(self._is_whole[column]) or self._choices[column] is not None,
            bool(self.is_choice[column]),
        )

    def choices(self, column: int) -> list[Value] | None:
        """The listed values of one column, in the order of their places; None for a range of numbers."""
        listed = self._choices[column]
        return None if listed is None else [plain_value(one) for one in listed]

    def encode(self, configuration: Configuration) -> Floats:
        """(d,) values of one configuration; parameters that are inactive are ignored.

        Raises:
            ValueError: an active parameter is missing, a value is outside its range or none of the choices,
                or there is no parameter of a name.
        """
        row = np.full((1, self.dimensions), np.nan)
        given_names = 0
        for j, name in enumerate(self.names):
            if name in configuration:
                row[0, j] = self._number(j, configuration[name])
                given_names += 1
        unknown = None
        if given_names < len(configuration):  # ConfigSpace counts inactive parameters as well
            unknown = next((name for name in configuration if name not in self.names), None)
        if unknown is not None:
            raise ValueError(
                f"{dict(configuration)}: the space has no parameter {unknown!r}. "
                + nearest(str(unknown), self.names)
            )
        given = ~np.isnan(row[0])
        full = np.where(given, row, self._low)  # conditions of a missing parameter's children still resolve
        canonical: Floats = self.constraints.deactivate(full)
        missing = np.flatnonzero(~np.isnan(canonical[0]) & ~given)
        if len(missing):
            name = self.names[missing[0]]
            raise ValueError(f"{dict(configuration)}: the active parameter {name!r} is missing")
        return np.asarray(canonical[0] + 0.0)  # no negative zero: equal values have equal bytes

    def check(self, configuration: Configuration) -> None:
        """Make sure that a configuration lies in the space; mostly in a part of the time of `encode`.

        Raises:
            ValueError: as `encode` does, or a forbidden clause excludes it.
        """
        has_all = len(configuration) == self.dimensions and all(map(configuration.__contains__, self.names))
        if has_all and self.constraints.is_flat and self.constraints.forbids_nothing:
            for j, name in enumerate(self.names):
                self._number(j, configuration[name])
        elif not self.constraints.allowed(self.encode(configuration)[None])[0]:
            raise ValueError(f"{dict(configuration)}: a forbidden clause of the space excludes it")

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

    def from_uniform(self, U: Floats, *, without_priors: bool = False, keep_inactive: bool = False) -> Floats:
        """V of points of the unit cube: uniform points give every value its share under the space's priors.

        Args:
            without_priors: every legal value has the same share, but choices of weight 0, which have none.
            keep_inactive: inactive parameters have values too.
        """
        U = np.clip(U, 0.0, 1.0)
        P = U if without_priors else self._warps.warped(U)
        V = self._snapped(self._edge_low + P * (self._edge_high - self._edge_low))
        for j, cumulative in (self._without_priors if without_priors else self._cumulative).items():
            V[:, j] = np.minimum(np.searchsorted(cumulative, U[:, j], side="right"), self._high[j])
        return V if keep_inactive else self.constraints.deactivate(V)

    def column_from_uniform(self, column: int, u: Floats) -> Floats:
        """(n,) values of one column, as `from_uniform` gives them to the rows in which it is active."""
        if column in self._cumulative:
            places = np.searchsorted(self._cumulative[column], u, side="right")
            return np.asarray(np.minimum(places, self._high[column]), dtype=np.float64)
        low, high = self._edge_low[column], self._edge_high[column]
        return self._snapped_column(column, low + self._warps.column(column, u) * (high - low))

    def column_near(self, column: int, values: Floats, steps: Floats) -> Floats:
        """(n,) values of one column at steps from others, each a share of the range on its own scale."""
        scaled = np.log(values) if self._is_log[column] else values
        return self._snapped_column(column, scaled + steps * self._span[column])

    def listed(self, column: int) -> Floats:
        """(size,) the values of a finite column, rising."""
        return np.arange(self._low[column], self._high[column] + 1.0)

    def from_positions(self, Z: Floats) -> Floats:
        """V of positions, each number at the nearest legal value; choices are indices."""
        V = self._snapped(self._scaled_low + np.clip(Z, 0.0, 1.0) * self._span)
        V[:, self.choice_columns] = Z[:, self.choice_columns]
        return self.constraints.deactivate(V)

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
        if self._digits is None:
            np.equal(V[:, self._hot_columns], self._hot_codes, out=X[:, single:])
        else:
            places = np.where(np.isnan(V[:, self._hot_columns]), 0.0, V[:, self._hot_columns] + 1.0)
            X[:, single:] = (places.astype(np.int32) >> self._digits) & 1
        return X

    def _snapped(self, V: Floats) -> Floats:
        """Overwrite `V`, given on each parameter's scale, with legal values."""
        V[:, self._log_columns] = np.exp(V[:, self._log_columns])
        V[:, self._whole_columns] = np.rint(V[:, self._whole_columns])
        np.maximum(V, self._low, out=V)
        np.minimum(V, self._high, out=V)
        V += 0.0  # no negative zero
        return V

    def _snapped_column(self, column: int, values: Floats) -> Floats:
        """Legal values from numbers on the scale of one parameter."""
        if self._is_log[column]:
            values = np.exp(values)
        if self._is_whole[column]:
            values = np.rint(values)
        snapped: Floats = np.clip(values, self._low[column], self._high[column]) + 0.0
        return snapped

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
        whole_step = np.where(self._is_log, np.log1p(1.0 / np.maximum(self._high, 1.0)), 1.0) / self._span
        self.grid = np.where(self._is_whole & ~self.is_choice, whole_step, 0.0)  # (d,) smallest steps of Z
        self.highest_positions = np.where(self.is_choice, self._high, 1.0)
        self._name_features()

    def _name_features(self) -> None:
        """Decide what each feature of X stands for.

        One feature a choice keeps all choices equally far apart. Where that would be hundreds of features,
        which trees and distances pay for with each candidate, a choice has the binary digits of its place.
        """
        one_hot = self.is_choice & (self.sizes > 2)
        self._single = np.flatnonzero(~one_hot)
        self._pairs = np.flatnonzero(self.is_choice & ~one_hot)
        self._digits: NDArray[np.int32] | None = None
        codes = {int(j): range(int(self.sizes[j])) for j in np.flatnonzero(one_hot)}
        if sum(map(len, codes.values())) > MOST_ONE_HOT:
            codes = {j: range(len(choices).bit_length()) for j, choices in codes.items()}
            self._digits = np.array([digit for digits in codes.values() for digit in digits], dtype=np.int32)
        hot = [(j, code) for j, listed in codes.items() for code in listed]
        self._hot_columns = np.array([j for j, _ in hot], dtype=int)
        self._hot_codes = np.array([code for _, code in hot], dtype=float)

    def _number(self, column: int, value: Value) -> float:
        if type(value) not in PLAIN:
            value = self._plain(column, value)
        places = self._places[column]
        if places is None:
            return self._in_range(column, value)
        place = places.get((isinstance(value, bool), value))
        if place is None:
            raise ValueError(
                f"parameter {self.names[column]!r}: {value!r} is none of its choices {self._choices[column]}"
            )
        return float(place)

    def _in_range(self, column: int, value: Value) -> float:
        low, high, margin, is_whole = self._ranges[column]
        if not isinstance(value, bool | str):
            is_inside = low - margin <= value <= high + margin  # false for what is not a number
            if is_inside and (not is_whole or value == int(value)):
                return float(min(max(value, low), high))
        kind = "whole numbers" if is_whole else "numbers"
        raise ValueError(
            f"parameter {self.names[column]!r}: {value!r} is none of its {kind} from {low:g} to {high:g}"
        )

    def _margin(self, column: int) -> float:
        """How far outside of its bounds a number may lie by rounding."""
        if self._is_whole[column]:
            return 0.0
        low, high = float(self._low[column]), float(self._high[column])
        return BOUND_TOLERANCE * (low if self._is_log[column] else high - low)

    def _plain(self, column: int, value: object) -> Value:
        try:
            return plain_value(value)
        except TypeError as error:
            raise ValueError(f"parameter {self.names[column]!r}: {error}") from None


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
