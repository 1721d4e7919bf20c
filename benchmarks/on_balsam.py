"""Evaluations through a real Balsam site of one node on this machine, and Balsam alone beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ambs_hpc.schedulers.balsam.service import BalsamService
from ambs_hpc.schedulers.balsam.values import BatchRequest, seconds_of
from benchmarks.executor_case import Case
from tests.balsam.real import RealBalsam, real_balsam
from tests.databases import stop_servers

MINUTES = 60
ALONE = "balsam alone"
SHELL_APP = """
class Alone(ApplicationDefinition):
    site = SITE
    command_template = "sleep {{ seconds }}"
"""


def on_balsam(cases: Sequence[Case], slots: int, delay_seconds: int) -> list[dict[str, Any]]:
    """Each case with a batch job of its own; what the launcher of ours does is measured in its own process.

    Args:
        delay_seconds: of Balsam's launcher between two looks at what it runs; 1 unless it is told otherwise.
    """
    found = []
    try:
        with (
            real_balsam(cores=slots, delay_sec=delay_seconds) as balsam,
            tempfile.TemporaryDirectory() as name,
        ):
            os.environ.update(balsam.login)
            for index, case in enumerate(cases):
                place = Path(name) / f"case-{index}"
                place.mkdir()
                found.append(_figures(case, place, balsam))
                balsam.end_batches()
    finally:
        stop_servers()
    return found


def _figures(case: Case, place: Path, balsam: RealBalsam) -> dict[str, Any]:
    service = BalsamService()
    tags = {"alone": place.name} if case.executor == ALONE else {"ambs": "evaluation"}
    request = BatchRequest(1, MINUTES, "local", "local", "serial", tags)
    service.create_batch(service.site(balsam.site).id, request)
    if case.executor == ALONE:
        return alone(case, place, balsam)
    (place / "case.json").write_text(json.dumps(asdict(case)))
    script = Path(__file__).with_name("executors.py")
    subprocess.run([sys.executable, script, "--balsam-case", place], check=True)
    told: dict[str, Any] = json.loads((place / "figures.json").read_text())
    return told


def alone(case: Case, place: Path, balsam: RealBalsam) -> dict[str, Any]:
    """Jobs of a shell application, all created at once; times from Balsam's own event log."""
    from balsam.api import ApplicationDefinition
    from balsam.config import ClientSettings
    from balsam.schemas import serialize

    client = ClientSettings.load_from_file().build_client()
    site_id = BalsamService().site(balsam.site).id
    names: dict[str, Any] = {
        "__name__": "__main__",
        "ApplicationDefinition": ApplicationDefinition,
        "SITE": site_id,
    }
    exec(SHELL_APP, names)
    app = names["Alone"]
    fields: dict[str, Any] = {
        "site_id": site_id,
        "name": f"Alone{time.time_ns()}",
        "parameters": app.parameters,
    }
    made = client.post(
        "apps/", **fields, serialized_class=serialize(app), source_code=SHELL_APP, transfers={}
    )
    begun = time.time()
    rows = [
        {
            "app_id": made["id"],
            "workdir": f"alone/{place.name}/{index}",
            "tags": {"alone": place.name},
            "serialized_parameters": serialize({"seconds": case.seconds}),
            "node_packing_count": case.slots_per_node,
            "parent_ids": [],
            "transfers": {},
        }
        for index in range(case.evaluations)
    ]
    client.bulk_post("jobs/", rows)
    of_ours = f"from jobs where tags ->> 'alone' = '{place.name}'"
    while balsam.query(f"select count(*) {of_ours} and state <> 'JOB_FINISHED'") != [(0,)]:
        time.sleep(0.5)
    events = f"from log_events where job_id in (select id {of_ours}) and to_state ="
    starts = [one.timestamp() for (one,) in balsam.query(f"select timestamp {events} 'RUNNING'")]
    ends = [one.timestamp() for (one,) in balsam.query(f"select timestamp {events} 'RUN_DONE'")]
    span = max(ends) - min(starts)
    idle = span * case.slots_per_node - (sum(ends) - sum(starts))
    offset = seconds_of("1970-01-01T00:00:00")  # of the server's own times, which are UTC without saying so
    return {
        "executor": case.executor,
        "nodes": 1,
        "slots": case.slots_per_node,
        "evaluations": case.evaluations,
        "seconds": case.seconds,
        "per_second": round(case.evaluations / span, 2),
        "idle_gap_ms": round(1000 * idle / case.evaluations, 1),
        "ready_seconds": round(min(starts) + offset - begun, 2),
        "cpu_seconds": 0.0,
        "per_evaluation_ms": 0.0,
        "max_rss_mib": 0.0,
    }
