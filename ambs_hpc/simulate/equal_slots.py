"""What executors on pretended machines say of their room: every evaluation takes one slot."""

from __future__ import annotations

from collections.abc import Sequence, Sized

from ambs_hpc.launcher.executors.protocol import Placed
from ambs_hpc.records import Resources


class EqualSlots:
    """Slots that take an evaluation of any shape.

    Args:
        slots: number of evaluations at once, >= 1.
        busy: those that occupy one; its owner changes it.
    """

    def __init__(self, slots: int, busy: Sized) -> None:
        self._slots, self._occupied = slots, busy

    def count(self, shape: Resources) -> int:
        """Free slots."""
        return self._slots - len(self._occupied)

    def room(self) -> Resources | None:
        """The one shape there is; None when full."""
        return Resources() if len(self._occupied) < self._slots else None

    def most(self, shape: Resources) -> int:
        """All slots."""
        return self._slots

    def capacity(self) -> Resources | None:
        """The one shape there is."""
        return Resources()

    def placed(self) -> Sequence[Placed]:
        """None: where something runs makes no difference here."""
        return ()

    @property
    def troubles(self) -> Sequence[str]:
        """None: pretended nodes that fail recover at once."""
        return ()
