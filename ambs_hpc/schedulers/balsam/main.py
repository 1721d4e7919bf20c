"""The program behind `balsam`: submits, lists, finds and ends batch jobs through Balsam's service."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ambs_hpc.errors import AmbsError, BalsamUnreachable
from ambs_hpc.schedulers.balsam.service import BalsamService
from ambs_hpc.schedulers.balsam.values import Batch, BatchRequest
from ambs_hpc.schedulers.helper_protocol import REFUSED, UNSENT
from ambs_hpc.schedulers.values import AllocationState, AllocationStatus

UNCLEAR = 4  # exit status when the answer to a submission was lost
STATES = {
    "pending_submission": AllocationState.QUEUED,
    "queued": AllocationState.QUEUED,
    "running": AllocationState.RUNNING,
    "pending_deletion": AllocationState.ENDING,
    "finished": AllocationState.ENDED,
    "submit_failed": AllocationState.ENDED,
}


def main(arguments: Sequence[str]) -> int:
    """Run `python -m ambs_hpc.schedulers.balsam.main VERB ARGUMENT...`; the exit status."""
    verbs: dict[str, Callable[[Sequence[str]], int]] = {
        "submit": lambda rest: submit(Path(rest[0])),
        "find": lambda rest: find(Path(rest[0])),
        "status": status,
        "cancel": cancel,
    }
    try:
        return verbs[arguments[0]](arguments[1:])
    except BalsamUnreachable as error:
        sys.stderr.write(f"{error}\n")
        return UNSENT
    except AmbsError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED


def submit(file: Path) -> int:
    """Create the batch job that the file describes and print its id.

    A batch job carries no name of ours. The id of the newest one is therefore stored first, so that after a
    lost answer `find` knows which ones are newer.
    """
    site_name, request = _described(file)
    service = BalsamService()
    site = service.site(site_name)
    newest = max((one.id for one in service.batches(site_id=site.id)), default=0)
    _mark(file).write_text(str(newest))
    try:
        batch = service.create_batch(site.id, request)
    except BalsamUnreachable as error:
        sys.stderr.write(f"{error}\n")
        return UNCLEAR
    sys.stdout.write(f"{batch.id}\n")
    return 0


def find(file: Path) -> int:
    """Print the id of the oldest batch job that equals the described one and is newer than its submission.

    Batch jobs have no names: the others may be wanted, and are not to be taken for doubles of this one.
    """
    newest = _mark(file).read_text() if _mark(file).exists() else ""
    if not newest:  # nothing was sent
        return 0
    site_name, request = _described(file)
    service = BalsamService()
    batches = service.batches(site_id=service.site(site_name).id)
    ids = sorted(one.id for one in batches if one.id > int(newest) and one.request == request)
    sys.stdout.writelines(f"{one}\n" for one in ids[:1])
    return 0


def status(ids: Sequence[str]) -> int:
    """Print a line of JSON for each batch job that is known."""
    for one in BalsamService().batches(ids=[int(each) for each in ids]):
        sys.stdout.write(json.dumps(asdict(status_of(one))) + "\n")
    return 0


def cancel(ids: Sequence[str]) -> int:
    """Ask for the end of each batch job and print the ids."""
    service = BalsamService()
    for each in ids:
        service.end_batch(int(each))
        sys.stdout.write(f"{each}\n")
    return 0


def status_of(batch: Batch) -> AllocationStatus:
    """The status of a batch job in the terms that all schedulers share."""
    state = STATES.get(batch.state, AllocationState.UNKNOWN)
    started_at = batch.started_at
    is_running = state is AllocationState.RUNNING
    return AllocationStatus(
        scheduler_id=str(batch.id),
        state=state,
        own_state=batch.state,
        queue=batch.request.queue,
        nodes=batch.request.nodes,
        walltime_seconds=60 * batch.request.minutes,
        started_at=started_at,
        ends_at=started_at + 60 * batch.request.minutes if is_running and started_at is not None else None,
        comment=batch.error,
    )


def _described(file: Path) -> tuple[str, BatchRequest]:
    told: dict[str, Any] = json.loads(file.read_text())
    return str(told.pop("site")), BatchRequest(**told)


def _mark(file: Path) -> Path:
    return file.with_suffix(".sent")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
