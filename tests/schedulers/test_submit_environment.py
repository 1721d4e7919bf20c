"""What a shell says does not overrule what a request says, and reaches the scheduler all the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ambs_hpc.schedulers import Submission, SubmitRequest, submit
from ambs_hpc.schedulers.slurm import Slurm
from ambs_hpc.schedulers.submit_environment import overruling, submit_environment

SHELL = {"PATH": "/usr/bin", "HOME": "/home/u", "TZ": "America/Chicago", "MYDATA": "/data"}
SLURM_FINDS = {
    "SLURM_CONF": "/etc/slurm.conf",
    "SLURM_CLUSTERS": "a",
    "SLURM_JWT": "x",
    "SBATCH_EXPORT": "NONE",
}
SLURM_OPTIONS = {"SBATCH_PARTITION": "debug", "SBATCH_REQUEUE": "1", "SBATCH_TIMELIMIT": "2"}
OUTER_SLURM = {"SLURM_JOB_ID": "9", "SLURM_NTASKS": "7", "SLURM_CPU_BIND": "cores", "SLURM_STEP_ID": "3"}
PBS_FINDS = {"PBS_SERVER": "s", "PBS_DEFAULT": "s", "PBS_CONF_FILE": "/etc/pbs.conf", "PBS_EXEC": "/opt/pbs"}
OUTER_PBS = {"PBS_JOBID": "4.s", "PBS_NODEFILE": "/f", "PBS_O_WORKDIR": "/", "PBS_ENVIRONMENT": "PBS_BATCH"}
COBALT_FINDS = {"COBALT_CONFIG_FILES": "/etc/cobalt.conf"}
OUTER_COBALT = {"COBALT_JOBID": "7", "COBALT_PARTNAME": "340-342", "COBALT_NODEFILE": "/f"}


@pytest.mark.parametrize(
    ("program", "kept", "gone"),
    [
        ("sbatch", SLURM_FINDS, {**SLURM_OPTIONS, **OUTER_SLURM, "SALLOC_QOS": "x", "SRUN_DEBUG": "3"}),
        ("qsub", {**PBS_FINDS, **COBALT_FINDS}, {**OUTER_PBS, **OUTER_COBALT, "PBS_DPREFIX": "#XX"}),
        ("python", {**OUTER_SLURM, **OUTER_PBS}, {}),
    ],
)
def test_a_submission_gets_what_finds_the_scheduler_and_no_more_of_it(
    program: str, kept: dict[str, str], gone: dict[str, str]
) -> None:
    """Options of the shell, and an allocation in which `ambs submit` runs, are not the new allocation's."""
    environ = {**SHELL, **kept, **gone}
    assert submit_environment(program, environ) == {**SHELL, **kept}
    assert overruling(program, environ) == sorted(gone)


def test_a_person_is_told_which_options_do_not_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They were set on purpose; what an allocation around us has set is nobody's wish."""
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\nenv > environment\necho 5\n")
    sbatch.chmod(0o755)
    environ = {**os.environ, **SLURM_OPTIONS, **OUTER_SLURM, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    request = SubmitRequest(tmp_path / "script.sh", "ambs-1", tmp_path, 60)
    found = dict(os.environ)
    assert submit(Slurm("u"), request, environ=environ) == Submission("5")
    assert "sbatch does not get SBATCH_PARTITION, SBATCH_REQUEUE, SBATCH_TIMELIMIT:" in caplog.text
    assert "SLURM_NTASKS" not in caplog.text
    got = (tmp_path / "environment").read_text()
    assert "SBATCH_" not in got
    assert "SLURM_" not in got
    assert dict(os.environ) == found
