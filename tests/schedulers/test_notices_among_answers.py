"""What centres and libraries print on stdout beside an answer is no part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.schedulers import StatusAnswer, Submission, SubmitRequest
from ambs_hpc.schedulers.registry import REGISTRY, scheduler
from ambs_hpc.schedulers.values import Completed

NOTICE = "NOTICE: maintenance on Monday | 8:00 | /home | is | read | only | until | then | we | are | sorry"
ROW = "41|41|N/A|PENDING|Priority||1|5:00|N/A|N/A|batch|ambs-1"
FOUND = {
    "balsam": ("41", "41"),
    "cobalt": ("41", "JobID: 41\n    JobName : ambs-1\n    State   : queued\n"),
    "local": ("41.7", "41.7"),
    "lsf": ("41", "41|PEND|normal|-|1|-|-|-|5.0|-|New job is waiting|-|ambs-1"),
    "pbs": ("41.pbs", "41.pbs"),
    "slurm": ("41", ROW),
}


@pytest.mark.parametrize("name", REGISTRY)
def test_no_word_of_a_notice_is_an_id(name: str, tmp_path: Path) -> None:
    """Of several ids of one name the oldest is kept and the others are cancelled: the real one, too."""
    scheduler_id, answer = FOUND[name]
    its_scheduler = scheduler(name, user="alice", folder=tmp_path)
    find = its_scheduler.find(SubmitRequest(tmp_path / "s.sh", "ambs-1", tmp_path, 300))
    for around in (f"{NOTICE}\n{answer}\n", f"{answer}\n{NOTICE}\n"):
        assert find.read(Completed(0, around, "")) == (scheduler_id,)


@pytest.mark.parametrize("name", ["balsam", "local"])
def test_what_a_library_prints_is_no_answer_of_our_programs(name: str, tmp_path: Path) -> None:
    """A client of Balsam's that warns on stdout would lose the id, or end `ambs allocations`."""
    scheduler_id = FOUND[name][0]
    its_scheduler = scheduler(name, user="alice", folder=tmp_path)
    submit = its_scheduler.submit(SubmitRequest(tmp_path / "s.sh", "ambs-1", tmp_path, 300))
    assert submit.read(Completed(0, f"{NOTICE}\n{scheduler_id}\n", "")) == Submission(scheduler_id)
    status = its_scheduler.status([scheduler_id])
    assert status.read(Completed(0, f"{NOTICE}\n", "")) == StatusAnswer({}, frozenset({scheduler_id}))
