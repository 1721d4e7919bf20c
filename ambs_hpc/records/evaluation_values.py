"""What is proposed, stored, claimed and told of evaluations, and what a search learns of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ambs_hpc.states import FailureKind, State

Value = bool | int | float | str
Configuration = Mapping[str, Value]  # inactive conditional parameters are absent

# Kinds of proposals that no search made: a person's own, and results of elsewhere.
MANUAL, IMPORTED = "manual", "imported"


@dataclass(frozen=True, slots=True)
class Resources:
    """What one evaluation occupies while it runs.

    Args:
        cores: CPU cores per node, >= 1.
        gpus: GPUs (or tiles, where the site says so) per node, >= 0.
        memory_gib: memory per node in GiB, also its limit; 0 means unlimited.
        nodes: whole nodes when > 1 (cores, gpus and memory are then per node).
        ranks_per_node: MPI ranks on each node, >= 1; above 1, or with several nodes, the site's launch
            command starts them.
        whole_node: occupy every core and GPU of its node or nodes.
    """

    cores: int = 1
    gpus: int = 0
    memory_gib: float = 0.0
    nodes: int = 1
    ranks_per_node: int = 1
    whole_node: bool = False

    @property
    def takes_whole_nodes(self) -> bool:
        """Whether nothing else may run on its nodes."""
        return self.whole_node or self.nodes > 1

    @property
    def needs_launch_command(self) -> bool:
        """Whether copies of it run side by side, as MPI ranks."""
        return self.nodes > 1 or self.ranks_per_node > 1


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration and why the search chose it.

    Args:
        configuration: active parameters only.
        kind: "start" (the user's), "design", "source" (what another problem taught), "model", "random"
            (fallback); MANUAL or IMPORTED where a person gave it to the campaign.
        mean, std: the surrogate's prediction in units of the objective as the user states it;
            None where no model was asked.
        acquisition: score by which it won, lower is better; None without a model.
    """

    configuration: Configuration
    kind: str
    mean: float | None = None
    std: float | None = None
    acquisition: float | None = None


@dataclass(frozen=True, slots=True)
class NewEvaluation:
    """An evaluation to be enqueued.

    Args:
        ordinal: counts the proposals of its campaign's search from 0; what people give has the numbers from
            -1 downwards, whatever the search does meanwhile.
    """

    ordinal: int
    proposal: Proposal
    resources: Resources
    time_limit_seconds: float | None = None
    priority: int = 0  # higher runs first


@dataclass(frozen=True, slots=True)
class ImportedResult:
    """A result of elsewhere to be stored.

    Args:
        objective: in the campaign's units, finite; None for a failure.
        failure: of a failure, else None.
        error: of a failure, in words.
        metrics: JSON values.
        source: where it stood, for a person.
    """

    configuration: Configuration
    objective: float | None
    failure: FailureKind | None = None
    error: str = ""
    metrics: Mapping[str, object] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """An evaluation that a launcher holds; (`id`, `attempt`, `token`) fences every later move.

    Args:
        attempt: from 1.
        token: random. No other claim ever had it, in this database or another: what an attempt left behind
            counts only where it carries the token of its claim.
    """

    id: int
    campaign_id: int
    campaign: str
    ordinal: int
    attempt: int
    token: str
    configuration: Configuration
    resources: Resources
    time_limit_seconds: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended, before the queue decides what follows from it.

    Exactly one of `objective` and `failure` is set. Times are seconds since 1970 UTC; `token` is the claim's.
    """

    id: int
    attempt: int
    token: str
    started_at: float
    finished_at: float
    node: str
    objective: float | None = None
    metrics: Mapping[str, object] = field(default_factory=dict)  # JSON values
    failure: FailureKind | None = None
    error: str = ""  # what a person needs first: exception and last lines of stderr; of a result a note
    exit_status: int | None = None  # negative for a signal, as subprocess has it


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished evaluation as the search reads it; `sequence` orders the endings of a database.

    Args:
        failure_kind, signature: of a failure; None and "" otherwise.
        kind: of its proposal.
    """

    sequence: int
    id: int
    ordinal: int
    configuration: Configuration
    state: State
    objective: float | None
    failure_kind: str | None = None
    signature: str = ""
    kind: str = ""
    metrics: Mapping[str, object] = field(default_factory=dict)  # only where they were asked for


@dataclass(frozen=True, slots=True)
class Observation:
    """What an evaluation gave: the (first) objective in the user's units, None when it failed."""

    configuration: Configuration
    objective: float | None
    metrics: Mapping[str, object] = field(default_factory=dict)  # what else was measured, all objectives too


@dataclass(frozen=True, slots=True)
class Source:
    """Observations of another problem, from which a search starts warm.

    Args:
        name: where they are from, in words that a person knows.
        direction: "minimize" or "maximize": which of their objectives are the better ones.
    """

    name: str
    direction: str
    observations: tuple[Observation, ...]
