"""What campaigns are, and how they were revised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ambs_hpc.identity import new_uid


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
