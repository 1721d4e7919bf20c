"""Search spaces: those of ConfigSpace, and plain dicts, which are converted into them."""

from __future__ import annotations

import copy
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
    "[value, value, ...] for choices; one value for a constant; or a ConfigSpace.ConfigurationSpace"
)


def build_space(space: object) -> ConfigurationSpace:
    """The ConfigSpace form of `space`, which stays untouched.

    Args:
        space: a ConfigurationSpace, or a dict from a name to `(low, high)`, `(low, high, "log")`
            (integers when both bounds are), a list of choices (in order when they are rising numbers),
            or a single value (a constant).

    Raises:
        ProblemError: names the parameter, what it holds and what is accepted.
    """
    from ConfigSpace import ConfigurationSpace

    if isinstance(space, ConfigurationSpace):
        built = space
    elif isinstance(space, Mapping):
        built = ConfigurationSpace()
        built.add(*(_parameter(name, choice) for name, choice in space.items()))
    else:
        raise ProblemError("problem", "space", f"is a {type(space).__name__}", ACCEPTED)
    if not len(built):
        raise ProblemError("problem", "space", "has no parameters", ACCEPTED)
    return built


def space_to_json(space: ConfigurationSpace) -> dict[str, object]:
    """ConfigSpace's own serialised form, of JSON values only."""
    serialised = cast("dict[str, object]", space.to_serialized_dict())
    serialised.pop("python_module_version", None)  # an upgrade of the library is not another space
    return serialised


def space_from_json(serialised: Mapping[str, object]) -> ConfigurationSpace:
    """The inverse of `space_to_json`."""
    from ConfigSpace import ConfigurationSpace

    return ConfigurationSpace.from_serialized_dict(copy.deepcopy(dict(serialised)))  # it consumes them


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


def _parameter(name: object, choice: object) -> Hyperparameter[Any, Any]:
    from ConfigSpace import Categorical, Constant, Float, Integer, OrdinalHyperparameter

    field = f"space[{name!r}]"
    if not isinstance(name, str) or not name:
        raise ProblemError("problem", field, "the name of a parameter is not a text", "Use texts as keys")
    if isinstance(choice, tuple):
        low, high, log = _bounds(field, choice)
        if isinstance(low, int) and isinstance(high, int):
            return Integer(name, (low, high), log=log)
        return Float(name, (float(low), float(high)), log=log)
    if isinstance(choice, list):
        _check_choices(field, choice)
        if _is_rising(choice):
            return OrdinalHyperparameter(name, choice)
        return Categorical(name, choice)
    if isinstance(choice, bool | int | float | str):
        return Constant(name, choice)
    raise ProblemError("problem", field, f"is {choice!r}", ACCEPTED)


def _bounds(field: str, choice: tuple[object, ...]) -> tuple[int | float, int | float, bool]:
    log = len(choice) == 3
    if len(choice) not in (2, 3) or (log and choice[2] != "log"):
        raise ProblemError("problem", field, f"is {choice!r}", ACCEPTED)
    low, high = choice[0], choice[1]
    if not _is_number(low) or not _is_number(high):
        raise ProblemError("problem", field, f"is {choice!r}", "Both bounds must be finite numbers")
    low, high = cast("int | float", low), cast("int | float", high)
    if low >= high:
        raise ProblemError(
            "problem", field, f"has the low bound {low} and the high bound {high}", "Put the lower first"
        )
    if log and low <= 0:
        raise ProblemError("problem", field, f"is logarithmic from {low}", "A log range must start above 0")
    return low, high, log


def _check_choices(field: str, choices: list[object]) -> None:
    wrong = [choice for choice in choices if not isinstance(choice, bool | int | float | str)]
    if wrong:
        raise ProblemError(
            "problem", field, f"has the choice {wrong[0]!r}", "Choices are numbers, texts or truth values"
        )
    if not choices or len({(type(choice), choice) for choice in choices}) < len(choices):
        raise ProblemError("problem", field, f"is {choices!r}", "Give at least one choice and none twice")


def _is_rising(choices: list[object]) -> bool:
    numbers = [choice for choice in choices if _is_number(choice)]
    return len(numbers) == len(choices) > 2 and numbers == sorted(cast("list[float]", numbers))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
