"""The tutorials are run as their reader runs them: every block, in this order, in an empty folder."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.databases import let_others_enter
from tests.documentation.blocks import DOCS, blocks_of, script_of
from tests.schedulers.fakes import FakeScheduler
from tests.stories.commands import Shell

FIRST, SECOND = DOCS / "tutorials" / "first-picture.md", DOCS / "tutorials" / "supercomputer.md"
# What the stand-in has, where the page says Polaris: two cores, no GPU, no second node.
POLARIS = """
extends: polaris
node: {{cores: 2, threads_per_core: 1, gpus: 0, gpu_cores: [], memory_gib: 0}}
launch: {{family: none}}
preamble: []
scratch: /tmp
environment: {{AMBS_CONFIG_DIR: {config}, http_proxy: "", https_proxy: ""}}
"""


def run(script: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What a script prints on stdout; it must end with 0."""
    done = subprocess.run(
        ["bash", "-x", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def environment_of(folder: Path) -> dict[str, str]:
    """Of a person who has just installed the program, and activated where it lies."""
    inherited = Shell(folder, "").environment
    path = f"{Path(sys.executable).parent}:{inherited['PATH']}"
    return {**inherited, "AMBS_DB": "", "HOME": str(folder), "PATH": path}


@pytest.mark.timeout(300)
def test_first_tutorial_ends_with_two_pictures(tmp_path: Path) -> None:
    """It is the first thing that anybody tries."""
    said = run(script_of(blocks_of(FIRST)), tmp_path, environment_of(tmp_path))
    assert f"file://{tmp_path}/wine.html" in said
    assert "Campaign wine: " in said
    assert re.search(r"(\d+) of \1 ERROR: nu >= 0\.5", said), "the cause of all failures is found"
    for page in (tmp_path / "wine.html", tmp_path / "pendulum" / "pendulum.html"):
        assert "<html" in page.read_text()


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Path]:
    """A folder with the files of the first tutorial; a server that was left there is stopped."""
    folder = tmp_path / "campaign"
    folder.mkdir()
    let_others_enter(tmp_path)
    for block in blocks_of(FIRST):
        if block.title:
            (folder / block.title).write_text(block.text)
    yield folder
    if (folder / "ambs-db").exists():
        shell = Shell(folder, "")
        shell.start("db", "stop").communicate(timeout=60)


@pytest.mark.timeout(300)
def test_supercomputer_tutorial_goes_through_pbs(campaign: Path, tmp_path: Path) -> None:
    """From `ambs init` to the report, with a private PostgreSQL and an allocation."""
    (campaign / "polaris.yml").write_text(POLARIS.format(config=campaign / "config"))
    with FakeScheduler("pbs", tmp_path / "fake", hosts=[os.uname().nodename]) as fake:
        script = script_of(blocks_of(SECOND), "PBS")
        said = run(script, campaign, fake.environ(environment_of(campaign)))
        assert len(fake.allocations()) == 1
    assert "<html" in (campaign / "wine.html").read_text()
    with (campaign / "wine.csv").open(newline="") as table:
        assert {row["state"] for row in csv.DictReader(table)} <= {"DONE", "FAILED"}
    assert "Campaign wine: " in said


@pytest.mark.timeout(300)
def test_supercomputer_tutorial_for_slurm_as_far_as_the_script(campaign: Path) -> None:
    """The request for Perlmutter is accepted, and becomes a script of Slurm."""
    blocks = [block for block in blocks_of(SECOND) if block.tab == "Slurm"]
    said = run(script_of(blocks, "Slurm"), campaign, environment_of(campaign))
    assert "#SBATCH" in said
