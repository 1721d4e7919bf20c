"""A campaign's record made by hand, with names that want to become markup."""

from __future__ import annotations

from collections.abc import Sequence

from ambs_hpc.queue import AttemptSpan, EvaluationRow, FailureGroup, LauncherSpan, Throughput
from ambs_hpc.records import Allocation, Campaign, CampaignRevision, NewCampaign
from ambs_hpc.reporting.html.campaign_record import CampaignRecord
from ambs_hpc.states import FailureKind, State

MARKUP = "</script><script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
HOSTILE = MARKUP + "\u2028\u202e&\"'"
SPACE = {
    "hyperparameters": [
        {"type": "uniform_float", "name": "lr", "lower": 1e-4, "upper": 1.0, "log": True},
        {"type": "categorical", "name": HOSTILE, "choices": ["a", HOSTILE]},
        {"type": "uniform_int", "name": "units", "lower": 1, "upper": 9, "log": False},
    ]
}
T0 = 1_790_000_000.0


def evaluation(number: int, objective: float | None, **fields: object) -> EvaluationRow:
    """Evaluation `number` from 1, which ran from second 10 (number - 1) for ten seconds; None failed."""
    values: dict[str, object] = {
        "id": number,
        "campaign_id": 1,
        "campaign": "net",
        "ordinal": number - 1,
        "state": State.FAILED if objective is None else State.DONE,
        "failure_kind": FailureKind.ERROR if objective is None else None,
        "attempt": 1,
        "objective": objective,
        "configuration": {
            "lr": 10.0 ** -(number % 5),
            HOSTILE: ("a", HOSTILE)[number % 2],
            "units": number % 9 + 1,
        },
        "metrics": {},
        "created_at": T0,
        "started_at": T0 + 10 * (number - 1),
        "finished_at": T0 + 10 * number,
        "node": "n1",
        "allocation": None,
        "launcher_id": 1,
        "error": "" if objective is not None else HOSTILE,
        "exit_status": 0,
        "failures": 0,
        "interruptions": 0,
        "priority": 0,
        "proposal_kind": "model",
        "proposal_mean": None,
        "proposal_std": None,
        "proposal_acquisition": None,
        **fields,
    }
    return EvaluationRow(**values)  # type: ignore[arg-type]


def attempt(row: EvaluationRow, move: str = "") -> AttemptSpan:
    """The one attempt of an evaluation that has ended."""
    assert row.started_at is not None
    ending = move or ("complete" if row.state is State.DONE else "fail")
    return AttemptSpan(row.id, 1, row.launcher_id or 1, row.node, row.started_at, row.finished_at, ending)


def record(rows: Sequence[EvaluationRow], direction: str = "minimize", **fields: object) -> CampaignRecord:
    """All of a campaign around these evaluations."""
    made = NewCampaign(
        name="net",
        problem={"space": SPACE, "resources": {"cores": 1}, "starting_points": []},
        objective={"function": HOSTILE},
        direction=direction,
        directory=HOSTILE,
        run_directory="/runs",
        method="ambs",
        method_options={HOSTILE: HOSTILE},
        seed=0,
        max_evaluations=None,
        max_failures=1,
        max_interruptions=1,
        uid="0123456789abcdef",
    )
    failed = sum(row.objective is None for row in rows)
    group = FailureGroup("net", FailureKind.ERROR, HOSTILE, failed, T0, T0, 1)
    place = Allocation(
        id=1,
        site=HOSTILE,
        scheduler="slurm",
        scheduler_id=HOSTILE,
        request={"nodes": 2},
        state="ENDED",
        detail=HOSTILE,
        created_at=T0,
        started_at=T0,
        ends_at=T0 + 3600,
        ended_at=T0 + 1800,
        evaluations=0,
        launchers=1,
        utilisation=0.5,
    )
    values: dict[str, object] = {
        "campaign": Campaign(1, T0, made),
        "at": T0 + 7200,
        "database": "sqlite:///ambs.db",
        "database_uid": "fedcba9876543210",
        "evaluations": rows,
        "attempts": [attempt(row) for row in rows if row.finished_at is not None],
        "launchers": [LauncherSpan(1, HOSTILE, 1, T0, T0 + 100, T0 + 100, 50.0, HOSTILE)],
        "allocations": [place],
        "failures": [group] if failed else [],
        "revisions": [CampaignRevision(1, T0, HOSTILE, [], {}, made)],
        "throughput": Throughput(len(rows), len(rows) - failed, failed, 10.0 * len(rows), 360.0, 10.0),
        "node_seconds": 5400.0,
        **fields,
    }
    return CampaignRecord(**values)  # type: ignore[arg-type]
