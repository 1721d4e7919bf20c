"""How a program gets onto a granted node, for each launch command."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.errors import UsageError
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

COMMANDS = {
    "perlmutter-gpu": "srun --nodes=1 --ntasks=1 --ntasks-per-node=1 --nodelist=n7 --cpus-per-task=128 "
    "--export=ALL --overlap --cpu-bind=none --kill-on-bad-exit=1 --mem=0",
    "polaris": "mpiexec -n 1 --ppn 1 --hosts n7 --envall --depth 64 --cpu-bind none",
    "cooley": "mpirun -n 1 -ppn 1 -hosts n7 -genvall -bind-to none",
    "theta": "aprun -n 1 -N 1 -L n7 -d 256 -cc none",
}
RANKS = {
    "srun": "srun --nodes=2 --ntasks=4 --ntasks-per-node=2 --nodelist=a,b --cpus-per-task=2 --export=ALL "
    "--overlap --cpu-bind=mask_cpu:0x3,0x30 --kill-on-bad-exit=1",
    "pals": "mpiexec -n 4 --ppn 2 --hosts a,b --envall --depth 2 --cpu-bind list:0,1:4,5",
    "hydra": "mpiexec -n 4 -ppn 2 -hosts a,b -genvall -bind-to user:0+1,4+5",
    "openmpi": "mpirun -n 4 --host a:2,b:2 --map-by ppr:2:node --bind-to none -x AMBS_RESULT -x PATH",
    "aprun": "aprun -n 4 -N 2 -L a,b -d 2 -cc 0,1:4,5",
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
