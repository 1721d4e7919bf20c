"""The fidelity of a problem as a person states it, checked when it is created."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from ambs_hpc.errors import ProblemError, nearest

RULE_NAMES = ("asha", "hyperband", "median")
LARGEST_STEP = 2**53  # as in reports
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How far an evaluation can run, and the rule that decides how far it does.

    An evaluation reports the objective after steps (`ambs_hpc.report(step, value)`); at certain steps, the
    rungs, it is compared with the others there, and runs on or is paused.

    Args:
        name: what a step is, for people: "epochs".
        minimum: the step of the first rung, >= 1.
        maximum: the step at which an evaluation is complete, > minimum; its objective is that of there.
        eta: a rung is this many times the one below, and of those on it one in `eta` runs on; >= 2.
        rule: "asha", "hyperband" or "median", see `rule_of`.

    Raises:
        ProblemError: names the field, what it holds and what is accepted.
    """

    name: str
    minimum: int
    maximum: int
    eta: int = 3
    rule: str = "asha"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not 0 < len(self.name.strip()) <= LONGEST_NAME:
            raise _wrong("name", self.name, f'Say what a step is in up to {LONGEST_NAME} letters: "epochs"')
        _check_whole("minimum", self.minimum, 1, "the step of the first rung")
        _check_whole("maximum", self.maximum, 1, "the step at which an evaluation is complete")
        _check_whole("eta", self.eta, 2, "how many times longer each rung is")
        if self.maximum <= self.minimum:
            remedy = f"Give more than minimum={self.minimum}, or leave fidelity out to run all to the end"
            raise _wrong("maximum", self.maximum, remedy)
        if self.rule not in RULE_NAMES:
            raise _wrong("rule", self.rule, nearest(str(self.rule), RULE_NAMES))

    def rungs(self) -> tuple[int, ...]:
        """The steps at which evaluations are compared, rising; the last one is the maximum.

        Each is `eta` times the one before. One that is nearer to the maximum than the square root of `eta`
        is left out: it would cost almost as much as the end.
        """
        steps, step = [], self.minimum
        while step * step * self.eta <= self.maximum * self.maximum:
            steps.append(step)
            step *= self.eta
        return (*(steps or [self.minimum]), self.maximum)

    @property
    def words(self) -> str:
        """In a line: "epochs up to 81 by asha, rungs 1, 3, 9, 27, 81"."""
        return f"{self.name} up to {self.maximum} by {self.rule}, rungs {', '.join(map(str, self.rungs()))}"


def fidelity_to_json(fidelity: Fidelity | None) -> dict[str, object] | None:
    """As it is stored with a campaign."""
    return None if fidelity is None else asdict(fidelity)


def fidelity_from_json(plain: object) -> Fidelity | None:
    """What `fidelity_to_json` made; None where a campaign has none.

    Raises:
        ProblemError: somebody wrote something else there.
    """
    if plain is None:
        return None
    if not isinstance(plain, Mapping) or set(plain) != set(Fidelity.__dataclass_fields__):
        accepted = ", ".join(Fidelity.__dataclass_fields__)
        raise ProblemError("campaign", "fidelity", f"is {plain!r}", f"It has {accepted}")
    return Fidelity(**cast("dict[str, object]", dict(plain)))  # type: ignore[arg-type]  # checked there


def _check_whole(name: str, value: object, least: int, words: str) -> None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not least <= cast("int", value) <= LARGEST_STEP:
        raise _wrong(name, value, f"Give a whole number from {least}: {words}")


def _wrong(field: str, value: object, remedy: str) -> ProblemError:
    return ProblemError("problem", f"fidelity.{field}", f"is {value!r}", remedy)
