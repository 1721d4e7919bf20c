"""What launchers and supervisors tell each other: one frozen value a message, and its JSON.

The only place where these values become bytes, or bytes these values. Standard library only: every node
imports it, and processes that are forked for every evaluation use it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from ambs_hpc.launcher.supervisor.metrics import is_json_tree
from ambs_hpc.launcher.supervisor.process_tree import TOKEN_VARIABLE

NO_IMPORT, NO_CONTAINER = "cannot be imported", "runs in a container that does not start"


@dataclass(frozen=True, slots=True)
class StartRequest:
    """An attempt to be started: its program, its folder, its place and its limits.

    Args:
        id, attempt: which attempt of which evaluation.
        configuration: parameter values, as JSON values.
        folder: the attempt's own folder, absolute; it is made if it is missing.
        arguments: the command's argument vector; None for a function that is forked from a warm process.
        function: "module:function" that is forked; None for a command.
        module_directory: first on a function's import path; empty for a command.
        environment: variables on top of those that the supervisor was started with.
        threads: for numeric libraries that a forked function's module imports; 0 leaves them alone.
        reads_request: the program reads this value from a file in its folder (a function that is not forked).
        has_ranks: copies of it run side by side, as MPI ranks.
        time_limit_seconds: None without a limit.
        memory_bytes: limit on this node; 0 without one.
        grace_seconds: between TERM and KILL at a limit.
        node: where it runs, in the words of the scheduler; empty until it is placed.
        cores: numbers of the cores to which it is bound; empty leaves it unbound.
        gpus: names of its GPUs on its node.
        problem_directory: the folder of the problem file; empty where it is not known.
        container: what the problem asks for, as it is stored, until the request is in it; {} for none.
        within: the words that start a program in its container, ending with that container's Python; empty
            for none.
        objectives: names that its result must have; empty where its one objective has no name of its own.
    """

    id: int
    attempt: int
    configuration: Mapping[str, Any]
    folder: str
    arguments: list[str] | None
    function: str | None = None
    module_directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    threads: int = 0
    reads_request: bool = False
    has_ranks: bool = False
    time_limit_seconds: float | None = None
    memory_bytes: int = 0
    grace_seconds: float = 0.0
    node: str = ""
    cores: Sequence[int] = ()
    gpus: Sequence[str] = ()
    problem_directory: str = ""
    container: Mapping[str, Any] = field(default_factory=dict)
    within: Sequence[str] = ()
    objectives: Sequence[str] = ()

    @property
    def token(self) -> str:
        """By which all processes of the attempt can be told; empty until the attempt is placed."""
        return self.environment.get(TOKEN_VARIABLE, "")

    @property
    def objective_directory(self) -> str:
        """The folder by which its objective is told from others; "" for commands of the node itself."""
        return self.problem_directory if self.within else self.module_directory

    def with_environment(self, more: Mapping[str, str]) -> StartRequest:
        """The same with more variables, which win over those it has."""
        return replace(self, environment={**self.environment, **more})


@dataclass(frozen=True, slots=True)
class StopOrder:
    """TERM to these evaluations now, KILL after the grace."""

    ids: Sequence[int]
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class ProbeOrder:
    """Look at the node before the first evaluation.

    Args:
        node: its name, in the words of the scheduler.
        run_directory: of the evaluations that follow; it need not exist yet.
        gpus: how many there should be; 0 does not look for any.
        is_binding: begin nothing where something is wrong.
    """

    node: str
    run_directory: str
    gpus: int
    is_binding: bool


@dataclass(frozen=True, slots=True)
class NodeProbed:
    """What a look at the node found.

    Args:
        node, is_binding: of the order.
        at: the node's clock, seconds since 1970 UTC.
        trouble: why nothing should be started there, in words; "" where nothing is wrong.
        facts: what was measured, as JSON values.
    """

    node: str
    is_binding: bool
    at: float
    trouble: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alive:
    """A supervisor has started, or still runs.

    Args:
        import_seconds: what its fork server took to import the objective; None until it has.
    """

    pid: int
    import_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ImportFailed:
    """The objective's module cannot be imported; `error` is the traceback.

    Args:
        what: what is wrong, as the end of a sentence: nor can anything run whose container does not start.
    """

    error: str
    what: str = NO_IMPORT

    @property
    def reason(self) -> str:
        """Why its evaluations were given back, in words."""
        return f"its module {self.what}" if self.what == NO_IMPORT else f"it {self.what}"


@dataclass(frozen=True, slots=True)
class NodeTaken:
    """A launcher of another allocation has this node, and nothing is started; `who` in words."""

    who: str


@dataclass(frozen=True, slots=True)
class SupervisorDied:
    """The supervisor of an attempt died; of the attempt nothing is known."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What an attempt has told of itself while it runs.

    Args:
        token: of the attempt.
        reports: [step, objective, metrics, when, how many before it are not kept] of each.
        trouble: why something that should be a report is none; "" where there is nothing to tell.
    """

    id: int
    attempt: int
    token: str
    reports: Sequence[Sequence[Any]]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """How an attempt ended; also the content of its outcome file. Times are seconds since 1970 UTC.

    Args:
        failure: name of a failure kind; None when `objective` is set, or `stopped` says why it has none.
        exit_status: negative for a signal; None where it was never started, or is not known yet.
        stopped: why it was ended before it had a result: an interruption.
        has_begun: whether its program was started.
        token: of the attempt; an outcome file counts only with its own attempt's.
        is_on_disk: the report was too long for a message: the outcome file has it.
        unwritable: why the node could not write into the attempt's folder, in the system's words; "" where it
            could. Nothing else can be started there before that has passed.
    """

    id: int
    attempt: int
    node: str
    started_at: float
    finished_at: float
    objective: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    failure: str | None = None
    error: str = ""
    exit_status: int | None = None
    stopped: str = ""
    has_begun: bool = True
    is_on_disk: bool = False
    token: str = ""
    unwritable: str = ""


Message = (
    StartRequest
    | StopOrder
    | ProbeOrder
    | Alive
    | NodeProbed
    | NodeTaken
    | ImportFailed
    | SupervisorDied
    | Reported
    | AttemptReport
)
Value = TypeVar("Value", bound=Message)
# Names of failure kinds that an attempt can have by itself (a test compares them with the queue's).
FAILURES = frozenset({"ERROR", "TIMEOUT", "OUT_OF_MEMORY", "BAD_RESULT"})
KINDS: dict[str, type[Any]] = {
    "start": StartRequest,
    "stop": StopOrder,
    "probe": ProbeOrder,
    "alive": Alive,
    "probed": NodeProbed,
    "import_failed": ImportFailed,
    "taken": NodeTaken,
    "died": SupervisorDied,
    "reported": Reported,
    "report": AttemptReport,
}
_NAMES = {kind: name for name, kind in KINDS.items()}
_SAID = re.compile(
    rb'{"kind": "(alive|probed|taken|import_failed|reported|report)"'
)  # begins what a supervisor says
_FIELDS = {kind: tuple(one.name for one in fields(kind)) for kind in _NAMES}


def encoded(message: Message) -> bytes:
    """The message as JSON on one line, with its kind."""
    return json.dumps({"kind": _NAMES[type(message)], **_plain(message)}).encode()


def decoded(text: bytes | str) -> Message:
    """The inverse of `encoded`.

    Raises:
        ValueError: no message of ours.
    """
    said = json.loads(text)
    name = said.pop("kind", None) if isinstance(said, dict) else None
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"no message of ours: {text[:200]!r}")
    return _made(kind, said)  # type: ignore[no-any-return]  # of the kinds of Message


def decoded_from_line(line: bytes) -> Message | None:
    """The supervisor's message that ends a line; None for a line that others have written.

    They may also have written before it on its line.

    Raises:
        ValueError: a message that others have written into.
    """
    found = _SAID.search(line)
    if found is None:
        return None
    try:
        return decoded(line[found.start() :])
    except RecursionError as error:
        raise ValueError(f"nested too deeply: {line[:200]!r}") from error


def to_json(value: StartRequest | AttemptReport) -> str:
    """The value alone, for a file whose name says what it holds."""
    return json.dumps(_plain(value))


def from_json(kind: type[Value], text: bytes | str) -> Value:
    """The inverse of `to_json`; keys that this version does not know are left out.

    Raises:
        ValueError: the text is not JSON, or something is missing.
    """
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError(f"no {kind.__name__}: {text[:200]!r}")
    return _made(kind, said)


def is_sound(report: AttemptReport) -> bool:
    """Whether every field has its type and range; whoever wrote the file may have written anything."""
    numbers = (report.started_at, report.finished_at, 0.0 if report.objective is None else report.objective)
    return (
        type(report.id) is int
        and type(report.attempt) is int
        and all(isinstance(one, str) for one in (report.node, report.error, report.stopped, report.token))
        and all(type(one) in (int, float) and _is_finite(one) for one in numbers)
        and (report.objective is None) == (report.failure is not None)
        and (report.failure is None or report.failure in FAILURES)
        and (report.exit_status is None or type(report.exit_status) is int)
        and isinstance(report.metrics, dict)
        and is_json_tree(report.metrics)
        and not report.unwritable  # which only a supervisor finds out, and tells
    )


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond any float
        return False


def _plain(value: Message) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _FIELDS[type(value)]}


def _made(kind: type[Value], said: Mapping[str, Any]) -> Value:
    try:
        return kind(**{name: said[name] for name in _FIELDS[kind] if name in said})
    except TypeError as error:
        raise ValueError(f"no {kind.__name__}: {error}") from error
