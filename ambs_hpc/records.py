"""Frozen values that cross units: what is proposed, stored, claimed, run and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ambs_hpc.identity import new_uid
from ambs_hpc.states import FailureKind, NodeEventKind, State

Value = bool | int | float | str
Configuration = Mapping[str, Value]  # inactive conditional parameters are absent


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


# Kinds of proposals that no search made: a person's own, and results of elsewhere.
MANUAL, IMPORTED = "manual", "imported"


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
class NewNodeEvent:
    """Something that happened on a node.

    Args:
        node: as the allocation names it.
        is_failure: of the infrastructure, and of this node alone: three in a day leave it out.
        detail: in words, for a person and for the support of the site.
        facts: what was measured, as JSON values.
        age_seconds: since it happened, when it is stored.
        uid: random; an event that is stored twice, because an answer was lost, is known by it.
    """

    node: str
    kind: NodeEventKind
    is_failure: bool = False
    detail: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
    age_seconds: float = 0.0
    uid: str = field(default_factory=new_uid)


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A campaign to be stored.

    Args:
        uid: random; names the campaign's folder, so that other campaigns' files are never taken for its own.
        problem: the whole problem as JSON values (name, space, starting points, ...).
        objective: what a launcher runs, as JSON values: {"function": "module:name", "warm": bool} or
            {"command": [argv with {parameter} placeholders]}.
        directory: absolute folder of the problem file: import path and base of relative file names.
        run_directory: absolute folder under which every attempt gets a folder of its own.
        max_failures: attempts that may fail by their own doing before FAILED, >= 1.
        max_interruptions: attempts that the machine may end before FAILED(LOST), >= 0.
        max_evaluations: budget of the search; None means until stopped.
        priority: of its evaluations among those of all campaigns; higher ones run first.
    """

    name: str
    problem: Mapping[str, object]
    objective: Mapping[str, object]
    direction: str  # "minimize" | "maximize"
    directory: str
    run_directory: str
    method: str
    method_options: Mapping[str, object]
    seed: int
    max_evaluations: int | None
    max_failures: int
    max_interruptions: int
    uid: str = field(default_factory=new_uid)
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Campaign:
    """A stored campaign; `revision` numbers its definitions from 1, this is the newest one."""

    id: int
    created_at: float
    definition: NewCampaign
    revision: int = 1

    @property
    def name(self) -> str:
        return self.definition.name


@dataclass(frozen=True, slots=True)
class RevisedField:
    """What a revision changes.

    Args:
        field: such as "time_limit_seconds", "resources.cores", "space.lr".
        before, after: JSON values; None where there was, or is, none.
        words: the change for a person: "time_limit_seconds 60 -> 120".
    """

    field: str
    before: object
    after: object
    words: str


@dataclass(frozen=True, slots=True)
class CampaignRevision:
    """A campaign as it was from a time on.

    Args:
        number: from 1, which is what the campaign was made as.
        at: seconds since 1970 UTC.
        who: user@host; empty where it is not known.
        effects: what became of evaluations: numbers of those that "waited" and got the new values, were
            "cancelled", and of observations that are "kept" in the model or "left" it.
        definition: the whole campaign afterwards.
    """

    number: int
    at: float
    who: str
    changes: Sequence[RevisedField]
    effects: Mapping[str, int]
    definition: NewCampaign

    @property
    def words(self) -> str:
        """What it changes, in one line."""
        return "; ".join(one.words for one in self.changes) or "as the campaign was made"


@dataclass(frozen=True, slots=True)
class NewLauncher:
    """A launcher as it introduces itself.

    Args:
        host, pid, process_started: identity of the process on its machine; the last (field 22 of
            /proc/PID/stat, clock ticks) tells a reused pid. namespace: within which its pid means this
            process (see `identity`); empty where it is not known.
        slots: evaluations of the smallest shape that it can run at once, >= 1.
        allocation_id: our id of the batch allocation around it, None when started by hand.
        survives_in: who runs its evaluations on when it dies, as "balsam SITE"; empty for nobody. A launcher
            of the same words may take them up.
        serves: ids of the only campaigns whose evaluations it runs; None for all.
    """

    host: str
    pid: int
    process_started: int
    slots: int
    allocation_id: int | None = None
    survives_in: str = ""
    namespace: str = ""
    serves: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Launcher:
    """A stored launcher; the age of its heartbeat is measured by the database's clock.

    Args:
        seconds, busy_seconds: of its life so far; of all its slots together.
        idle: why slots of it are idle, in its own words; empty when none is.
    """

    id: int
    identity: NewLauncher
    heartbeat_age_seconds: float
    ended: bool
    seconds: float = 0.0
    busy_seconds: float = 0.0
    idle: str = ""

    @property
    def utilisation(self) -> float | None:
        """Share of its slot-time that was used; None at its beginning."""
        slot_seconds = self.identity.slots * self.seconds
        return self.busy_seconds / slot_seconds if slot_seconds > 0 else None


@dataclass(frozen=True, slots=True)
class LauncherStats:
    """What a launcher says of itself while it lives.

    Args:
        slots: how many evaluations it can run at once; None when it knows no better than at its start.
        busy_seconds: of all its slots together, since its start.
        idle: why slots are idle; empty for none.
    """

    slots: int | None
    busy_seconds: float
    idle: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """A batch allocation as the database remembers it. Times are seconds since 1970 UTC.

    Args:
        scheduler_id: the scheduler's own; None until it is known to have taken the script.
        request: what was asked, as JSON values.
        state: of `schedulers.AllocationState`, or PREPARED, REFUSED, UNSENT, VANISHED.
        detail: the scheduler's reason in its own words.
        ends_at: end of its walltime, when the scheduler has said one.
        running: evaluations that run in it.
        launchers: that ever introduced themselves from it.
        utilisation: share of their slot-time that was used; None before they have any.
    """

    id: int
    site: str
    scheduler: str
    scheduler_id: str | None
    request: Mapping[str, object]
    state: str
    detail: str
    created_at: float
    started_at: float | None
    ends_at: float | None
    ended_at: float | None
    running: int
    launchers: int
    utilisation: float | None = None
