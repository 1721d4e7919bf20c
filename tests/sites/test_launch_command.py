"""How a program gets onto a granted node, for each launch command."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.schedulers.node_lists import expand_hosts, expand_numbers
from ambs_hpc.sites import (
    Ranks,
    Site,
    command_of_ranks,
    command_on_node,
    command_on_nodes,
    load_site,
    near_gpus,
    node_name,
    processors_per_node,
)
from ambs_hpc.sites.launch_families.host_lists import LONGEST_WORD, by_ranges
from ambs_hpc.sites.launch_families.jsrun import resource_lines
from ambs_hpc.sites.launch_families.registry import FAMILIES

COMMANDS = {
    "perlmutter-gpu": "srun --nodes=1 --ntasks=1 --ntasks-per-node=1 --nodelist=n7 --cpus-per-task=128 "
    "--export=ALL --overlap --cpu-bind=none --kill-on-bad-exit=1 --mem=0",
    "polaris": "mpiexec -n 1 --ppn 1 --hosts n7 --envall --depth 64 --cpu-bind none",
    "cooley": "mpirun -n 1 -ppn 1 -hosts n7 -genvall -bind-to none",
    "theta": "aprun -n 1 -N 1 -L n7 -d 256 -cc none",
}
SLURM = "SLURM_NNODES=2 SLURM_NTASKS=4 SLURM_NPROCS=4 SLURM_TASKS_PER_NODE=2(x2)"
RANKS = {
    "srun": "srun --nodes=2 --ntasks=4 --ntasks-per-node=2 --nodelist=a,b --cpus-per-task=2 --export=ALL "
    "--overlap --cpu-bind=mask_cpu:0x3,0x30 --kill-on-bad-exit=1",
    "pals": "mpiexec -n 4 --ppn 2 --hosts a,b --envall --depth 2 --cpu-bind list:0,1:4,5",
    "hydra": "mpiexec -n 4 -ppn 2 -hosts a,b -genvall -bind-to user:0+1,4+5",
    "openmpi": f"env {SLURM} mpirun -n 4 --host a:2,b:2 --map-by ppr:2:node --bind-to none -x AMBS_RESULT "
    "-x PATH",
    "aprun": "aprun -n 4 -N 2 -L a,b -d 2 -cc 0,1:4,5",
    "ibrun": f"env IBRUN_TASKS_PER_NODE=2 {SLURM} ibrun -n 4 -o 0",
}


def site_of(family: str, folder: Path) -> Site:
    (folder / f"{family}.yml").write_text(f"extends: slurm\nlaunch: {{family: {family}}}\n")
    return load_site(family, folder)


@pytest.mark.parametrize("family", RANKS)
def test_ranks_are_placed_and_bound_explicitly(family: str, tmp_path: Path) -> None:
    """Hosts, copies on each, and the cores of each copy; nothing is left to defaults."""
    ranks = Ranks(["a", "b"], 2, [(0, 1), (4, 5)], variables={"PATH", "AMBS_RESULT"})
    assert command_of_ranks(site_of(family, tmp_path), ranks) == RANKS[family].split()


@pytest.mark.parametrize(
    ("family", "option"),
    [("srun", "--no-kill"), ("pals", "--no-abort-on-failure"), ("hydra", "-disable-auto-cleanup")],
)
def test_copies_that_stand_alone_survive_one_another(family: str, option: str, tmp_path: Path) -> None:
    """A pool of workers loses one, not all."""
    site = site_of(family, tmp_path)
    assert option in command_of_ranks(site, Ranks(["a", "b"], stand_together=False))
    assert option in command_on_nodes(site, ["a", "b"], 4)


def test_one_command_starts_a_program_on_all_nodes(tmp_path: Path) -> None:
    """One copy each, with all processors, bound to none."""
    words = "-n 2 -N 1 -L 7,8 -d 64 -cc none"
    assert command_on_nodes(site_of("aprun", tmp_path), ["7", "8"], 64) == ["aprun", *words.split()]


@pytest.mark.parametrize("name", COMMANDS)
def test_command_names_node_and_takes_all_its_processors(name: str) -> None:
    """Explicitly: what a launch command takes by default differs from site to site."""
    site = load_site(name)
    assert command_on_node(site, "n7", processors_per_node(site)) == COMMANDS[name].split()


def test_open_mpi_outside_of_slurm_needs_no_variables_of_it(tmp_path: Path) -> None:
    """It learns its hosts from the command line."""
    (tmp_path / "mine.yml").write_text("extends: pbs\nlaunch: {family: openmpi}\n")
    assert command_of_ranks(load_site("mine", tmp_path), Ranks(["a"]))[0] == "mpirun"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["x{:05d}c0s0b0n0.hsn.cm.example.anl.gov", "frontier{:05d}"])
def test_no_word_is_longer_than_the_system_takes(family: str, name: str, tmp_path: Path) -> None:
    """Else the launch command of ten thousand nodes cannot be started at all."""
    if family in ("aprun", "flux"):  # no file of hosts: they count on names that end in a number
        name = "frontier{:05d}"
    nodes = [name.format(number) for number in range(10_000)]
    for command in (
        command_of_ranks(site_of(family, tmp_path), Ranks(nodes, 2, [(0,), (1,)], granted=nodes)),
        command_on_nodes(site_of(family, tmp_path), nodes[::2], 4, (), nodes),
    ):
        longest = max(command, key=len)
        assert len(longest) <= LONGEST_WORD, longest[:80]
    assert len(command) < 50_000


def test_ranges_name_the_same_nodes() -> None:
    """Leading zeros, gaps, several beginnings, names without a number."""
    nodes = ["n1", "n2", "n3", "n7", "n09", "n10", "n11", "gpu001", "gpu002", "login", "n100"]
    text = by_ranges(nodes)
    assert text == "n[1-3,7],n[09-11],gpu[001-002],n100,login"
    assert sorted(expand_hosts(text)) == sorted(nodes)
    assert by_ranges(["340", "341", "350"]) == "340-341,350"
    assert expand_numbers("340-341,350") == ("340", "341", "350")


def test_a_supervisor_of_jsrun_gets_the_highest_processor() -> None:
    """System cores lie between: 168 processors of Summit reach up to number 171."""
    summit = load_site("summit")
    command = command_on_node(summit, "n7", processors_per_node(summit))
    assert "rank: 0: { host: n7; cpu: {0-171} ; gpu: {0,1,2,3,4,5} }" in command
    assert resource_lines(Ranks(["h1"], depth=4))[-1] == "rank: 0: { host: h1; cpu: {0-3} }"


def test_site_without_launch_command_has_one_node() -> None:
    """An error says so, instead of nodes that stay idle."""
    with pytest.raises(UsageError, match="only the script's own node"):
        command_on_node(load_site("local"), "n7", 1)


def test_numbers_of_a_cray_are_names_for_people() -> None:
    """340 is nid00340."""
    assert node_name(load_site("theta"), "340") == "nid00340"
    assert node_name(load_site("polaris"), "x3001") == "x3001"


def test_cores_near_a_gpu_come_from_the_map() -> None:
    """GPU 0 of Polaris is beside the last cores."""
    assert near_gpus(load_site("polaris"))["0"] == tuple(range(24, 32))
