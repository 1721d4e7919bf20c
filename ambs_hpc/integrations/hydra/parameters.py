"""From Hydra's overrides to a space, and back to the values that a program sees; nothing is composed here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
    Transformer,
)

from ambs_hpc.errors import UsageError
from ambs_hpc.records import Value

MOST_LISTED = 10_000  # values of a range that is no range of whole numbers


@dataclass(frozen=True, slots=True)
class SweptParameters:
    """What is searched, and what every evaluation is given.

    Args:
        space: a dict as `ambs_hpc.Problem` takes it. Choices that are not all numbers or all truth values
            stand in it as texts of Hydra's override grammar.
        prefixes: `+`, `++` or "" for each parameter, as it was written.
        fixed: the other overrides, as they were written.
    """

    space: Mapping[str, object]
    prefixes: Mapping[str, str]
    fixed: tuple[str, ...]

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The overrides of an evaluation as entries of a `Command`."""
        searched = [f"{self.prefixes[name]}{name}={{{name}}}" for name in self.space]
        return (*(one.replace("{", "{{").replace("}", "}}") for one in self.fixed), *searched)

    def stored(self, point: Mapping[str, object]) -> dict[str, Any]:
        """A configuration in the form in which the space has it, from one with plain values."""
        return {name: self._stored(name, value) for name, value in point.items()}

    def plain(self, configuration: Mapping[str, Value]) -> dict[str, object]:
        """A configuration with the values that the program sees."""
        return {name: _plain(value) for name, value in configuration.items()}

    def _stored(self, name: str, value: object) -> object:
        choices = self.space.get(name)
        if isinstance(choices, list) and value not in choices:
            return next((one for one in choices if _plain(one) == value), value)
        return value


def read_parameters(
    params: Mapping[str, object], arguments: Sequence[str], config_loader: Any = None
) -> SweptParameters:
    """What `hydra.sweeper.params` and the command line ask for; the command line wins.

    Args:
        params: from a key to the text of a sweep, such as `tag(log, interval(1e-4, 1e-1))`; a plain value is
            an override of every evaluation.
        arguments: the overrides of the command line, without those of Hydra itself.
        config_loader: Hydra's, for `glob(*)`.

    Raises:
        UsageError: nothing is searched, or a sweep cannot be searched; the message has the parameter.
        hydra.errors.HydraException: Hydra cannot read an override.
    """
    lines = [f"{key}={_text_of(key, value)}" for key, value in params.items()]
    parser = OverridesParser.create(config_loader=config_loader)
    overrides = {_name(one): one for one in parser.parse_overrides([*lines, *arguments])}
    searched = {name: one for name, one in overrides.items() if one.is_sweep_override()}
    if not searched:
        raise UsageError(
            "no parameter is searched. Write, for instance, 'hydra.sweeper.params.lr=\"tag(log, "
            "interval(1e-4, 1e-1))\"' or, on the command line, 'lr=interval(0.1, 0.9)' 'units=16,32,64'"
        )
    return SweptParameters(
        space={name: _choices_of(name, one) for name, one in searched.items()},
        prefixes={name: one.get_key_element().removesuffix(name) for name, one in searched.items()},
        fixed=tuple(str(one.input_line) for one in overrides.values() if not one.is_sweep_override()),
    )


def _name(override: Override) -> str:
    """The key, without the sign that says whether it is changed, added or removed."""
    return override.get_key_element().lstrip("+~")


def _text_of(key: str, value: object) -> str:
    """What stands behind `=`; a text of a configuration file is written in the grammar already."""
    if isinstance(value, Mapping):
        inner = next(iter(value), "lr")
        raise UsageError(f"hydra.sweeper.params.{key}: is a dict. Write the whole key: {key}.{inner}: ...")
    if isinstance(value, list):
        listed = ", ".join(str(one) for one in value)
        raise UsageError(
            f"hydra.sweeper.params.{key}: is a list. Write choice({listed}), or the list as a text"
        )
    return value if isinstance(value, str) else Transformer.str(cast("Any", value))


def _choices_of(name: str, override: Override) -> object:
    sweep = cast("Any", override.value())
    if isinstance(sweep, IntervalSweep):
        return _bounds(name, sweep, is_log="log" in sweep.tags)
    if isinstance(sweep, RangeSweep):
        return _range(name, sweep, is_log="log" in sweep.tags)
    values = list(override.sweep_iterator())
    if not values:
        raise UsageError(f"{name}: {override.input_line} has no choices")
    if all(isinstance(one, bool) for one in values) or all(_is_number(one) for one in values):
        return values
    return [_in_grammar(one) for one in values]


def _bounds(name: str, sweep: IntervalSweep, *, is_log: bool) -> object:
    low, high = cast("float", sweep.start), cast("float", sweep.end)
    if not low < high:
        raise UsageError(f"{name}: the interval goes from {low} to {high}. Put the lower bound first")
    return (low, high, "log") if is_log else (low, high)


def _range(name: str, sweep: RangeSweep, *, is_log: bool) -> object:
    """Bounds, where it counts by ones, as Hydra does: without the last; else the values."""
    values = sweep.range()
    if isinstance(values, range):
        if len(values) > 1 and values.step == 1:
            return _bounds(name, IntervalSweep(start=values[0], end=values[-1]), is_log=is_log)
    elif (cast("float", sweep.stop) - cast("float", sweep.start)) / sweep.step > MOST_LISTED:
        raise UsageError(f"{name}: the range has more than {MOST_LISTED} values. Write interval(low, high)")
    if is_log:
        raise UsageError(f"{name}: only ranges of step 1, and intervals, have a log scale")
    listed = sorted(values)[: MOST_LISTED + 1]
    if not 0 < len(listed) <= MOST_LISTED:
        seen = "has no values" if not listed else f"has more than {MOST_LISTED} values"
        raise UsageError(f"{name}: the range {seen}. Write range(start, stop, step), which ends before stop")
    return listed


def _in_grammar(value: Any) -> str:
    """The value as an override says it; texts that would be read as something else are quoted."""
    if isinstance(value, str) and "${" in value:
        return value  # an interpolation, for the program to resolve
    text = Transformer.str(value)
    if isinstance(value, str) and _plain(text) != value:
        return QuotedString(value, Quote.single).with_quotes()
    return text


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _plain(value: object) -> object:
    if not isinstance(value, str):
        return value
    return OverridesParser.create().parse_override(f"value={value}").value()
