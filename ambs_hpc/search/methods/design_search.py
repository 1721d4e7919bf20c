"""Search without a model: the points of a design in their order, with which model-based search begins too."""

from __future__ import annotations

from ambs_hpc.search.encoding import Encoding
from ambs_hpc.search.history import Draft, History
from ambs_hpc.search.initial_design import create_design
from ambs_hpc.search.method_options import LatinOptions, NoOptions, read_options
from ambs_hpc.search.protocol import Searcher, SearchSpec
from ambs_hpc.search.sampling.sampler import ConfigurationSampler
from ambs_hpc.search.searcher import HistorySearcher
from ambs_hpc.search.streams import Stream, generator


def create(spec: SearchSpec) -> Searcher:
    """A searcher by random points, Latin hypercubes or a Sobol sequence.

    Raises:
        UsageError: an option does not exist or has a wrong value.
    """
    block = 0
    if spec.method == "lhs":
        block = read_options(spec.method, LatinOptions(), spec.options).block
    else:
        read_options(spec.method, NoOptions(), spec.options)
    sampler = ConfigurationSampler(spec.encoding)
    strategy = DesignStrategy(spec.encoding, sampler, spec.method, spec.seed, block)
    if spec.goals is not None:
        from ambs_hpc.search.objectives.goal_search import GoalSearcher

        return GoalSearcher(spec.encoding, strategy, spec.goals, spec.starting_points)
    return HistorySearcher(spec.encoding, strategy, spec.direction, spec.starting_points)


class DesignStrategy:
    """Proposes the points of a design, one for each ordinal."""

    def __init__(
        self, encoding: Encoding, sampler: ConfigurationSampler, design: str, seed: int, block: int
    ) -> None:
        self._encoding, self._sampler, self._seed = encoding, sampler, seed
        self._design = create_design(design, encoding.dimensions, seed, block)

    def choose(self, history: History) -> Draft:
        """The design's point, or a random unknown row where that point is illegal or known."""
        row = self._encoding.from_uniform(self._design.point(history.next_ordinal)[None])
        legal = bool(self._encoding.constraints.allowed(row)[0])
        if legal and row[0].tobytes() not in history.known:
            return Draft(row[0], "design")
        rng = generator(self._seed, Stream.FALLBACK, history.next_ordinal)
        return Draft(self._sampler.unknown(rng, history)[0], "design")

    def prepare(self, history: History) -> None:
        """A design needs no preparation."""
