"""What a launcher has done so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ambs_hpc.launcher.executors.protocol import Interrupted
from ambs_hpc.records import Outcome


@dataclass
class Tally:
    """Attempts that ended and were recorded; `refused` says by campaign why none of it is run here."""

    done: int = 0
    failed: int = 0
    interrupted: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    def note(self, recorded: Iterable[Outcome | Interrupted]) -> None:
        """Count what has been recorded."""
        for one in recorded:
            if isinstance(one, Interrupted):
                self.interrupted += one.started
            elif one.failure is None:
                self.done += 1
            else:
                self.failed += 1
