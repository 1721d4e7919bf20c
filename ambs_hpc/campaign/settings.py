"""What a command line says about a search, beside the problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ambs_hpc.errors import UsageError
from ambs_hpc.records.stored_ranges import LARGEST_COUNT, MOST_SLOTS

LARGEST_PRIORITY = 1_000_000


LONGEST_NAME = 200  # bytes; file systems take 255


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The settings of a search on the command line; None leaves a value as the campaign has it.

    Args:
        name: name of the campaign; None takes that of the problem.
        method, method_options: of the search; another one goes on from what is known.
        seed: of the search; it cannot change once a campaign has begun.
        max_evaluations: total number of evaluations after which the search ends, restarts included; >= 1.
        stated_at: when the budget was said, in seconds since 1970 UTC by the database's clock; a revision of
            the budget since then wins. None for now.
        max_minutes: time limit of this run; > 0.
        slots: evaluations to keep in flight; None asks the live launchers.
        run_root: folder under which the campaign's own folder is made.
        priority: of its evaluations among those of all campaigns; higher ones run first.
        revise: take over a space that is another one than the campaign's.
        was: of parameters that were added or removed, the value with which evaluations without them ran, as
            texts; "*" for any.
        sources: what to start warm from, as `warm_start.find_sources` takes it.
    """

    name: str | None = None
    method: str | None = None
    method_options: Mapping[str, object] = field(default_factory=dict)
    seed: int | None = None
    max_evaluations: int | None = None
    max_minutes: float | None = None
    slots: int | None = None
    run_root: Path = Path("ambs-runs")
    priority: int | None = None
    revise: bool = False
    was: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    stated_at: float | None = None

    def __post_init__(self) -> None:
        if self.name is not None and not _can_name_a_folder(self.name):
            raise UsageError(
                f"--name {self.name!r}: give up to {LONGEST_NAME} letters, digits, '_', '.', '-': it names a "
                "folder too. Without --name it is the problem's."
            )
        if self.max_evaluations is not None and not 1 <= self.max_evaluations <= LARGEST_COUNT:
            raise UsageError(
                f"--max-evaluations {self.max_evaluations}: give a whole number from 1 to {LARGEST_COUNT}."
            )
        if self.max_minutes is not None and not self.max_minutes > 0:
            raise UsageError(f"--max-minutes {self.max_minutes}: give a number of minutes above 0.")
        if self.slots is not None and not 1 <= self.slots <= MOST_SLOTS:
            raise UsageError(f"--slots {self.slots}: give a whole number from 1 to {MOST_SLOTS}.")
        if self.priority is not None and abs(self.priority) > LARGEST_PRIORITY:
            most = LARGEST_PRIORITY
            raise UsageError(f"--priority {self.priority}: give a whole number from -{most} to {most}.")


def _can_name_a_folder(name: str) -> bool:
    """Whether a folder of that name would lie where it is expected, and commands show it as it is."""
    is_inside = not name.startswith("/") and ".." not in name.split("/")
    return is_inside and bool(name.strip()) and name.isprintable() and len(name.encode()) <= LONGEST_NAME
