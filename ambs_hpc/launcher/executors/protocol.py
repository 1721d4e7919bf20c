"""The seam between the loop and whatever starts evaluations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.records import Claim, Outcome, Resources


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An attempt that the machine or the launcher ended before it had a result.

    Args:
        paused_with: where its checkpoint lies, if it was ended because it pauses at a rung.
    """

    id: int
    attempt: int
    reason: str
    started: bool = True
    paused_with: str | None = None


@dataclass(frozen=True, slots=True)
class Unloadable:
    """A function's module cannot be imported, or its container not started: no evaluation of it starts here.

    Args:
        function: "module:function"; None for the commands of this folder that run in containers.
        what: what is wrong, as the end of a sentence.
    """

    function: str | None
    directory: str
    error: str
    what: str = "cannot be imported"


@dataclass(frozen=True, slots=True)
class Placed:
    """An attempt that runs, and where.

    Args:
        node: as its outcome will name it: of several nodes the first and the number of the others, "n1+3".
    """

    id: int
    attempt: int
    node: str


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

    def start(self, claim: Claim, request: StartRequest) -> bool:
        """Start it; False when it does not fit now: room is then kept for the first such one.

        Args:
            claim: what it occupies, and by which it is told later.
            request: what is run, not placed yet.

        Raises:
            ShapeNeverFits: it would not fit either if nothing else ran.
            ContainerUnusable: it runs in a container that cannot be started here.
        """
        ...

    def poll(self, timeout_seconds: float) -> list[Ended]:
        """What has ended, waiting at most so long for the first."""
        ...

    def placed(self) -> Sequence[Placed]:
        """Where attempts run, each told once when it is known; of one that ends soon perhaps not at all."""
        ...

    def cancel(self, ids: Collection[int], grace_seconds: float) -> None:
        """TERM to these evaluations, KILL after the grace; `poll` tells when they are gone.

        For one that has not started no room is kept any longer.
        """
        ...

    def close(self) -> None:
        """Kill what still runs; nothing is left behind."""
        ...
