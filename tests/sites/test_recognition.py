"""The machine that `ambs init` takes without being told, and what it says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ambs_hpc.cli.main import app
from ambs_hpc.sites import Site, load_site, recognition, site_names
from ambs_hpc.sites.recognition import Signs, chosen, recognised, signs_of_this_machine

MACHINES: dict[str, tuple[Signs, str]] = {
    "polaris": (Signs(("polaris-login-04",), {}), "this host is polaris-login-04"),
    "aurora": (Signs(("aurora-uan-0010",), {}), "this host is aurora-uan-0010"),
    "crux": (Signs(("crux-login-01",), {}), "this host is crux-login-01"),
    "sophia": (Signs(("sophia-login-02",), {}), "this host is sophia-login-02"),
    "perlmutter-gpu": (Signs(("login07",), {"NERSC_HOST": "perlmutter"}), "NERSC_HOST is perlmutter"),
    "frontier": (Signs(("login05",), {"LMOD_SYSTEM_NAME": "frontier"}), "LMOD_SYSTEM_NAME is frontier"),
    "summit": (Signs(("login3.summit.olcf.ornl.gov",), {}), "this host is login3.summit.olcf.ornl.gov"),
    "lumi-g": (Signs(("uan02",), {}, "lumi"), "Slurm's cluster is lumi"),
    "leonardo-booster": (Signs(("login02.leonardo.local",), {}), "this host is login02.leonardo.local"),
    "daint": (Signs(("daint-ln002",), {}), "this host is daint-ln002"),
    "clariden": (Signs(("clariden-ln001",), {}), "this host is clariden-ln001"),
    "eiger": (Signs(("eiger-ln003",), {}), "this host is eiger-ln003"),
    "jupiter": (Signs(("jpbl-s02-01",), {}), "this host is jpbl-s02-01"),
    "juwels-booster": (Signs(("x",), {"SYSTEMNAME": "juwelsbooster"}), "SYSTEMNAME is juwelsbooster"),
    "frontera": (
        Signs(("login2.frontera.tacc.utexas.edu",), {}),
        "this host is login2.frontera.tacc.utexas.edu",
    ),
    "vista": (Signs(("login1.vista.tacc.utexas.edu",), {}), "this host is login1.vista.tacc.utexas.edu"),
    "stampede3": (Signs(("c1",), {"TACC_SYSTEM": "stampede3"}), "TACC_SYSTEM is stampede3"),
    "lonestar6": (Signs(("login2.ls6.tacc.utexas.edu",), {}), "this host is login2.ls6.tacc.utexas.edu"),
    "horizon": (Signs(("c1",), {"TACC_SYSTEM": "horizon"}), "TACC_SYSTEM is horizon"),
}
NOWHERE = {"local", "lsf", "pbs", "slurm", "theta", "cooley"}  # no machine, or retired


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    return [load_site(name) for name in site_names()]


@pytest.mark.parametrize("name", MACHINES)
def test_machine_is_recognised_by_what_it_shows(name: str, sites: list[Site]) -> None:
    """By host names and variables as they were seen there."""
    signs, why = MACHINES[name]
    taken = chosen(recognised(sites, signs))
    assert taken is not None
    assert (taken.name, taken.why) == (name, why)


def test_each_machine_has_one_profile_to_take(sites: list[Site]) -> None:
    """A profile without signs is never found; two to take of one machine would make `ambs init` ask."""
    signs = {site.name: site.recognised_by for site in sites}
    shown = {name for name, by in signs.items() if by.hosts or by.environment or by.clusters}
    assert shown == set(signs) - NOWHERE
    assert {name for name in shown if signs[name].main} == set(MACHINES)


def test_further_profiles_of_the_machine_are_named(sites: list[Site]) -> None:
    """CPU nodes are another profile, and another project's money."""
    found = recognised(sites, Signs(("x",), {"NERSC_HOST": "perlmutter"}))
    assert {one.name for one in found} == {"perlmutter-cpu", "perlmutter-gpu"}


@pytest.mark.parametrize(
    "signs",
    [
        Signs(("login1",), {}),
        Signs(("login1",), {"NERSC_HOST": "", "TACC_SYSTEM": "frontera2"}, "mycluster"),
        Signs(("notpolaris-login-1",), {}),
        Signs(("polaris-login-01",), {"TACC_SYSTEM": "vista"}),
    ],
)
def test_machine_that_may_be_none_or_two_is_not_guessed(signs: Signs, sites: list[Site]) -> None:
    """A wrong site costs a day in a queue."""
    assert chosen(recognised(sites, signs)) is None


def test_name_of_the_cluster_comes_from_slurms_configuration(tmp_path: Path) -> None:
    """On login nodes SLURM_CLUSTER_NAME is not set."""
    file = tmp_path / "slurm.conf"
    file.write_text("# ClusterName=old\nclustername=lumi # the machine\n")
    assert signs_of_this_machine({"SLURM_CONF": str(file)}).cluster == "lumi"
    assert signs_of_this_machine({"SLURM_CLUSTER_NAME": "daint", "SLURM_CONF": str(file)}).cluster == "daint"


def test_name_service_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person waits at the prompt."""
    monkeypatch.setattr(recognition, "NAME_SERVICE_SECONDS", 0.01)
    monkeypatch.setattr(recognition.socket, "getfqdn", lambda: time.sleep(0.5) or "late.example.org")
    assert "late.example.org" not in signs_of_this_machine({}).hosts


def test_init_says_what_it_took_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a question, so that it works in a script too."""
    monkeypatch.setenv("NERSC_HOST", "perlmutter")
    done = CliRunner().invoke(app, ["init", "--project", "m1_g", "--folder", str(tmp_path)])
    assert done.exit_code == 0
    assert "Took the site perlmutter-gpu: NERSC_HOST is perlmutter." in done.output
    assert "for --site: perlmutter-cpu." in done.output
    assert "site: perlmutter-gpu\nproject: m1_g\n" in (tmp_path / "ambs.yml").read_text()


def test_init_asks_on_a_machine_that_it_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With words how to choose, and what it looked at."""
    signs = Signs(("elsewhere",), {})
    monkeypatch.setattr(recognition, "signs_of_this_machine", lambda: signs)
    done = CliRunner().invoke(app, ["init", "--folder", str(tmp_path)], input="slurm\n")
    assert done.exit_code == 0
    for words in ("(elsewhere) is none that a profile names", "`ambs site list`", "extends: slurm"):
        assert words in done.output
    assert "site: slurm\n" in (tmp_path / "ambs.yml").read_text()
