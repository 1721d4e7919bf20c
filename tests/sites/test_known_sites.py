"""Each site that comes with the program: provenance, and its words to right and wrong requests.

The requests are in `requests.yml`, three right and three wrong ones of each. Scripts are compared in
`test_rendering.py`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.records import Resources
from ambs_hpc.sites import (
    AllocationRequest,
    Backlog,
    CheckReport,
    Site,
    WaitingPart,
    check_request,
    load_site,
    site_names,
)

REQUESTS = yaml.safe_load((Path(__file__).parent / "requests.yml").read_text())
RIGHT = [(name, text) for name, one in REQUESTS.items() for text in one["right"]]
WRONG = [(name, text, words) for name, one in REQUESTS.items() for text, words in one["wrong"].items()]
GENERIC = {"local", "lsf", "pbs", "slurm"}  # no machine, so no figures and no signs


@cache
def site_of(name: str) -> Site:
    return load_site(name)


def checked(name: str, text: str) -> CheckReport:
    """The report on "NODES MINUTES [QUEUE] [KEY=VALUE of an evaluation's resources]"."""
    nodes, minutes, *rest = text.split()
    pairs = [word.partition("=") for word in rest if "=" in word]
    shape = Resources(**{key: float(value) if key == "memory_gib" else int(value) for key, _, value in pairs})
    site = site_of(name)
    request = AllocationRequest(
        int(nodes),
        int(minutes),
        Path("/project/c"),
        queue=next((word for word in rest if "=" not in word), ""),
        project="P" if site.project_required else "",
    )
    return check_request(site, request, Backlog((WaitingPart(1, shape, None),), searching=False))


def test_each_site_has_three_right_and_three_wrong_requests() -> None:
    """A site that is added without them would be added untested."""
    assert sorted(REQUESTS) == site_names()
    assert {(len(one["right"]), len(one["wrong"])) for one in REQUESTS.values()} == {(3, 3)}


@pytest.mark.parametrize(("name", "text"), RIGHT)
def test_right_request_has_no_problem(name: str, text: str) -> None:
    """At the very limits of the published tables."""
    assert checked(name, text).problems == ()


@pytest.mark.parametrize(("name", "text", "words"), WRONG)
def test_wrong_request_is_told_in_these_words(name: str, text: str, words: str) -> None:
    """One problem: field, value, what is accepted, what to do next."""
    assert checked(name, text).problems == (words,)


@pytest.mark.parametrize("name", [name for name in site_names() if name not in GENERIC])
def test_figures_have_provenance_and_date(name: str) -> None:
    """Where to look when a centre has changed its rules, and since when it may have done so."""
    site = site_of(name)
    assert site.source.startswith("https://")
    assert site.as_of.year >= 2024
    assert site.node.memory_gib > 0


def test_rules_of_new_machines_are_expressed() -> None:
    """What was told in notes before is now data that checks use."""
    clariden, jupiter, leonardo, vista = map(load_site, ("clariden", "jupiter", "leonardo-booster", "vista"))
    assert [clariden.queue("debug").longest_minutes(nodes) for nodes in (1, 2, 3, 4)] == [90, 45, 30, 22]
    assert jupiter.queue("booster").default_minutes == 60
    assert (jupiter.node.architecture, jupiter.node.gpu_memory) == ("aarch64", "coherent")
    assert (leonardo.compute_internet, leonardo.login_cpu_minutes) == ("none", 10)
    assert leonardo.node.gpu_cores == ["0-15"] * 4
    assert leonardo.node.gpus_share_cores
    assert vista.queue("gh").max_user_nodes == 192
    assert not vista.login_computing
    assert [*load_site("vista-gg").queues] == ["gg"]
    assert load_site("frontier").node.job_processors == 56


def test_request_beyond_the_nodes_of_a_user_is_caught() -> None:
    """It would wait for nodes that this user never gets."""
    vista = load_site("vista")
    gh = msgspec.structs.replace(vista.queue("gh"), max_user_nodes=32)
    site = msgspec.structs.replace(vista, queues={**vista.queues, "gh": gh})
    request = AllocationRequest(33, 60, Path("/c"), project="P")
    (problem,) = check_request(site, request).problems
    assert problem == "nodes 33: gh gives a user 32 at a time, so that the request would wait and never run."


WARNED = {
    "no internet": ("leonardo-booster", "", "compute nodes have no internet"),
    "processes on login nodes end": (
        "leonardo-dcgp",
        "",
        "after 10 minutes of CPU time; let the search run in",
    ),
    "no search on login nodes": ("frontera", "", "nothing that computes may run on a login node"),
    "other processors": ("daint", "x86_64", "nodes are aarch64, this machine is x86_64"),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_surprises_on_other_nodes_is_told_before(case: str) -> None:
    """Each of these ends a campaign on its first day."""
    name, architecture, part = WARNED[case]
    request = AllocationRequest(3, 60, Path("/c"), project="P")
    report = check_request(load_site(name), request, architecture=architecture)
    assert report.problems == ()
    assert part in " ".join(report.warnings)


def test_some_evaluations_that_do_not_fit_are_a_warning() -> None:
    """The others have work for the allocation."""
    parts = tuple(WaitingPart(1, Resources(cores=cores), None) for cores in (64, 8))
    request = AllocationRequest(1, 60, Path("/c"), project="P")
    report = check_request(load_site("frontier"), request, Backlog(parts, searching=False))
    assert report.problems == ()
    assert "an allocation gets 56 of 64 (8 are reserved)" in " ".join(report.warnings)


def test_command_says_what_the_check_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ambs check` prints problems and exits with 1; without --time it takes the queue's walltime."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMBS_DB", raising=False)
    run = CliRunner().invoke
    right = run(app, ["check", "-n", "2", "-s", "jupiter", "-A", "P"])
    assert right.exit_code == 0
    assert "booster charges up to 2 node-hours." in right.output
    wrong = run(app, ["check", "-n", "2", "-t", "1h", "-q", "debug", "-s", "clariden", "-A", "P"])
    assert wrong.exit_code == 1
    assert f"problem: {REQUESTS['clariden']['wrong']['2 60 debug']}\n" in wrong.output
    untimed = run(app, ["check", "-n", "2", "-s", "polaris", "-A", "P"])
    assert "queue 'prod' of polaris has no default" in str(untimed.exception)
