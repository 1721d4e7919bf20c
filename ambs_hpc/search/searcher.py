"""The searcher that all methods share: units, starting points, the history, and the end of the space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ambs_hpc.errors import SpaceExhausted
from ambs_hpc.records import Configuration, Observation, Proposal
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.protocol import Strategy


class HistorySearcher:
    """A searcher whose whole state is a history, which its strategy reads."""

    def __init__(
        self,
        encoding: Encoding,
        strategy: Strategy,
        direction: str,
        starting_points: Iterable[Configuration] = (),
    ) -> None:
        self._encoding, self._strategy = encoding, strategy
        self._sign = -1.0 if direction == "maximize" else 1.0
        self._starts = [encoding.encode(point) for point in starting_points]
        self._history = History(encoding.dimensions)

    def ask(self, n: int) -> list[Proposal]:
        """Starting points first, then what the strategy chooses."""
        proposals: list[Proposal] = []
        for _ in range(n):
            try:
                draft = self._start() or self._strategy.choose(self._history)
            except SpaceExhausted:
                if proposals:
                    break
                raise
            self._history.propose(draft.row, draft.mean)
            proposals.append(self._proposal(draft))
        return proposals

    def tell(self, observations: Sequence[Observation]) -> None:
        """The history holds the observations; the first ones prepare the strategy."""
        rows = [(self._encoding.encode(one.configuration), self._internal(one)) for one in observations]
        is_first = bool(rows) and not self._history.count
        self._history.forget([row.tobytes() for row, _ in rows])  # of evaluations that ran again
        for row, objective in rows:
            self._history.observe(row, objective)
        if is_first:  # of a new search or of a restored one: libraries and first models delay no ask
            self._strategy.prepare(self._history)

    def discard(self, configurations: Iterable[Configuration]) -> None:
        """The configurations stay known and are no longer pending."""
        self._history.discard([self._encoding.encode(one) for one in configurations])

    def restore(self, proposals: Sequence[Proposal], observations: Sequence[Observation]) -> None:
        """The history holds all proposals in their order, then the observations."""
        for proposal in proposals:
            mean = None if proposal.mean is None else self._sign * proposal.mean
            self._history.propose(self._encoding.encode(proposal.configuration), mean)
        self.tell(observations)

    def _start(self) -> Draft | None:
        """The first starting point that is not known yet."""
        while self._starts:
            if self._starts[0].tobytes() not in self._history.known:
                return Draft(self._starts[0], "start")
            self._starts.pop(0)
        return None

    def _internal(self, observation: Observation) -> float:
        """The objective to be minimised, NaN for a failure."""
        if observation.objective is None:
            return math.nan
        if not math.isfinite(observation.objective):
            raise ValueError(
                f"{dict(observation.configuration)}: the objective is {observation.objective}. Tell a finite "
                "number, or None for an evaluation that failed."
            )
        return self._sign * float(observation.objective)

    def _proposal(self, draft: Draft) -> Proposal:
        mean = None if draft.mean is None else self._sign * draft.mean
        configuration = self._encoding.configuration(draft.row)
        return Proposal(configuration, draft.kind, mean, draft.std, draft.acquisition)


def first_unknown(V: Floats, order: Iterable[int], known: set[bytes]) -> int | None:
    """The first place in `order` whose row of V is not known."""
    for place in order:
        if V[place].tobytes() not in known:
            return int(place)
    return None


def best_first(scores: Floats, count: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Places of the `count` lowest scores, lowest first."""
    return np.argsort(scores, kind="stable")[:count]
