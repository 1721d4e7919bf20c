"""The searcher of several objectives, or of one within constraints, whatever proposes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ambs_hpc.records import Configuration, Observation
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import History
from ambs_hpc.search.objectives.measures import Front, Measures
from ambs_hpc.search.protocol import Strategy
from ambs_hpc.search.searcher import HistorySearcher

if TYPE_CHECKING:
    from ambs_hpc.problem.goals import Goals


class GoalSearcher(HistorySearcher):
    """A searcher whose observations carry `metrics`: all objectives, and what constraints read."""

    def __init__(
        self,
        encoding: Encoding,
        strategy: Strategy,
        goals: Goals,
        starting_points: Iterable[Configuration] = (),
    ) -> None:
        super().__init__(encoding, strategy, next(iter(goals.directions.values())), starting_points)
        self._measures = Measures(goals)
        self._history = History(encoding.dimensions, self._measures.width)
        self._front = Front(self._measures)

    def front(self) -> list[Observation]:
        """The feasible observations that no other dominates; of one objective, the best."""
        self._front.update(self._history)
        return [self._observation(int(place)) for place in self._front.places]

    def best(self) -> Observation | None:
        """The best feasible success by the first objective; None before the first."""
        feasible = self._measures.feasible(self._history.measures)
        chosen = [place for place in self._history.best(self._history.successes) if feasible[place]]
        return self._observation(int(chosen[0])) if chosen else None

    def tell(self, observations: Sequence[Observation]) -> None:
        """The history holds the observations.

        Raises:
            ValueError: an objective is missing or not finite; then none of them is held.
        """
        for one in observations:
            self._measures.of(one)
        super().tell(observations)

    def _measured(self, observation: Observation) -> Floats:
        return self._measures.of(observation)

    def _observation(self, place: int) -> Observation:
        plain = super()._observation(place)
        metrics = {} if plain.objective is None else self._measures.metrics(self._history.measures[place])
        return Observation(plain.configuration, plain.objective, metrics)
