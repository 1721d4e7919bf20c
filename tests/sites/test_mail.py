"""Mail through the scheduler: its own directives where it has some, an error that says so where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.sites import AllocationRequest, LaunchPlan, load_site, render_script, with_mail


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("slurm", ["#SBATCH --mail-user=me@example.org", "#SBATCH --mail-type=END,FAIL,TIME_LIMIT_80"]),
        ("pbs", ["#PBS -M me@example.org", "#PBS -m ae"]),
        ("lsf", ["#BSUB -u me@example.org", "#BSUB -N"]),
    ],
)
def test_a_script_asks_the_scheduler_to_write(name: str, lines: list[str], tmp_path: Path) -> None:
    """When everything of ours is dead, the scheduler still lives."""
    site = load_site(name)
    assert with_mail(site, "") == site
    request = AllocationRequest(nodes=1, minutes=60, folder=Path("/campaigns/net"), queue="q")
    plan = LaunchPlan(["ambs", "launch"], 1, Path("/campaigns/net/log"))
    script = render_script(with_mail(site, "me@example.org"), request, plan).splitlines()
    assert [line for line in script if line in lines] == lines


def test_a_scheduler_without_such_directives_is_named() -> None:
    """A mail that never comes is worse than none."""
    with pytest.raises(UsageError, match=r"cobalt takes no directive for mail.*command.*webhook"):
        with_mail(load_site("theta"), "me@example.org")
