"""Values of elsewhere as a legal configuration of a space: by name, by type, and never by guessing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ambs_hpc.errors import ProblemError, nearest
from ambs_hpc.problem.space import check_configuration, plain_value, space_to_json
from ambs_hpc.problem.space_differences import clause_words

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from ambs_hpc.records import Value

ROUNDING = 1e-9  # relative difference by which a number of elsewhere is still one that the space has
TRUTHS = {"true": True, "false": False}


class SpaceFit:
    """Fits values of elsewhere into one space.

    A whole number that came as 64.0, or a bound that was printed with fewer digits, becomes the number that
    the space has; a text becomes the number, truth value or choice that it spells. Nothing else is changed:
    another value would be given a result that it did not have.

    Args:
        was: of parameters that the space did not always have, the value with which those without them ran.
    """

    def __init__(self, space: ConfigurationSpace, was: Mapping[str, Value | None] | None = None) -> None:
        self.space = space
        self._was = {name: value for name, value in (was or {}).items() if value is not None}
        self._parameters: dict[str, Any] = dict(space)

    @property
    def names(self) -> list[str]:
        """The names of the parameters."""
        return list(self._parameters)

    @property
    def needed(self) -> list[str]:
        """The names of the parameters that every configuration must have a value of."""
        return [
            name
            for name, parameter in self._parameters.items()
            if not _is_constant(parameter)
            and not self.space.parent_conditions_of[name]
            and name not in self._was
        ]

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are no parameters, in their order."""
        return [name for name in dict.fromkeys(names) if name not in self._parameters]

    def configuration(
        self,
        values: Mapping[str, object],
        place: str,
        *,
        fill: bool = False,
        drop_inactive: bool = True,
    ) -> dict[str, Value]:
        """The legal configuration that the values spell; names that are no parameters are left out.

        Args:
            place: where the values stand, for messages.
            fill: give an active parameter without a value its default.
            drop_inactive: leave out a value whose condition does not hold; other programs store one.

        Raises:
            ProblemError: names the place, the parameter, its value and what is accepted.
        """
        fitted: dict[str, Value] = {}
        for name in self._in_order():
            parameter, is_active = self._parameters[name], self._is_active(name, fitted)
            given = _is_given(values.get(name), parameter)
            if not is_active:
                if given and not drop_inactive:
                    raise ProblemError(place, name, f"is {values[name]!r}", self._why_inactive(name))
            elif given:
                fitted[name] = _legal_value(parameter, values[name], place)
            elif name in self._was and not _is_constant(parameter):
                fitted[name] = _legal_value(parameter, self._was[name], place)
            elif fill or _is_constant(parameter):
                fitted[name] = plain_value(parameter.default_value)
            else:
                raise ProblemError(place, name, "has no value", f"{accepted(parameter)}")
        try:
            check_configuration(self.space, fitted, "configuration")
        except ProblemError as error:
            raise ProblemError(place, error.field, error.seen, error.remedy) from error
        return {name: fitted[name] for name in self._parameters if name in fitted}

    def missing(self, values: Mapping[str, object]) -> dict[str, Value]:
        """The defaults of the active parameters that the values lack.

        Raises:
            ProblemError: the values cannot be fitted.
        """
        whole = self.configuration(values, "values", fill=True)
        return {
            name: value
            for name, value in whole.items()
            if not _is_given(values.get(name), self._parameters[name])
            and not _is_constant(self._parameters[name])
        }

    def _in_order(self) -> list[str]:
        """Parents before their children."""
        order: list[str] = []
        waiting = list(self._parameters)
        while waiting:
            ready = [n for n in waiting if all(p.name in order for p in self.space.parents_of[n])]
            order += ready
            waiting = [name for name in waiting if name not in ready]
        return order

    def _is_active(self, name: str, fitted: Mapping[str, Value]) -> bool:
        conditions = self.space.parent_conditions_of[name]
        parents = [parent.name for parent in self.space.parents_of[name]]
        return all(parent in fitted for parent in parents) and all(
            condition.satisfied_by_value({parent: fitted[parent] for parent in parents})
            for condition in conditions
        )

    def _why_inactive(self, name: str) -> str:
        stored: Any = space_to_json(self.space)["conditions"]
        words = " and ".join(clause_words(one) for one in stored if one["child"] == name)
        return f"Leave it out: it is active only where {words}"


def accepted(parameter: Any) -> str:
    """A sentence that says which values the parameter takes."""
    if hasattr(parameter, "lower"):
        kind = "a whole number" if isinstance(parameter.lower, int) else "a number"
        log = ", log" if getattr(parameter, "log", False) else ""
        return f"Accepted: {kind} from {parameter.lower} to {parameter.upper}{log}"
    choices = _choices(parameter)
    shown = ", ".join(repr(choice) for choice in choices[:12]) + (", ..." if len(choices) > 12 else "")
    return f"Accepted: {shown}"


def _is_given(value: object, parameter: Any) -> bool:
    """Whether there is a value; a text without signs is none, unless it is a choice."""
    if isinstance(value, str) and not value.strip():
        return not hasattr(parameter, "lower") and value in _choices(parameter)
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _is_constant(parameter: Any) -> bool:
    return not hasattr(parameter, "lower") and len(_choices(parameter)) == 1


def _choices(parameter: Any) -> list[Value]:
    for attribute in ("choices", "sequence"):
        if hasattr(parameter, attribute):
            return [plain_value(choice) for choice in getattr(parameter, attribute)]
    return [plain_value(parameter.value)]


def _legal_value(parameter: Any, value: object, place: str) -> Value:
    legal = _in_range(parameter, value) if hasattr(parameter, "lower") else _chosen(parameter, value)
    if legal is None:
        hint = ""
        if isinstance(value, str) and not hasattr(parameter, "lower"):
            texts = [choice for choice in _choices(parameter) if isinstance(choice, str)]
            found = nearest(value, texts) if texts else ""
            hint = found.split("?")[0] + "? " if found.startswith("Did you mean") else ""
        raise ProblemError(place, parameter.name, f"is {value!r}", hint + accepted(parameter))
    return legal


def _in_range(parameter: Any, value: object) -> Value | None:
    number = _number(value)
    if number is None:
        return None
    low, high = plain_value(parameter.lower), plain_value(parameter.upper)
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    if isinstance(low, int):
        whole = round(number)
        if abs(whole - number) > ROUNDING * max(1.0, abs(number)):
            return None
        number = whole
    elif low - ROUNDING * abs(low) <= number <= high + ROUNDING * abs(high):
        number = min(max(float(number), low), high)
    return number if low <= number <= high else None


def _chosen(parameter: Any, value: object) -> Value | None:
    choices = _choices(parameter)
    if isinstance(value, str):
        return _spelled(choices, value)
    same = [choice for choice in choices if type(choice) is type(value) and choice == value]
    if same:
        return same[0]
    if isinstance(value, bool):
        return None
    equal = [one for one in choices if _is_number(one) and _is_number(value) and _near(one, value)]
    return equal[0] if len(equal) == 1 else None


def _spelled(choices: list[Value], text: str) -> Value | None:
    """The only choice that the text spells; None where there is none, or several."""
    # `ambs export csv` puts an apostrophe before a text that a spreadsheet would take for a formula.
    for spelling in (text, text.strip(), text.removeprefix("'")):
        exact = [choice for choice in choices if str(choice) == spelling]
        if exact:
            return exact[0] if len(exact) == 1 else None
    truth, number = TRUTHS.get(text.strip().lower()), _number(text)
    if truth is not None:
        return truth if any(choice is truth for choice in choices) else None
    equal = [one for one in choices if number is not None and _is_number(one) and _near(one, number)]
    return equal[0] if len(equal) == 1 else None


def _number(value: object) -> int | float | None:
    """The finite number that a value is or spells."""
    if isinstance(value, str):
        text = value.strip()
        for convert in (int, float):
            try:
                value = convert(text)
                break
            except ValueError:
                continue
    if not _is_number(value):
        return None
    assert isinstance(value, int | float)
    return value if math.isfinite(value) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _near(one: Any, other: Any) -> bool:
    return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=0.0)
