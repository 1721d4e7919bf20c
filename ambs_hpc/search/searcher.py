"""The searcher that all methods share: units, starting points, the history, and the end of the space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ambs_hpc.errors import NoLegalConfiguration, SpaceExhausted
from ambs_hpc.records import Configuration, Observation, Proposal
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.protocol import Strategy
from ambs_hpc.threads import one_thread

ROUNDING = (
    1e-12  # difference by which a told value is still that of a proposal: ConfigSpace keeps 13 decimals
)


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
        self._starts = [self._legal_row(point) for point in starting_points]
        self._history = History(encoding.dimensions)

    def ask(self, n: int) -> list[Proposal]:
        """Starting points first, then what the strategy chooses."""
        proposals: list[Proposal] = []
        with one_thread():
            for _ in range(n):
                try:
                    draft = self._start() or self._strategy.choose(self._learned)
                except (SpaceExhausted, NoLegalConfiguration):
                    if proposals:
                        break
                    raise
                self._take(draft)
                proposals.append(self._proposal(draft))
        return proposals

    def tell(self, observations: Sequence[Observation]) -> None:
        """The history holds the observations; the first ones prepare the strategy."""
        with one_thread():
            self._learn(observations)

    def _learn(self, observations: Sequence[Observation]) -> None:
        told = [(self._told_row(one.configuration), self._internal(one)) for one in observations]
        is_first = bool(told) and not self._history.count
        # What has succeeded once can succeed: a repetition that failed only ends its being pending.
        succeeded = {row.tobytes() for row, objective in told if not math.isnan(objective)}
        succeeded |= {row.tobytes() for row, _ in told if self._history.has_success(row)}
        is_vain = [math.isnan(objective) and row.tobytes() in succeeded for row, objective in told]
        self._history.discard([row for (row, _), vain in zip(told, is_vain, strict=True) if vain])
        counted = [
            (*one, self._measured(observation))
            for one, observation, vain in zip(told, observations, is_vain, strict=True)
            if not vain
        ]
        self._history.forget([row.tobytes() for row, *_ in counted])  # of evaluations that ran again
        for row, objective, measures in counted:
            self._history.observe(row, objective, measures)
        if is_first:  # of a new search or of a restored one: libraries and first models delay no ask
            self._strategy.prepare(self._learned)

    def discard(self, configurations: Iterable[Configuration]) -> None:
        """The configurations stay known and are no longer pending."""
        self._history.discard([self._told_row(one) for one in configurations])

    def best(self) -> Observation | None:
        """The best success so far, the older among equals; None before the first."""
        places = self._history.best(1)
        return self._observation(int(places[0])) if len(places) else None

    @property
    def history(self) -> list[Observation]:
        """What has been told and not replaced since, in that order, in the user's units."""
        return [self._observation(place) for place in self._history.current]

    def restore(self, proposals: Sequence[Proposal | None], observations: Sequence[Observation]) -> None:
        """The history holds all proposals that count in their order, then the observations."""
        for proposal in proposals:
            if proposal is None:
                self._history.pass_over()
                continue
            mean = None if proposal.mean is None else self._sign * proposal.mean
            self._history.propose(self._encoding.encode(proposal.configuration), mean)
        self.tell(observations)

    @property
    def _learned(self) -> History:
        """The history that the strategy reads."""
        return self._history

    def _take(self, draft: Draft) -> None:
        self._history.propose(draft.row, draft.mean)

    def _observation(self, place: int) -> Observation:
        objective = self._sign * float(self._history.objectives[place])
        configuration = self._encoding.configuration(self._history.rows[place])
        return Observation(configuration, None if math.isnan(objective) else objective)

    def _legal_row(self, configuration: Configuration) -> Floats:
        row = self._encoding.encode(configuration)
        if not self._encoding.constraints.allowed(row[None])[0]:
            raise ValueError(f"{dict(configuration)}: a clause of the space forbids it")
        return row

    def _told_row(self, configuration: Configuration) -> Floats:
        """The row of a configuration, or of the pending proposal that it was before somebody rounded it."""
        row = self._encoding.encode(configuration)
        if row.tobytes() in self._history.known:
            return row
        row = self._legal_row(configuration)
        if not self._history.pending:
            return row
        rows = np.array([one.row for one in self._history.pending.values()]).reshape(-1, len(row))
        near = np.isclose(rows, row, rtol=ROUNDING, atol=ROUNDING, equal_nan=True).all(axis=1)
        return rows[int(np.argmax(near))] if near.any() else row

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
        try:
            objective = math.nan if isinstance(observation.objective, str) else float(observation.objective)
        except (TypeError, ValueError, OverflowError):
            objective = math.nan
        if not math.isfinite(objective):
            raise ValueError(
                f"{dict(observation.configuration)}: the objective is {observation.objective!r}. Tell a "
                "finite number, or None for an evaluation that failed."
            )
        return self._sign * objective

    def _measured(self, observation: Observation) -> Floats | None:
        """Numbers of the observation that the strategy reads beside its objective; None where it has none."""
        return None

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
