"""What of Balsam's service only a large campaign would meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.schedulers.balsam import service as balsam_service
from ambs_hpc.schedulers.balsam.service import BalsamService
from ambs_hpc.schedulers.balsam.values import NewJob
from tests.balsam.real import RealBalsam

pytestmark = [pytest.mark.balsam, pytest.mark.timeout(60)]

TAG = {"ambs_queue": "of many pages"}


def test_long_answers_are_read_to_their_end(
    balsam: RealBalsam, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A job that is not seen would be taken for one that was never created."""
    monkeypatch.setenv("BALSAM_CLIENT_PATH", balsam.login["BALSAM_CLIENT_PATH"])
    monkeypatch.setattr(balsam_service, "ROWS_AT_ONCE", 2)
    service = BalsamService()
    application = service.register_application(service.site("here").id)
    created = service.create_jobs(application, [job(str(tmp_path / str(index))) for index in range(5)])
    try:
        found = service.jobs(application, tags=TAG)
        assert [one.id for one in found] == [one.id for one in created]
    finally:
        service.settle_jobs([one.id for one in created], "FAILED", "tried")


def job(folder: str) -> NewJob:
    """One that no launcher will take: there is none."""
    return NewJob(
        workdir=f"ambs/pages/{Path(folder).name}",
        tags=TAG,
        parameters={"python": "python", "folder": folder},
        folder=folder,
        num_nodes=1,
        ranks_per_node=1,
        threads_per_rank=1,
        gpus_per_rank=0,
        node_packing_count=1,
        wall_time_min=0,
    )
