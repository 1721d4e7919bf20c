"""The protocols that a search method implements, and the values for its creation; no numpy here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ambs_hpc.problem.goals import Goals
    from ambs_hpc.records import Configuration, Observation, Proposal, Source
    from ambs_hpc.search.encoding import Encoding
    from ambs_hpc.search.history import Draft, History


@dataclass(frozen=True, slots=True)
class RungValue:
    """What an evaluation had come to at a step before its end: the objective in the user's units."""

    configuration: Configuration
    step: int
    value: float


class Searcher(Protocol):
    """Proposes configurations and learns from their results; it knows which proposals are pending."""

    def ask(self, n: int) -> list[Proposal]:
        """At most `n` >= 0 new proposals, none of them known; fewer when the space ends.

        Raises:
            SpaceExhausted: not a single configuration is left.
            NoLegalConfiguration: none was found in a space too large to list.
        """
        ...

    def tell(self, observations: Sequence[Observation]) -> None:
        """Learn results in this order; a later one of the same configuration replaces the earlier.

        A failure replaces no success.

        Raises:
            ValueError: an objective is not finite, or a configuration is not of the space.
        """
        ...

    def best(self) -> Observation | None:
        """The best success so far; None before the first."""
        ...

    @property
    def history(self) -> Sequence[Observation]:
        """What has been told and not replaced since, in that order."""
        ...

    def discard(self, configurations: Iterable[Configuration]) -> None:
        """These configurations will have no result; they are neither pending nor proposed again."""
        ...

    def restore(self, proposals: Sequence[Proposal | None], observations: Sequence[Observation]) -> None:
        """Become the searcher that made all `proposals` (in ordinal order) and was told `observations`.

        None stands for a proposal that does not count: it keeps its ordinal, and nothing of it is known.
        """
        ...


@runtime_checkable
class LearnsRungs(Protocol):
    """A searcher that also learns from what is not complete."""

    def tell_rungs(self, values: Sequence[RungValue]) -> None:
        """Learn values on rungs in this order, after the proposals that they belong to; each is told once.

        Raises:
            ValueError: a value is not finite, or a configuration is not of the space.
        """
        ...


class Strategy(Protocol):
    """Chooses the next row; a function of the history alone."""

    def choose(self, history: History) -> Draft:
        """A legal, unknown row for `history.next_ordinal`.

        Raises:
            SpaceExhausted: there is none.
        """
        ...

    def prepare(self, history: History) -> None:
        """Do now what would make the next choice slow; the choices are the same without it."""
        ...


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """The values that a searcher is created from; all but the options are checked.

    Args:
        encoding: the vectorised space.
        method: the name that was chosen; a module may serve several.
        direction: "minimize" or "maximize".
        seed: >= 0.
        starting_points: configurations to be proposed first.
        options: options of the method, not yet checked.
        sources: observations of other problems; only for methods of `registry.WARM`.
        maximum_step: the step at which evaluations are complete; None where they have no rungs.
        goals: the objectives and constraints; None where there is one objective alone.
    """

    encoding: Encoding
    method: str
    direction: str
    seed: int
    starting_points: Sequence[Configuration]
    options: Mapping[str, object]
    sources: Sequence[Source] = ()
    maximum_step: int | None = None
    goals: Goals | None = None


class MethodModule(Protocol):
    """A module that implements one or several search methods."""

    def create(self, spec: SearchSpec) -> Searcher:
        """A searcher at its beginning.

        Raises:
            UsageError: an option does not exist or has a wrong value.
        """
        ...
