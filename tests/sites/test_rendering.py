"""Scripts as they are submitted, compared with golden files, and the traps that they must not fall into.

AMBS_WRITE_GOLDEN=1 pytest tests/sites/test_rendering.py writes them anew; look at the difference.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.sites import (
    AllocationRequest,
    LaunchPlan,
    NodeShape,
    Queue,
    Tier,
    check_request,
    load_site,
    render_script,
    site_names,
    write_script,
)
from ambs_hpc.sites.script_safety import wrong_directive

GOLDEN = Path(__file__).parent / "golden"
PLAN = LaunchPlan(["/opt/ambs/bin/ambs", "launch", "--campaign", "two words"], 7, Path("/project/c/ambs-7"))
NODES = {"theta": 128, "polaris": 10, "aurora": 256, "sophia": 4, "frontera": 3, "local": 1}
MARKS = {"cobalt": "#COBALT ", "pbs": "#PBS ", "slurm": "#SBATCH ", "lsf": "#BSUB "}


def request_for(name: str) -> AllocationRequest:
    project = "" if name in ("slurm", "pbs", "lsf", "local") else "Project"
    return AllocationRequest(NODES.get(name, 2), 90, Path("/project/c"), project=project)


def script(name: str) -> str:
    return render_script(load_site(name), request_for(name), PLAN)


@pytest.mark.parametrize("name", site_names())
def test_script_is_the_golden_one(name: str) -> None:
    """A change of a script is seen before a centre sees it."""
    file = GOLDEN / f"{name}.sh"
    if os.environ.get("AMBS_WRITE_GOLDEN"):
        file.write_text(script(name))
    assert script(name) == file.read_text()
    assert check_request(load_site(name), request_for(name)).problems == ()


@pytest.mark.parametrize("name", site_names())
def test_directives_stand_where_schedulers_look(name: str) -> None:
    """Directly after `#!`, one family only, nothing behind them, each option once; the rest is shell."""
    lines = script(name).splitlines()
    assert lines[0].startswith("#!/")
    mark = MARKS.get(load_site(name).scheduler, "#none ")
    directives = [line for line in lines if line.startswith("#") and not line.startswith("#!")]
    assert lines[1 : 1 + len(directives)] == directives
    assert all(line.startswith(mark) for line in directives)
    assert all("#" not in line[1:] for line in directives)
    assert len({line.split("=")[0] for line in directives}) == len(directives)
    subprocess.run(["bash", "-n"], input=script(name), text=True, check=True)


def test_launcher_is_started_with_its_very_arguments() -> None:
    """Quoted for the shell, in place of the script, so that signals reach it."""
    assert script("slurm").splitlines()[-1] == "exec /opt/ambs/bin/ambs launch --campaign 'two words'"


def test_users_attributes_join_the_sites_in_one_option() -> None:
    """Cobalt refuses a second --attrs; what the user says wins."""
    request = AllocationRequest(
        128,
        60,
        Path("/c"),
        project="P",
        attributes=("mcdram=flat", "filesystems=home"),
        filesystems=("eagle",),
    )
    text = render_script(load_site("theta"), request, PLAN)
    assert [line for line in text.splitlines() if "--attrs" in line] == [
        "#COBALT --attrs filesystems=home:mcdram=flat"
    ]


def test_a_number_of_gpus_is_no_number_of_nodes() -> None:
    """Four whole nodes would be charged, or refused where nodes are shared; one processor is too few."""
    shared = Queue([Tier(1, 4, 60)], unit="gpu")
    node = NodeShape(cores=64, threads_per_core=2, reserved_cores="0-3", gpus=4)
    site = msgspec.structs.replace(load_site("slurm"), queues={"shared": shared}, directives=[], node=node)
    request = AllocationRequest(4, 60, Path("/c"), queue="shared")
    asked = [line for line in render_script(site, request, PLAN).splitlines() if line.startswith("#SBATCH")]
    assert asked[:5] == [
        "#SBATCH --nodes=1",
        "#SBATCH --gpus=4",
        "#SBATCH --cpus-per-gpu=30",
        "#SBATCH --time=60",
        "#SBATCH --partition=shared",
    ]


UNWRITABLE = {
    "stray word": ({"project": "my project"}, {}, "give a name"),
    "second directive": ({"queue": "a\n#SBATCH --uid=0"}, {}, "give a name"),
    "folder": ({"folder": Path("/my project")}, {}, "blanks"),
    "output": ({}, {"output": Path("/p/%j")}, "replace or cut"),
    "variable": ({}, {"environment": {"A-B": "1"}}, "letters, digits"),
    "secret variable": ({}, {"environment": {"PGPASSWORD": "hidden"}}, "no secret"),
    "secret in a variable": ({}, {"environment": {"DB": "postgresql://me:hidden@host/db"}}, "no secret"),
    "path before a variable": (
        {},
        {"environment": {"PATH": "/opt/bin:$PATH"}},
        'export PATH="/opt/bin:$PATH"',
    ),
    "secret argument": ({}, {"arguments": ["ambs", "--db", "postgresql://me:hidden@host/db"]}, "://...@host"),
    "secret in the preamble": ({}, {"preamble": ["export P=http://me:hidden@proxy"]}, "://...@proxy"),
}


@pytest.mark.parametrize("case", UNWRITABLE)
def test_script_that_would_say_something_else_is_not_written(case: str) -> None:
    """A stray word loses later directives without an error; a secret would be read by everybody."""
    asked, planned, part = UNWRITABLE[case]
    request = replace(AllocationRequest(1, 5, Path("/c")), **asked)  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        render_script(load_site("slurm"), request, replace(PLAN, **planned))  # type: ignore[arg-type]
    assert part in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_values_stay_values_in_the_shell() -> None:
    """A leading variable is filled in on the node; nothing else of a value is read by the shell."""
    values = {
        "A": "$USER/x",
        "E": "$USER:/x:$USER",
        "B": "two; words",
        "C": '$USER"; echo no; "',
        "D": "$(echo no)",
        "TOKENIZERS": "0",
    }
    plan = replace(PLAN, arguments=["env"], environment=values)
    text = render_script(load_site("local"), AllocationRequest(1, 5, Path("/")), plan)
    shown = subprocess.run(
        ["bash"], input=text, text=True, check=True, capture_output=True, env={"USER": "me"}
    ).stdout.splitlines()
    assert {"A=me/x", "E=me:/x:me", "B=two; words", 'C=$USER"; echo no; "', "D=$(echo no)"} <= set(shown)


def test_own_template_is_strict(tmp_path: Path) -> None:
    """A name that does not exist is an error, never an empty place in a script."""
    own = tmp_path / "mine.sh.j2"
    request = AllocationRequest(1, 5, Path("/c"))
    own.write_text("#!/bin/sh\n# {{ nodes }}\nexec {{ launch }}\n")
    assert "# 1\n" in render_script(load_site("slurm"), request, PLAN, own)
    own.write_text("#!/bin/sh\n#SBATCH -t {{ walltme }}\n")
    with pytest.raises(UsageError, match="walltme"):
        render_script(load_site("slurm"), request, PLAN, own)
    own.write_text("{% if %}")
    with pytest.raises(UsageError, match="line 1"):
        render_script(load_site("slurm"), request, PLAN, own)
    with pytest.raises(NotFound):
        render_script(load_site("slurm"), request, PLAN, tmp_path / "absent.j2")


def test_script_is_written_whole_and_executable(tmp_path: Path) -> None:
    """Cobalt runs the file itself, hours later."""
    file = tmp_path / "script.sh"
    write_script(file, "#!/bin/sh\nexit 0\n")
    subprocess.run([str(file)], check=True)
    assert list(tmp_path.iterdir()) == [file]


def test_only_what_asks_for_an_array_is_one() -> None:
    """LSF's -a names a program that looks at the submission, and Slurm's asks for an array."""
    assert wrong_directive("lsf", "-a esub") is None
    for scheduler, text in (
        ("slurm", "-a 1-4"),
        ("pbs", "-J 1-4"),
        ("slurm", "--array=1-4"),
        ("lsf", "-J x[1-4]"),
    ):
        assert "never an array" in (wrong_directive(scheduler, text) or "")
