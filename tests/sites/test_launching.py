"""How a program gets onto a granted node, for each launch command."""

from __future__ import annotations

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.sites import command_on_node, load_site, near_gpus, node_name, processors_per_node

COMMANDS = {
    "perlmutter-gpu": "srun --nodes=1 --ntasks=1 --nodelist=n7 --cpus-per-task=128 --overlap "
    "--cpu-bind=none --mem=0",
    "polaris": "mpiexec -n 1 --ppn 1 --hosts n7 --cpu-bind none",
    "cooley": "mpirun -n 1 -ppn 1 -hosts n7",
    "theta": "aprun -n 1 -N 1 -L n7 -d 256 -cc none",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_command_names_node_and_takes_all_its_processors(name: str) -> None:
    """Explicitly: what a launch command takes by default differs from site to site."""
    site = load_site(name)
    assert command_on_node(site, "n7", processors_per_node(site)) == COMMANDS[name].split()


def test_site_without_launch_command_has_one_node() -> None:
    """It says so instead of leaving nodes idle without a word."""
    with pytest.raises(UsageError, match="only the script's own node"):
        command_on_node(load_site("local"), "n7", 1)


def test_numbers_of_a_cray_are_names_for_people() -> None:
    """340 is nid00340."""
    assert node_name(load_site("theta"), "340") == "nid00340"
    assert node_name(load_site("polaris"), "x3001") == "x3001"


def test_cores_near_a_gpu_come_from_the_map() -> None:
    """GPU 0 of Polaris is beside the last cores."""
    assert near_gpus(load_site("polaris"))["0"] == tuple(range(24, 32))
