"""An evaluation that has ended, as other programs know runs: parameters, metrics, series, tags, a state."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ambs_hpc.problem.goals import Goals
from ambs_hpc.queue import EvaluationRow, Report, goals_of_stored
from ambs_hpc.records import IMPORTED, Campaign, Value
from ambs_hpc.states import State

OBJECTIVE = "objective"
LONGEST_ERROR = 2000


@dataclass(frozen=True, slots=True)
class ExportedCampaign:
    """What runs of a campaign have in common.

    Args:
        direction: of its first objective.
        spaces: of all its revisions, the newest last, as `space_to_json` gives them.
        goals: its objectives and constraints; None for one without a name, and none.
    """

    name: str
    uid: str
    direction: str
    method: str
    spaces: Sequence[Mapping[str, object]]
    goals: Goals | None = None

    @property
    def directions(self) -> list[str]:
        """Of all objectives, the first one first."""
        return [self.direction] if self.goals is None else list(self.goals.directions.values())

    @classmethod
    def of(cls, campaign: Campaign, spaces: Sequence[Mapping[str, object]]) -> ExportedCampaign:
        made = campaign.definition
        return cls(campaign.name, made.uid, made.direction, made.method, spaces, goals_of_stored(campaign))


@dataclass(frozen=True, slots=True)
class ExportedRun:
    """One ending of an evaluation.

    Args:
        key: the same whenever it is exported, and of no other ending of any campaign.
        objective: the first one; None when it failed.
        metrics: numbers by names, all of several objectives too; those within a mapping as "outer/inner".
        series: (step, time, numbers by names) of its reports, by steps.
        tags: texts by names.
        started_at, finished_at: seconds since 1970 UTC.
    """

    key: str
    name: str
    is_done: bool
    configuration: Mapping[str, Value]
    objective: float | None
    metrics: Mapping[str, float]
    series: Sequence[tuple[int, float, Mapping[str, float]]]
    tags: Mapping[str, str]
    started_at: float
    finished_at: float


def run_key(row: EvaluationRow, campaign: ExportedCampaign) -> str:
    """Which ending it is: an evaluation that is run again ends again, and an attempt may yet succeed."""
    return f"{campaign.uid}-{row.ordinal}-{row.attempt}-{row.state.value.lower()}"


def exported_run(row: EvaluationRow, campaign: ExportedCampaign, reports: Sequence[Report]) -> ExportedRun:
    """The run of a row that is DONE or FAILED."""
    numbers, texts = _flat(row.metrics)
    ended = row.created_at if row.finished_at is None else row.finished_at
    tags = {
        "ambs.campaign": campaign.name,
        "ambs.campaign_uid": campaign.uid,
        "ambs.evaluation": str(row.id),
        "ambs.ordinal": str(row.ordinal),
        "ambs.attempt": str(row.attempt),
        "ambs.state": row.state.value,
        "ambs.direction": campaign.direction,
        "ambs.proposal": row.proposal_kind,
        "ambs.node": row.node,
        "ambs.allocation": row.allocation or "",
        "ambs.failure_kind": row.failure_kind.value if row.failure_kind else "",
        "ambs.error": row.error.strip()[-LONGEST_ERROR:] if row.state is State.FAILED else "",
        **{f"ambs.metric.{name}": text for name, text in texts.items()},
    }
    return ExportedRun(
        key=run_key(row, campaign),
        name=f"{campaign.name}-{row.id}",
        is_done=row.state is State.DONE,
        configuration=row.configuration,
        objective=row.objective,
        metrics=numbers,
        series=[(one.step, one.at, {OBJECTIVE: one.objective} | _flat(one.metrics)[0]) for one in reports],
        tags={name: text for name, text in tags.items() if text},
        started_at=ended if row.started_at is None or row.proposal_kind == IMPORTED else row.started_at,
        finished_at=ended,
    )


def _flat(metrics: Mapping[str, object] | None, before: str = "") -> tuple[dict[str, float], dict[str, str]]:
    """The finite numbers, and all else as texts."""
    numbers: dict[str, float] = {}
    texts: dict[str, str] = {}
    for name, value in (metrics or {}).items():
        path = f"{before}{name}"
        if isinstance(value, Mapping):
            inner = _flat(value, f"{path}/")
            numbers |= inner[0]
            texts |= inner[1]
        elif isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value):
            numbers[path] = float(value)
        else:
            texts[path] = value if isinstance(value, str) else json.dumps(value)
    return numbers, texts


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
