"""Launch commands that ambs wraps, run with stand-ins: hosts, ranks, environment, input, and their end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ambs_hpc.errors import NodesApart
from ambs_hpc.launcher.supervisor.function_main import is_first_rank
from ambs_hpc.launcher.supervisor.outer_launch import without_outer_launch
from ambs_hpc.sites import Ranks, Site, command_of_ranks, command_on_node, command_on_nodes, load_site
from ambs_hpc.sites.launch_families import registry, ssh
from ambs_hpc.sites.launch_families.ibrun import neighbours
from ambs_hpc.sites.launch_families.jsrun import resource_lines
from ambs_hpc.sites.launch_families.run_child import FILE, words_to_run
from tests.databases import wait_until

COMMANDS = Path(__file__).parents[1] / "launch_commands"
HOSTS = ["h1", "h2", "h3", "h4"]
FAMILIES = ["flux", "ibrun", "jsrun", "mpt", "ssh"]
RANK_VARIABLE = {
    "flux": "FLUX_TASK_RANK",
    "ibrun": "PMI_RANK",
    "jsrun": "JSM_NAMESPACE_RANK",
    "mpt": "MPT_MPI_RANK",
    "ssh": "AMBS_RANK",
}
CORE = min(os.sched_getaffinity(0))

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="only root can pretend host names"
)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def site(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose launch command is the stand-in."""
    monkeypatch.setenv("PATH", f"{COMMANDS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_HOSTS", ",".join(HOSTS))
    monkeypatch.setenv("FAKE_JSRUN_FOLDER", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("ODD", "a,b \"c\" $d\n'e'")
    (tmp_path / "mine.yml").write_text(f"extends: slurm\nlaunch: {{family: {family}}}\n")
    return load_site("mine", tmp_path)


def run(command: list[str], given: str = "") -> list[str]:
    """The sorted lines that all copies wrote."""
    ended = subprocess.run(command, input=given, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 0, ended.stderr
    return sorted(ended.stdout.splitlines())


def is_alive(pid: str) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_ranks_run_on_their_hosts_and_know_their_number(family: str, site: Site) -> None:
    """Two on each of two nodes, numbered from 0, node by node."""
    ranks = Ranks(["h2", "h3"], 2, [(CORE,), (CORE,)], granted=HOSTS)
    report = ["sh", "-c", f'echo "${RANK_VARIABLE[family]} $(hostname)"']
    assert run([*command_of_ranks(site, ranks), *report]) == ["0 h2", "1 h2", "2 h3", "3 h3"]


def test_program_on_a_node_gets_environment_and_input(site: Site) -> None:
    """A supervisor: requests come on its standard input, and its variables whatever is in them."""
    report = ["sh", "-c", 'read word; echo "$(hostname) $word"; printf "%s" "$ODD" | md5sum']
    here = subprocess.run(["sh", "-c", 'printf "%s" "$ODD" | md5sum'], capture_output=True, text=True)
    command = command_on_node(site, "h3", 1, ["ODD"], HOSTS)
    assert run([*command, *report], "hello\n") == sorted(["h3 hello", here.stdout.strip()])


def test_one_command_starts_a_program_once_on_each_node(site: Site, tmp_path: Path) -> None:
    """Also on nodes that do not follow each other, as are left when one has died; nothing stays behind."""
    before = sorted(tmp_path.iterdir())
    command = command_on_nodes(site, ["h1", "h2", "h4"], 1, (), HOSTS)
    assert run([*command, "hostname"]) == ["h1", "h2", "h4"]
    assert [one for one in sorted(tmp_path.iterdir()) if one not in before and one.suffix != ".lock"] == []


def test_a_signal_ends_the_ranks(site: Site, tmp_path: Path) -> None:
    """A cancelled evaluation leaves nothing on its nodes."""
    command = command_of_ranks(site, Ranks(["h1", "h2"], 1, granted=HOSTS))
    script = f'echo $$ > {tmp_path}/$(hostname).pid; trap "exit 7" TERM; while :; do sleep 0.05; done'
    process = subprocess.Popen([*command, "sh", "-c", script], stdin=subprocess.DEVNULL)
    files = [tmp_path / f"{host}.pid" for host in ("h1", "h2")]
    wait_until(lambda: all(file.exists() and file.read_text() for file in files), 15.0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15.0) != 0
    pids = [file.read_text().strip() for file in files]
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 5.0)


def test_the_worst_exit_status_is_told(site: Site) -> None:
    """By it an evaluation has failed."""
    command = command_of_ranks(site, Ranks(["h1", "h2"], 1, granted=HOSTS))
    fail = ["sh", "-c", '[ "$(hostname)" = h1 ] || exit 3']
    assert subprocess.run([*command, *fail], stdin=subprocess.DEVNULL, timeout=20).returncode == 3


def test_an_evaluation_is_no_rank_of_what_started_its_supervisor(family: str) -> None:
    """What leads to a Flux instance around the allocation stays."""
    environ = {RANK_VARIABLE[family]: "3", "FLUX_URI": "local:///run/flux", "JSM_OF_A_PERSON": "1"}
    assert without_outer_launch(environ) == {"FLUX_URI": "local:///run/flux", "JSM_OF_A_PERSON": "1"}
    assert not is_first_rank(environ)


# ---- of single families


def site_with(family: str, folder: Path) -> Site:
    (folder / "mine.yml").write_text(f"extends: slurm\nlaunch: {{family: {family}}}\n")
    return load_site("mine", folder)


def test_nothing_of_the_environment_stands_on_the_command_line_of_ssh(tmp_path: Path) -> None:
    """Everybody on the node can read command lines."""
    command = command_on_node(site_with("ssh", tmp_path), "h1", 1, ["SECRET_TOKEN"])
    assert "SECRET_TOKEN" not in " ".join(command)
    assert command[command.index("near") - 3 : command.index("near") - 1] == ["-I", "-S"]


def test_options_of_the_site_come_first_for_ssh(tmp_path: Path) -> None:
    """ssh takes the first value that it is given."""
    flags = "[-o, StrictHostKeyChecking=yes]"
    (tmp_path / "mine.yml").write_text(f"extends: slurm\nlaunch: {{family: ssh, flags: {flags}}}\n")
    plan = command_on_node(load_site("mine", tmp_path), "h1", 1)[-1]
    assert plan.index("StrictHostKeyChecking=yes") < plan.index("StrictHostKeyChecking=no")


@pytest.mark.parametrize("family", ["ssh"], indirect=True)
def test_a_lost_connection_ends_what_runs_at_its_far_end(site: Site, tmp_path: Path) -> None:
    """The launcher was killed, or its node died: its supervisors must not live on."""
    program = ["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 60"]
    process = subprocess.Popen([*command_on_node(site, "h1", 1), *program], stdin=subprocess.PIPE)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 15.0)
    pid = (tmp_path / "pid").read_text().strip()
    process.kill()
    process.wait()
    wait_until(lambda: not is_alive(pid), 10.0)
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize("family", ["ssh"], indirect=True)
def test_a_lost_connection_ends_what_ignores_it(site: Site, tmp_path: Path) -> None:
    """The first process obeys and ends; what it has started would live on beside the next evaluation."""
    child = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done"
    program = ["sh", "-c", f'sh -c "{child.replace("$", chr(92) + "$")}" & wait']
    near = command_on_node(site, "h1", 1)
    short = [word.replace(ssh.__file__, str(tmp_path / "ssh.py")) for word in near]
    text = Path(ssh.__file__).read_text().replace("GRACE_SECONDS = 10.0", "GRACE_SECONDS = 0.3")
    (tmp_path / "ssh.py").write_text(text)
    process = subprocess.Popen([*short, *program], stdin=subprocess.PIPE)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 15.0)
    pid = (tmp_path / "pid").read_text().strip()
    process.kill()
    process.wait()
    wait_until(lambda: not is_alive(pid), 10.0)
    assert process.stdin is not None
    process.stdin.close()


def test_only_words_of_the_launch_command_name_the_file() -> None:
    """`{file}` among the arguments of a person's program is that person's."""
    command = words_to_run(["sh", "-c", 'cat "$0"; echo "$@"', FILE], lines=["h1", "h2"])
    assert run([*command, "{file}", "--", "x"]) == ["h1", "h2", "{file} -- x"]


def test_resource_file_of_jsrun_names_hosts_processors_and_gpus() -> None:
    """One line for each rank; a supervisor gets all processors of its node."""
    ranks = Ranks(["h1", "h2"], 2, [(0, 1), (4, 5)], gpus=["0", "1"])
    lines = [line for line in resource_lines(ranks) if line.startswith("rank")]
    assert lines == [
        "rank: 0: { host: h1; cpu: {0,1} ; gpu: {0,1} }",
        "rank: 1: { host: h1; cpu: {4,5} ; gpu: {0,1} }",
        "rank: 2: { host: h2; cpu: {0,1} ; gpu: {0,1} }",
        "rank: 3: { host: h2; cpu: {4,5} ; gpu: {0,1} }",
    ]
    assert resource_lines(Ranks(["h1"], depth=176))[-1] == "rank: 0: { host: h1; cpu: {0-175} }"


def test_ranks_of_flux_are_bound_to_our_cores(tmp_path: Path) -> None:
    """Flux counts cores itself and would choose others, on which evaluations run already."""
    command = command_of_ranks(site_with("flux", tmp_path), Ranks(["a", "b"], 2, [(0, 1), (4, 5)]))
    words = "run --nodes=2 --ntasks=4 --cores-per-task=2 --requires=hosts:a,b"
    binding = "--setopt=cpu-affinity=map:0,1;4,5 --setopt=gpu-affinity=off --setopt=exit-on-error"
    assert command[command.index("--") + 1 :] == ["flux", *words.split(), *binding.split()]


def test_ibrun_side_by_side_ends_with_its_ranks(tmp_path: Path) -> None:
    """Whatever shell /bin/sh is: it waits for all, and a failure of one is told."""
    site = site_with("ibrun", tmp_path)
    (tmp_path / "ibrun").write_text('#!/bin/sh\nsleep 0.5\n[ "$4" = 0 ] || exit 3\n')
    (tmp_path / "ibrun").chmod(0o755)
    command = command_on_nodes(site, ["h1", "h3"], 1, [], HOSTS)
    environ = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    began = time.monotonic()
    ended = subprocess.run([*command, "true"], env=environ, stdin=subprocess.DEVNULL, check=False)
    assert ended.returncode == 3
    assert time.monotonic() - began > 0.5


def test_ranks_of_ibrun_need_nodes_that_follow_each_other(tmp_path: Path) -> None:
    """It knows an offset and a number only; anything else would run on another evaluation's nodes."""
    site = site_with("ibrun", tmp_path)
    with pytest.raises(NodesApart, match="nodes that follow each other in the allocation, not h1, h3"):
        command_of_ranks(site, Ranks(["h1", "h3"], 1, granted=HOSTS))
    assert neighbours(Ranks(["h4", "h1", "h2"], granted=HOSTS)) == [(0, 2), (3, 1)]


def test_a_further_family_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by being there, under its own name."""
    (tmp_path / "yourrun.py").write_text(
        'PROGRAM = "yourrun"\ndef arguments(ranks):\n    return ["-np", str(ranks.total)]\n'
    )
    package = registry.__name__.rpartition(".")[0]
    folders = [*__import__(package, fromlist=["x"]).__path__, str(tmp_path)]
    monkeypatch.setattr(f"{package}.__path__", folders)
    found = registry.found_families(folders)
    assert found.keys() - registry.FAMILIES.keys() == {"yourrun"}
    assert found["yourrun"].command("mine", Ranks(["a"], 3), ["-x"]) == ["mine", "-np", "3", "-x"]
