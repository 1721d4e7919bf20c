"""A wrong request is caught before anything is spent, with what would be accepted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.records import Resources
from ambs_hpc.sites import AllocationRequest, Backlog, WaitingPart, check_request, load_site, minutes_of

FOLDER = Path("/project/campaign")
RIGHT = {
    "theta": AllocationRequest(128, 180, FOLDER, project="P", filesystems=("home",)),
    "polaris": AllocationRequest(10, 60, FOLDER, project="P"),
    "frontier": AllocationRequest(92, 360, FOLDER, project="P"),
    "sophia": AllocationRequest(4, 60, FOLDER, project="P"),
    "aurora": AllocationRequest(256, 60, FOLDER, project="P"),
    "slurm": AllocationRequest(3, 60, FOLDER),
}


@pytest.mark.parametrize("site", RIGHT)
def test_right_request_has_no_problem(site: str) -> None:
    """A check that always complains is ignored."""
    assert check_request(load_site(site), RIGHT[site]).problems == ()


WRONG = {
    "nine nodes in prod": (
        "polaris",
        {"nodes": 9},
        "nodes 9: prod takes 10 to 496 nodes. debug-scaling takes it.",
    ),
    "long on few nodes": (
        "frontier",
        {"nodes": 91, "minutes": 150},
        "walltime 150 minutes: batch gives 91 nodes at most 120. From 92 nodes on it is longer.",
    ),
    "no project": ("polaris", {"project": ""}, "project: polaris refuses requests without one"),
    "unknown queue": ("polaris", {"queue": "prdo"}, "Did you mean 'prod'?"),
    "a route by its name": ("polaris", {"queue": "small"}, "is filled by 'prod' alone"),
    "too short": ("theta", {"minutes": 20}, "default takes 30 or more"),
    "more than there are": ("theta", {"nodes": 5000}, "theta has 4392"),
    "more than the queue takes": ("theta", {"nodes": 4200}, "default takes 1 to 4100 nodes"),
    "no nodes": ("slurm", {"nodes": 0}, "nodes 0: give a whole number from 1 to"),
    "no time": ("slurm", {"minutes": 0}, "walltime 0 minutes"),
    "three GPUs": ("sophia", {"nodes": 3}, "by-gpu takes 1, 2, 4, 8 gpus"),
    "blank in a path": ("theta", {"folder": Path("/my project")}, "paths with blanks"),
    "stray word behind a directive": (
        "theta",
        {"project": "my project"},
        "project 'my project': give a name",
    ),
    "directive in a name": ("slurm", {"queue": "a\n#SBATCH -N 9"}, "give a name without blanks"),
    "path that Slurm fills in": ("slurm", {"folder": Path("/p/50%j")}, "replace or cut paths with %"),
    "path that PBS takes for a host": ("polaris", {"folder": Path("/p/a:b")}, "replace or cut paths with :"),
    "path that Cobalt fills in": ("theta", {"folder": Path("/p/$jobid")}, "replace or cut paths with $"),
    "attribute twice": ("theta", {"attributes": ("mcdram=flat", "mcdram=cache")}, "'mcdram': given 2 times"),
    "attributes elsewhere": ("polaris", {"attributes": ("a=b",)}, "only Cobalt has them"),
    "attribute form": ("theta", {"attributes": ("a=b=c",)}, "write key=value"),
    "file system form": ("theta", {"filesystems": ("home,eagle",)}, "with colons between them"),
    "chain": ("polaris", {"queue": "capacity", "nodes": 1, "chain": 3}, "capacity takes 2 allocations"),
    "no chain": ("slurm", {"chain": 0}, "chain 0"),
    "a slip of nodes": ("slurm", {"nodes": 10**20}, "give a whole number from 1 to 1000000"),
    "a slip of a walltime": ("slurm", {"minutes": 10**12}, "from 1 to 527040"),
    "a slip of a chain": ("slurm", {"chain": 99_999}, "chain 99999: give a whole number from 1 to 1000"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_request_is_caught(case: str) -> None:
    """Some of these vanish without an error when they are submitted."""
    site, change, message = WRONG[case]
    report = check_request(load_site(site), replace(RIGHT[site], **change))  # type: ignore[arg-type]
    assert message in " ".join(report.problems)


def test_missing_file_systems_are_caught() -> None:
    """Where the site wants them and neither the profile nor the request names any."""
    site = load_site("polaris")
    import msgspec

    report = check_request(msgspec.structs.replace(site, filesystems=[]), RIGHT["polaris"])
    assert "filesystems: polaris requires them" in report.problems[0]


def test_other_file_systems_may_be_named() -> None:
    """Theta's projects may lie on Eagle; a name that nobody knows is worth a word."""
    theta = load_site("theta")
    assert not any(
        "eagle" in one
        for one in check_request(theta, replace(RIGHT["theta"], filesystems=("home", "eagle"))).warnings
    )
    said = " ".join(check_request(theta, replace(RIGHT["theta"], filesystems=("home", "egale"))).warnings)
    assert "filesystems egale: the profile knows home:theta-fs0:eagle:grand" in said


def test_minimum_charge_is_told_with_its_cost() -> None:
    """14 nodes of Theta's default queue cost 128."""
    report = check_request(load_site("theta"), replace(RIGHT["theta"], nodes=14))
    assert report.problems == ()
    assert report.charged_hours == 128 * 3
    assert "default charges 128 nodes for 14" in " ".join(report.warnings)
    assert report.cheapest == "default"
    short = check_request(load_site("theta"), replace(RIGHT["theta"], nodes=8, minutes=60))
    assert short.cheapest == "debug-cache-quad"


@pytest.mark.parametrize(
    ("site", "change", "cheapest"),
    [
        ("sophia", {}, "by-gpu"),  # four nodes of by-node cost eight times as much
        ("polaris", {"nodes": 2, "queue": "debug-scaling"}, "debug-scaling"),
        ("polaris", {"nodes": 2, "queue": "prod"}, "debug"),
        ("polaris", {"nodes": 2, "minutes": 120}, "capacity"),
        ("polaris", {"nodes": 9, "minutes": 120}, "preemptable"),
        ("polaris", {"nodes": 9, "minutes": 5000}, None),
    ],
)
def test_cheapest_queue_is_a_comparison_of_like_with_like(
    site: str, change: dict[str, object], cheapest: str | None
) -> None:
    """Of equal ones that asked for, then the first; one that kills its allocations only as a last resort."""
    request = replace(RIGHT[site], **change)  # type: ignore[arg-type]
    assert check_request(load_site(site), request).cheapest == cheapest


BACKLOGS = {
    "nothing to do": (Backlog((), searching=False), "none waits"),
    "too long": (Backlog((WaitingPart(5, None, 7200.0),), searching=True), "evaluations may take 120"),
}


@pytest.mark.parametrize("case", BACKLOGS)
def test_useless_allocation_is_caught(case: str) -> None:
    """NodeShape-hours for an empty queue, or for evaluations that cannot end in time."""
    backlog, part = BACKLOGS[case]
    assert part in " ".join(check_request(load_site("slurm"), RIGHT["slurm"], backlog).problems)
    fits = Backlog((WaitingPart(5, None, None),), searching=False)
    assert check_request(load_site("slurm"), RIGHT["slurm"], fits).problems == ()


def test_evaluations_that_do_not_fit_are_no_problem_of_a_new_search() -> None:
    """Another campaign's wait for other nodes, and this allocation has work."""
    large = Backlog((WaitingPart(5, Resources(nodes=2000), None),), searching=True)
    assert "want 2000 nodes" in check_request(load_site("polaris"), RIGHT["polaris"], large).problems[-1]
    report = check_request(load_site("polaris"), RIGHT["polaris"], replace(large, others_come=True))
    assert report.problems == () and "want 2000 nodes" in " ".join(report.warnings)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        *(("90", 90), ("90m", 90), ("2h", 120), ("1h30m", 90), ("1h30", 90)),
        *(("01:30:00", 90), ("2:00:01", 121)),  # the one form of colons that all schedulers share
    ],
)
def test_walltime_in_words(text: str, minutes: int) -> None:
    """Minutes, since that is what every queue table is in."""
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["1:30", "0:00:00", "1:60:00", "", "0", "soon", "-5"])
def test_ambiguous_walltime_is_refused(text: str) -> None:
    """1:30 is 90 minutes to one scheduler and 90 seconds to another."""
    with pytest.raises(UsageError, match=r"[Gg]ive minutes"):
        minutes_of(text)
