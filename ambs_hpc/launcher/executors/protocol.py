"""The seam between the loop and whatever starts evaluations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ambs_hpc.records import Claim, Outcome, Resources


@dataclass(frozen=True, slots=True)
class Work:
    """An evaluation ready to be started.

    Args:
        claim: the lease.
        arguments: of a command; None for a function that is forked from a warm process.
        function: "module:function", or None for a command.
        directory: the problem file's folder, first on a function's import path.
        folder: the attempt's own folder.
        environment: what its processes get on top of the launcher's environment.
        needs_request: the program reads `request.json` in its folder (a function that is not forked).
    """

    claim: Claim
    arguments: Sequence[str] | None
    function: str | None
    directory: str
    folder: str
    environment: Mapping[str, str]
    needs_request: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An attempt that the machine or we ended before it had anything to say."""

    id: int
    attempt: int
    reason: str
    started: bool = True


@dataclass(frozen=True, slots=True)
class Unloadable:
    """A function's module cannot be imported: no evaluation of it can start here."""

    function: str
    directory: str
    error: str


Ended = Outcome | Interrupted | Unloadable


class Executor(Protocol):
    """Starts evaluations in slots and tells how they ended."""

    def count(self, shape: Resources) -> int:
        """How many more evaluations of this shape could start now."""
        ...

    def room(self) -> Resources | None:
        """The largest shape that may fit now; None when full."""
        ...

    def capacity(self) -> Resources | None:
        """The largest shape that may fit when nothing else runs; None when nothing ever will."""
        ...

    def most(self, shape: Resources) -> int:
        """How many evaluations of this shape may run when nothing else does."""
        ...

    @property
    def troubles(self) -> Sequence[str]:
        """What keeps evaluations from starting, in words for people; such as nodes that were given up."""
        ...

    def start(self, work: Work) -> bool:
        """Start it; False when it does not fit now: room is then kept for the first such one.

        Raises:
            ShapeNeverFits: it would not fit either if nothing else ran.
        """
        ...

    def poll(self, timeout_seconds: float) -> list[Ended]:
        """What has ended, waiting at most so long for the first."""
        ...

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        """TERM to these evaluations, KILL after the grace; `poll` tells when they are gone.

        For one that has not started no room is kept any longer.
        """
        ...

    def close(self) -> None:
        """Kill what still runs; nothing is left behind."""
        ...
