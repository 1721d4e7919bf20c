"""Search spaces: those of ConfigSpace, and plain dicts, which are converted into them."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ambs_hpc.errors import ProblemError

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from ConfigSpace.hyperparameters import Hyperparameter

    from ambs_hpc.records import Configuration, Value

ACCEPTED = (
    "Accepted: (low, high) or (low, high, 'log') for numbers, whole when both are whole; "
    "[value, value, ...] for choices; one value for a constant; a ConfigSpace.ConfigurationSpace; or an "
    "ambs_hpc.spaces.Architecture, which may have Layers and Cells in it"
)
LARGEST_BOUND = 1e290  # ConfigSpace rounds to 13 decimals, by way of a number that much larger
HOW_STORED = (
    "Accepted: what ConfigSpace writes of a space; without it the campaign can be neither searched nor "
    "learned from"
)
LARGEST_WHOLE = 2**53  # whole numbers up to here are exact in the search, in JSON and in every table
STATED_ORDER = "_ambs_stated_order"  # attribute of a space: the names in the order of the problem's dict
DECIMALS = 13  # that ConfigSpace keeps of a bound


def build_space(space: object) -> ConfigurationSpace:
    """The ConfigSpace form of `space`, which stays untouched.

    Args:
        space: a ConfigurationSpace, an `ambs_hpc.spaces.Architecture`, or a dict from a name to
            `(low, high)`, `(low, high, "log")` (integers when both bounds are), a list of choices (in order
            when they are rising numbers), a `range` (the whole numbers that Python counts), or a single value
            (a constant). numpy's numbers and arrays are taken for the plain values that they hold.

    Raises:
        ProblemError: names the parameter, what it holds and what is accepted.
    """
    from ConfigSpace import ConfigurationSpace

    space = getattr(space, "configuration_space", space)
    if isinstance(space, ConfigurationSpace):
        built = space
    elif isinstance(space, Mapping):
        built = ConfigurationSpace()
        built.add(*(build_parameter(name, choice) for name, choice in space.items()))
        setattr(built, STATED_ORDER, list(space))
    else:
        raise ProblemError("problem", "space", f"is a {type(space).__name__}", ACCEPTED)
    if not len(built):
        raise ProblemError("problem", "space", "has no parameters", ACCEPTED)
    for parameter in built.values():
        _check_parameter(parameter)
    _check_json(built)
    return built


def build_parameter(name: object, choice: object, field: str = "") -> Hyperparameter[Any, Any]:
    """The parameter that `choice` states in the terms of a plain dict, see `build_space`.

    Args:
        field: what an error names; by default the parameter of the space.

    Raises:
        ProblemError: names the field, what it holds and what is accepted.
    """
    field = field or f"space[{name!r}]"
    if not isinstance(name, str) or not name:
        raise ProblemError("problem", field, "the name of a parameter is not a text", "Use texts as keys")
    try:
        return _parameter_of(name, field, _without_numpy(choice))
    except (ValueError, TypeError, OverflowError) as error:
        seen = " ".join(str(error).split())
        raise ProblemError("problem", field, f"is {choice!r}: ConfigSpace says: {seen}", ACCEPTED) from error


def space_notes(space: ConfigurationSpace) -> list[str]:
    """What a person may not have meant, a sentence each."""
    return [note for name, one in space.items() if (note := _note(name, one))]


def _note(name: str, parameter: Any) -> str:
    low, high = getattr(parameter, "lower", None), getattr(parameter, "upper", None)
    if isinstance(low, int) and isinstance(high, int) and high - low == 1:
        return (
            f"{name!r} is one of the two whole numbers {low} and {high}; for all numbers between them write "
            f"({low}.0, {high}.0)"
        )
    values = [_without_numpy(one) for one in _listed_values(parameter)] if low is None else []
    numbers = [one for one in values if one != "log"]
    has_log = len(numbers) < len(values)
    is_range = has_log or (len(numbers) == 2 and all(isinstance(one, float) for one in numbers))
    if len(numbers) == 2 and is_range and all(map(_is_number, numbers)):
        wanted = (*sorted(cast("list[float]", numbers)), *["log"] * has_log)
        listed = f"{', '.join(map(repr, values[:-1]))} and {values[-1]!r}"
        return f"{name!r} is one of the {len(values)} values {listed}; for a range write {wanted}"
    return ""


def space_to_json(space: ConfigurationSpace) -> dict[str, object]:
    """ConfigSpace's own serialised form, of JSON values only; parameters in the problem's order."""
    serialised = cast("dict[str, object]", _plain_json(space.to_serialized_dict()))
    serialised.pop("python_module_version", None)  # an upgrade of the library is not another space
    # ConfigSpace sorts parameters by their names, and reads them in any order.
    places = {name: place for place, name in enumerate(getattr(space, STATED_ORDER, ()))}
    parameters = cast("list[dict[str, object]]", serialised["hyperparameters"])
    parameters.sort(key=lambda one: places.get(str(one["name"]), len(places)))
    return serialised


def in_stored_order(configuration: Configuration, serialised: Mapping[str, object]) -> dict[str, Value]:
    """The configuration in the order of a stored space: the problem's own, where it is a dict.

    Args:
        serialised: as `space_to_json` gives it; what it does not name comes last.
    """
    stored = cast("list[Mapping[str, object]]", serialised.get("hyperparameters", []))
    names = [str(one["name"]) for one in stored]
    ordered = [name for name in names if name in configuration]
    return {name: configuration[name] for name in dict.fromkeys((*ordered, *configuration))}


def space_from_json(serialised: Mapping[str, object]) -> ConfigurationSpace:
    """The inverse of `space_to_json`.

    Raises:
        ProblemError: ConfigSpace cannot read it: it is of another version, or of somebody else.
    """
    try:
        return space_as_written(serialised)
    except Exception as error:  # each type has a decoder, with errors of its own
        seen = f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ProblemError("stored problem", "space", seen, HOW_STORED) from error


def space_as_written(serialised: Mapping[str, object]) -> ConfigurationSpace:
    """The same with whatever ConfigSpace raises, for those who try what it accepts."""
    from ConfigSpace import ConfigurationSpace

    return ConfigurationSpace.from_serialized_dict(copy.deepcopy(dict(serialised)))  # it consumes them


def stored_space(problem: Mapping[str, object], campaign: str) -> Mapping[str, Any]:
    """The space of a stored problem, in its stored form.

    Args:
        campaign: its name, for an error.

    Raises:
        ProblemError: it has none; rows are written by others as well.
    """
    space = problem.get("space")
    parameters = space.get("hyperparameters") if isinstance(space, Mapping) else None
    are_named = isinstance(parameters, list) and all(
        isinstance(one, Mapping) and isinstance(one.get("name"), str) for one in parameters
    )
    if not are_named or not parameters:
        seen = f"is {space!r}"[:200] if "space" in problem else "is missing"
        raise ProblemError(f"stored problem of campaign {campaign!r}", "space", seen, HOW_STORED)
    return cast("Mapping[str, Any]", space)


def check_configuration(space: ConfigurationSpace, configuration: Configuration, field: str) -> None:
    """Raise a ProblemError that names `field` unless the configuration is complete and legal."""
    from ConfigSpace import Configuration as Checked
    from ConfigSpace.exceptions import ForbiddenValueError

    remedy = "Give exactly the active parameters, each within its range"
    if not isinstance(configuration, Mapping):
        raise ProblemError(
            "problem", field, f"is a {type(configuration).__name__}", "Give a dict of parameters"
        )
    try:
        Checked(space, values=dict(configuration))
    except ForbiddenValueError as error:
        raise ProblemError("problem", field, f"is forbidden by the space: {error}", remedy) from error
    except (ValueError, KeyError, TypeError) as error:
        seen = " ".join(str(error).split("\n")[0].split())
        raise ProblemError(
            "problem", field, f"{dict(configuration)} is not in the space: {seen}", remedy
        ) from error


def default_configuration(space: ConfigurationSpace) -> dict[str, Value]:
    """The active default values, as plain Python values."""
    return {name: plain_value(value) for name, value in dict(space.get_default_configuration()).items()}


def plain_value(value: object) -> Value:
    """The value as a Python bool, int, float or str, also where a library uses a type of its own."""
    item = getattr(value, "item", None)
    plain = item() if callable(item) else value
    if not isinstance(plain, bool | int | float | str):
        raise TypeError(
            f"a parameter's value must be a number, text or truth value, not {type(plain).__name__}"
        )
    return plain


def _check_json(space: ConfigurationSpace) -> None:
    """Raise a ProblemError when a note of the user (`meta`) cannot be stored."""
    try:
        json.dumps(space_to_json(space), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ProblemError(
            "problem",
            "space",
            f"cannot be stored as JSON: {error}",
            "Let `meta` hold texts and numbers",
        ) from error


def _parameter_of(name: str, field: str, choice: object) -> Hyperparameter[Any, Any]:
    from ConfigSpace import Categorical, Constant, Float, Integer, OrdinalHyperparameter

    if isinstance(choice, range):
        choice = (choice[0], choice[-1]) if len(choice) > 1 and choice.step == 1 else list(choice)
    if isinstance(choice, tuple):
        low, high, log = _bounds(field, choice)
        if isinstance(low, int) and isinstance(high, int):
            _check_whole_bounds(field, low, high)
            return Integer(name, (low, high), log=log)
        return Float(name, (float(low), float(high)), log=log)
    if isinstance(choice, list):
        _check_choices(field, choice)
        if _is_rising(choice):
            return OrdinalHyperparameter(name, choice)
        return Categorical(name, choice)
    if hasattr(choice, "declare"):
        remedy = "Write space=Architecture({...}) of ambs_hpc.spaces around it"
        raise ProblemError("problem", field, f"is the block {type(choice).__name__}", remedy)
    if choice is not None and not isinstance(choice, Mapping):
        _check_value(field, choice, "is")
        return Constant(name, choice)
    raise ProblemError("problem", field, f"is {choice!r}", ACCEPTED)


def _without_numpy(choice: object) -> object:
    """Arrays as lists, and numpy's numbers, texts and truth values as Python's."""
    if type(choice).__module__ == "numpy" and hasattr(choice, "tolist"):
        return cast("Any", choice).tolist()
    if isinstance(choice, tuple | list):
        return type(choice)([_without_numpy(one) for one in choice])
    return choice


def _check_parameter(parameter: Any) -> None:
    """Raise a ProblemError for what a database or an evaluation could not be given as it is."""
    field = f"space[{parameter.name!r}]"
    if hasattr(parameter, "lower"):
        low, high = parameter.lower, parameter.upper
        if isinstance(low, int):
            _check_whole_bounds(field, low, high)
        else:
            _check_bounds(field, low, high)
    else:
        for value in _listed_values(parameter):
            _check_value(field, _without_numpy(value), "has the choice")


def _listed_values(parameter: Any) -> list[object]:
    for attribute in ("choices", "sequence"):
        if hasattr(parameter, attribute):
            return list(getattr(parameter, attribute))
    return [parameter.value]


def _check_value(field: str, value: object, seen: str) -> None:
    """Raise a ProblemError unless the value is one that JSON and every database can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        remedy = f"JSON has no {value}: give a number that is large enough, or the text {str(value)!r} and "
        raise ProblemError("problem", field, f"{seen} {value!r}", remedy + "float(...) in the objective")
    if value is None or isinstance(value, tuple | list | dict):
        remedy = "Choices are numbers, texts or truth values: give a text, such as 'none' or '64,64', and "
        raise ProblemError("problem", field, f"{seen} {value!r}", remedy + "translate it in the objective")
    if not isinstance(value, bool | int | float | str):
        raise ProblemError(
            "problem", field, f"{seen} {value!r}", "Choices are numbers, texts or truth values"
        )
    if isinstance(value, str) and ("\0" in value or not _is_unicode(value)):
        raise ProblemError("problem", field, f"{seen} {value!r}", "Give a text without NUL and surrogates")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_bounds(field: str, low: float, high: float) -> None:
    if not (low >= -LARGEST_BOUND and high <= LARGEST_BOUND):
        remedy = f"Numbers are searched from -{LARGEST_BOUND} to {LARGEST_BOUND}: search the exponent instead"
        raise ProblemError("problem", field, f"goes from {low} to {high}", remedy)


def _check_whole_bounds(field: str, low: int, high: int) -> None:
    if max(-low, high) > LARGEST_WHOLE:
        raise ProblemError(
            "problem",
            field,
            f"goes from {low} to {high}",
            f"Whole numbers are exact up to 2**53 = {LARGEST_WHOLE}: give bounds within that, such as "
            "(0, 2**32 - 1) for random seeds, or a list of choices",
        )


def _bounds(field: str, choice: tuple[object, ...]) -> tuple[int | float, int | float, bool]:
    log, as_list = len(choice) == 3, f"a choice is a list: {list(choice)!r}"
    if len(choice) not in (2, 3) or (log and choice[2] != "log"):
        remedy = f"A range is (low, high) or (low, high, 'log'); {as_list}"
        raise ProblemError("problem", field, f"is {choice!r}", remedy)
    low, high = choice[0], choice[1]
    if not _is_number(low) or not _is_number(high):
        remedy = f"The bounds of a range are finite numbers; {as_list}"
        raise ProblemError("problem", field, f"is {choice!r}", remedy)
    low, high = cast("int | float", low), cast("int | float", high)
    if isinstance(low, float) or isinstance(high, float):
        _check_bounds(field, low, high)
    if low >= high:
        raise ProblemError(
            "problem", field, f"has the low bound {low} and the high bound {high}", "Put the lower first"
        )
    if log and low <= 0:
        raise ProblemError("problem", field, f"is logarithmic from {low}", "A log range must start above 0")
    for bound in (low, high):
        if isinstance(bound, float) and abs(round(bound, DECIMALS) - bound) > 1e-6 * abs(bound):
            raise ProblemError(
                "problem",
                field,
                f"has the bound {bound}",
                f"ConfigSpace keeps {DECIMALS} decimals: search the number in a larger unit, or its exponent",
            )
    return low, high, log


def _check_choices(field: str, choices: list[object]) -> None:
    for choice in choices:
        _check_value(field, choice, "has the choice")
    if not choices or len(set(cast("list[str]", choices))) < len(choices):
        raise ProblemError("problem", field, f"is {choices!r}", "Give at least one choice and none twice")


def _is_rising(choices: list[object]) -> bool:
    numbers = [choice for choice in choices if _is_number(choice)]
    return len(numbers) == len(choices) > 2 and numbers == sorted(cast("list[float]", numbers))


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _plain_json(value: object) -> object:
    """The value with Python's own numbers and lists throughout."""
    if isinstance(value, Mapping):
        return {key: _plain_json(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain_json(one) for one in value]
    return _without_numpy(value)
