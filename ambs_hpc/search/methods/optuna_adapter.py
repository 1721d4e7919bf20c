"""Optuna's samplers behind our protocol, as `optuna:<Sampler>`; the only file that imports Optuna.

The study lives in memory and follows the history. A sampler is made anew for every proposal, seeded from
the campaign's seed and the ordinal, so proposals are a function of what is known. Samplers of `LEARNING`
also store state of their own in the study (a population), which is in no database row: after a restart
they go on from all results, told again in their order, though not with the same next proposal.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ambs_hpc.errors import UsageError, nearest
from ambs_hpc.records import Configuration, Observation, Proposal
from ambs_hpc.search.constraints import Floats
from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.methods.optuna_options import checked_option, option_kinds
from ambs_hpc.search.objectives.goal_search import GoalSearcher
from ambs_hpc.search.objectives.measures import Measures
from ambs_hpc.search.protocol import Searcher, SearchSpec
from ambs_hpc.search.sampling.sampler import ConfigurationSampler
from ambs_hpc.search.searcher import HistorySearcher
from ambs_hpc.search.streams import OptunaStream, generator

if TYPE_CHECKING:
    from ambs_hpc.problem.goals import Goals

PREFIX = "optuna:"
SAMPLERS = (
    "CmaEsSampler",
    "GPSampler",
    "NSGAIISampler",
    "NSGAIIISampler",
    "QMCSampler",
    "RandomSampler",
    "TPESampler",
)
LEARNING = ("CmaEsSampler", "NSGAIISampler", "NSGAIIISampler", "QMCSampler")  # they store state in the study
DEFAULTS = {
    "constant_liar": True,
    "warn_independent_sampling": False,
}  # ours, where a sampler has the option
NEEDS = {"CmaEsSampler": "cmaes", "GPSampler": "torch"}  # imported by Optuna at the first proposal
STARTUP = ("n_startup_trials", "population_size")  # options for how long a sampler draws at random
ATTEMPTS = 20  # when a suggestion is forbidden or known, before any unknown configuration is taken


class Following(HistorySearcher):
    """A searcher whose history an Optuna study follows, whatever its objectives are."""

    _study_strategy: OptunaStrategy

    def restore(self, proposals: Sequence[Proposal | None], observations: Sequence[Observation]) -> None:
        """Repeat the order of before: each result is told as soon as its proposal has been made."""
        place = {
            self._encoding.encode(p.configuration).tobytes(): end
            for end, p in enumerate(proposals, start=1)
            if p is not None
        }
        done = 0
        for observation in observations:
            needed = place.get(self._encoding.encode(observation.configuration).tobytes(), 0)
            if needed > done:
                super().restore(proposals[done:needed], [])
                self._study_strategy.follow(self._history)
                done = needed
            self.tell([observation])
            self._study_strategy.follow(self._history)
        super().restore(proposals[done:], [])


class OptunaSearcher(Following):
    """With one objective."""

    def __init__(
        self, encoding: Encoding, sampler: Samplers, direction: str, starting_points: Sequence[Configuration]
    ) -> None:
        self._study_strategy = OptunaStrategy(encoding, sampler)
        super().__init__(encoding, self._study_strategy, direction, starting_points)


class OptunaGoalSearcher(Following, GoalSearcher):
    """With several objectives, or within constraints."""

    def __init__(
        self, encoding: Encoding, sampler: Samplers, goals: Goals, starting_points: Sequence[Configuration]
    ) -> None:
        self._study_strategy = OptunaStrategy(encoding, sampler)
        GoalSearcher.__init__(self, encoding, self._study_strategy, goals, starting_points)


class OptunaStrategy:
    """Chooses by an Optuna sampler that sees every row of the history as a trial."""

    def __init__(self, encoding: Encoding, samplers: Samplers) -> None:
        self._encoding, self._samplers = encoding, samplers
        self._sampler = ConfigurationSampler(encoding)
        self._study = samplers.create_study()
        self._distributions = [_distribution(encoding, column) for column in range(encoding.dimensions)]
        self._generation, self._told, self._followed = 0, 0, 0
        self._running: dict[bytes, int] = {}  # numbers of the trials that are pending
        self._order: dict[bytes, None] = {}  # every row that has been a trial, in the order they began

    def choose(self, history: History) -> Draft:
        """The first legal, unknown suggestion of the sampler, else a random unknown row."""
        self.follow(history)
        ordinal = history.next_ordinal
        self._study.sampler = self._samplers.create(ordinal)
        kind = "design" if history.successes < self._samplers.startup else "model"
        with quiet():
            for _ in range(ATTEMPTS):
                trial = self._study.ask()
                row = self._suggested(trial)
                if row.tobytes() not in history.known and self._encoding.constraints.allowed(row[None])[0]:
                    self._running[row.tobytes()] = trial.number
                    return Draft(row, kind)
                self._study.tell(trial.number, state=_states().FAIL)
        rng = generator(self._samplers.seed, OptunaStream.FALLBACK, ordinal)
        return Draft(self._sampler.unknown(rng, history)[0], "random")

    def prepare(self, history: History) -> None:
        """The study contains all that the history knows."""
        self.follow(history)

    def follow(self, history: History) -> None:
        """Add to the study what the history knows: proposals first, in their order, then results."""
        if history.generation != self._generation:
            self._begin_again(history.generation)
        self._follow_proposals(history)
        for place in range(self._told, history.count):
            self._observe(history, place)
        self._told = history.count
        if len(self._running) > len(history.pending):
            for key in [key for key in self._running if key not in history.pending]:
                self._study.tell(self._running.pop(key), state=_states().FAIL)

    def _begin_again(self, generation: int) -> None:
        """Begin a new study with all trials in their order, because a finished trial cannot be changed."""
        order = self._order
        self._study = self._samplers.create_study()
        self._generation, self._told, self._followed = generation, 0, 0
        self._running, self._order = {}, {}
        for key in order:
            self._start(np.frombuffer(key))

    def _follow_proposals(self, history: History) -> None:
        new = []
        for pending in reversed(history.pending.values()):
            if pending.ordinal < self._followed:
                break
            new.append(pending.row)
        for row in reversed(new):
            self._start(row)
        self._followed = history.next_ordinal

    def _start(self, row: Floats) -> None:
        """Start a trial of `row`, unless one is running since the sampler suggested it."""
        key = row.tobytes()
        self._order.setdefault(key)
        if key not in self._running:
            self._running[key] = self._enqueued(row)

    def _observe(self, history: History, place: int) -> None:
        row, objective = history.rows[place], float(history.objectives[place])
        self._start(row)
        number = self._running.pop(row.tobytes())
        if math.isnan(objective):
            self._study.tell(number, state=_states().FAIL)
        elif self._samplers.measures is None:
            self._study.tell(number, objective)
        else:
            with quiet():
                self._study.tell(number, self._samplers.note(number, history.measures[place]))

    def _enqueued(self, row: Floats) -> int:
        """The number of a new running trial of a row that the study did not suggest."""
        from optuna.trial import TrialState, create_trial

        names, distributions = self._encoding.names, self._distributions
        active = [j for j in np.flatnonzero(~np.isnan(row)) if distributions[j] is not None]
        params = {names[j]: _external(row[j], distributions[j]) for j in active}
        if self._samplers.is_learning:  # the sampler stores its state when it is asked
            self._study.sampler = self._samplers.create(len(self._order))
            with quiet():
                self._study.enqueue_trial(params)
                trial = self._study.ask()
                _ = trial.relative_params  # the sampler is asked here, only to store its state
                self._suggested(trial)
            return int(trial.number)
        number = len(self._study.get_trials(deepcopy=False))
        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=params,
                distributions={names[j]: distributions[j] for j in active},
            )
        )
        return number

    def _suggested(self, trial: Any) -> Floats:
        """A row of V by define-by-run: a parameter is suggested when its parents make it active."""
        row = np.full((1, self._encoding.dimensions), np.nan)
        for column, name in enumerate(self._encoding.names):
            if not self._encoding.constraints.is_active(column, row):
                continue
            found = self._encoding.range(column)
            if self._distributions[column] is None:
                row[0, column] = found.low
            elif found.is_choice:
                row[0, column] = trial.suggest_categorical(name, self._distributions[column].choices)
            elif found.is_whole:
                row[0, column] = trial.suggest_int(name, int(found.low), int(found.high), log=found.is_log)
            else:
                row[0, column] = trial.suggest_float(name, found.low, found.high, log=found.is_log)
        return np.asarray(row[0] + 0.0)  # no negative zero: equal values have equal bytes


class Samplers:
    """Makes one kind of sampler with the campaign's options, seeded per proposal.

    Raises:
        UsageError: Optuna is missing, or there is no such sampler, option or value.
    """

    def __init__(
        self, method: str, seed: int, given: Mapping[str, object], goals: Goals | None = None
    ) -> None:
        self.measures = None if goals is None else Measures(goals)
        self._excesses: dict[int, list[float]] = {}  # of trials by their numbers
        name = method.removeprefix(PREFIX)
        self.name = name if name.endswith("Sampler") else name + "Sampler"
        if self.name not in SAMPLERS:
            accepted = nearest(method, [PREFIX + one.removesuffix("Sampler") for one in SAMPLERS])
            raise UsageError(f"search method {method!r} does not exist. {accepted}")
        self.method, self.seed = method, seed
        self._class = getattr(_samplers(method), self.name)
        signature = inspect.signature(self._class.__init__).parameters
        kinds = option_kinds(signature)
        self._arguments: dict[str, object] = {
            key: value
            for key, value in DEFAULTS.items()
            if key in signature and signature[key].default is not None  # None marks a deprecated one
        }
        self._arguments |= {key: checked_option(method, key, value, kinds) for key, value in given.items()}
        self._has_independent = "independent_sampler" in signature
        self._check_goals(signature)
        self.is_learning = self.name in LEARNING
        self.startup = self._startup(signature)
        self._try()

    def create(self, ordinal: int) -> Any:
        """The sampler for one proposal; a QMC sequence is one sequence, so it keeps the campaign's seed."""
        words = np.random.SeedSequence([self.seed, int(OptunaStream.PROPOSAL), ordinal]).generate_state(2)
        arguments = dict(self._arguments)
        if self._has_independent:
            arguments["independent_sampler"] = _samplers(self.method).RandomSampler(seed=int(words[1]))
        seed = self.seed % 2**32 if self.name == "QMCSampler" else int(words[0])
        if self.measures is not None and self.measures.constraints:
            arguments["constraints_func"] = self._constraints
        with quiet():
            return self._class(seed=seed, **arguments)

    def note(self, number: int, row: Floats) -> list[float]:
        """The costs of a trial; what it breaks is known when the sampler asks.

        Args:
            row: its measures.
        """
        assert self.measures is not None
        excess = self.measures.excess(row[None])[0]
        self._excesses[number] = [float(one) for one in np.nan_to_num(excess, nan=1.0)]
        return [float(one) for one in row[: self.measures.objectives]]

    def _constraints(self, trial: Any) -> list[float]:
        assert self.measures is not None
        return self._excesses.get(trial.number, [1.0] * self.measures.constraints)

    def _check_goals(self, signature: Mapping[str, inspect.Parameter]) -> None:
        if self.measures is None:
            return
        if self.measures.constraints and "constraints_func" not in signature:
            raise UsageError(
                f"search method {self.method!r} knows no constraints. Take optuna:TPE, optuna:NSGAII or ambs."
            )
        if self.measures.objectives > 1 and self.name == "CmaEsSampler":
            raise UsageError(
                f"search method {self.method!r} has one objective. Take optuna:NSGAII, optuna:TPE or ambs."
            )

    def create_study(self) -> Any:
        """An empty study in memory; objectives are to be minimised."""
        import optuna

        objectives = 1 if self.measures is None else self.measures.objectives
        with quiet():
            return optuna.create_study(sampler=self.create(0), directions=["minimize"] * objectives)

    def _startup(self, signature: Mapping[str, inspect.Parameter]) -> float:
        """Successes before the sampler learns from them; infinite when it never does."""
        for name in STARTUP:
            if name in signature:
                given: Any = self._arguments.get(name)
                return float(signature[name].default if given is None else given)
        return math.inf

    def _try(self) -> None:
        """Raise now the errors that would occur at the first proposal."""
        library = NEEDS.get(self.name)
        if library and find_spec(library) is None:
            raise _missing(self.method, library, library)
        try:
            self.create(0)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{self.method!r}: Optuna refuses {self._arguments}: {error}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress Optuna's messages and its warnings about experimental or deprecated arguments."""
    from optuna import logging
    from optuna.exceptions import ExperimentalWarning

    before = logging.get_verbosity()
    logging.set_verbosity(max(before, logging.ERROR))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(before)


def create(spec: SearchSpec) -> Searcher:
    """A searcher at its beginning; the options go to the sampler's constructor.

    Raises:
        UsageError: Optuna is missing, or there is no such sampler, option or value.
    """
    samplers = Samplers(spec.method, spec.seed, spec.options, spec.goals)
    if spec.goals is not None:
        return OptunaGoalSearcher(spec.encoding, samplers, spec.goals, spec.starting_points)
    return OptunaSearcher(spec.encoding, samplers, spec.direction, spec.starting_points)


def _samplers(method: str) -> Any:
    try:
        import optuna.samplers as samplers
    except ImportError as error:
        raise _missing(method, "optuna", "'ambs-hpc[optuna]'") from error
    return samplers


def _missing(method: str, library: str, package: str) -> UsageError:
    return UsageError(
        f"search method {method!r} needs {library}, which is not installed here. Install it with: "
        f"python -m pip install {package}"
    )


def _states() -> Any:
    from optuna.trial import TrialState

    return TrialState


def _distribution(encoding: Encoding, column: int) -> Any:
    """Optuna's distribution for the values of a column of V; None for a single value."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found = encoding.range(column)
    if found.low == found.high:
        return None
    if found.is_choice:
        return CategoricalDistribution(range(int(found.high) + 1))
    if found.is_whole:
        return IntDistribution(int(found.low), int(found.high), log=found.is_log)
    return FloatDistribution(found.low, found.high, log=found.is_log)


def _external(value: float, distribution: Any) -> float | int:
    from optuna.distributions import FloatDistribution

    return float(value) if isinstance(distribution, FloatDistribution) else int(value)
