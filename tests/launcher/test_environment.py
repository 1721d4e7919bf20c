"""Who gets which variables: pure functions, tried on recorded environments."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambs_hpc.launcher import environment
from ambs_hpc.launcher.supervisor.outer_launch import without_outer_launch

RECORDED = Path(__file__).parent / "recorded_environments"

NODE = {
    "PATH": "/usr/bin",
    "HOME": "/home/u",
    "CUDA_VISIBLE_DEVICES": "0,1,2,3",
    "ZE_AFFINITY_MASK": "0.0",
    "PGPASSWORD": "secret",
    "AMBS_DB": "postgresql://u:secret@h/d",
}


def recorded(name: str) -> dict[str, str]:
    """The variables of a real process, as `env` printed them."""
    return dict(line.split("=", 1) for line in (RECORDED / f"{name}.txt").read_text().splitlines())


def test_gpus_of_the_node_and_passwords_are_not_inherited() -> None:
    """An evaluation sees its own GPUs only, and nobody's password."""
    assert environment.launch_environment(NODE) == {"PATH": "/usr/bin", "HOME": "/home/u"}


def test_evaluations_see_the_same_of_slurm_on_all_nodes() -> None:
    """Beside the script and behind srun: the allocation, of which steps of their own start, and no step."""
    script, step = (without_outer_launch(recorded(name)) for name in ("slurm_batch", "slurm_step"))
    assert script["SLURM_JOB_ID"] == step["SLURM_JOB_ID"] == "5"
    assert (script.pop("SLURMD_NODENAME"), step.pop("SLURMD_NODENAME")) == ("n1", "n2")
    assert script == step
    gone = recorded("slurm_step").keys() - step.keys()
    assert {"PMI_FD", "PMI_RANK", "SLURM_PROCID", "SLURM_STEP_ID", "SLURM_EXPORT_ENV"} <= gone


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("hydra", {"HYDRA_LAUNCHER", "PMI_NO_FORK", "GFORTRAN_UNBUFFERED_PRECONNECTED"}),
        (
            "openmpi",
            {
                "OMPI_MCA_btl",
                "OMPI_ALLOW_RUN_AS_ROOT",
                "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                "OPAL_PREFIX",
                "OPAL_USER_PARAMS_GIVEN",
            },
        ),
    ],
)
def test_evaluations_see_nothing_of_mpiexec_but_what_a_person_set(name: str, left: set[str]) -> None:
    """The rest would make a rank of each, without a process manager; tuning is meant for them."""
    assert without_outer_launch(recorded(name)).keys() == {"PATH", "HOME", *left}


@pytest.mark.parametrize(
    "name", ["PALS_RANKID", "ALPS_APP_PE", "MV2_COMM_WORLD_RANK", "OMPI_MCA_orte_hnp_uri"]
)
def test_ranks_of_other_machines_are_known(name: str) -> None:
    """Of Cray, MVAPICH and an older Open MPI."""
    assert without_outer_launch({name: "0", "PMIX_MCA_gds": "hash"}) == {"PMIX_MCA_gds": "hash"}


def test_a_shell_does_not_decide_how_supervisors_are_launched() -> None:
    """Labels would stand among their messages, a hint or a binding would halve their cores."""
    mine = {
        "SLURM_CPU_BIND": "cores",
        "SLURM_HINT": "nomultithread",
        "SLURM_LABELIO": "1",
        "SLURM_EXPORT_ENV": "NONE",
        "SRUN_CPUS_PER_TASK": "1",
    }
    kept = {"SLURM_JOB_ID": "5", "SLURM_CONF": "/etc/slurm.conf", "SLURM_GPUS_PER_NODE": "4"}
    assert environment.launch_environment({**mine, **kept}) == kept


def test_launch_commands_pass_all_that_supervisors_are_started_with() -> None:
    """Without its thread count a module would take all cores, without a token its processes are not found."""
    passed = environment.variables_of_supervisors({**NODE, "PMI_RANK": "0"})
    started = environment.supervisor_environment(NODE, 2)
    assert passed == sorted({*started, "AMBS_ATTEMPT_TOKEN", "AMBS_LAUNCHER", "AMBS_NODE_LOCK"})


def test_threads_that_a_person_set_win() -> None:
    """A supervisor says how many threads a module may use, unless somebody else has."""
    given = environment.supervisor_environment({"OMP_NUM_THREADS": "3"}, 8)
    assert given == {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "8", "MKL_NUM_THREADS": "8"}
    assert environment.supervisor_environment({}, 0) == {}
    assert environment.attempt_environment({"OMP_NUM_THREADS": "3"}, 8) == {"OMP_NUM_THREADS": "3"}


def test_no_gpus_are_an_empty_list() -> None:
    """An unset variable would show all of them."""
    assert environment.gpu_environment("CUDA_VISIBLE_DEVICES", []) == {"CUDA_VISIBLE_DEVICES": ""}
    assert environment.gpu_environment("CUDA_VISIBLE_DEVICES", ["1", "3"]) == {"CUDA_VISIBLE_DEVICES": "1,3"}
    assert environment.gpu_environment(None, []) == {}


def test_ranks_see_what_the_script_has_set_up() -> None:
    """Some launch commands pass no environment by themselves, and nodes must not differ by it."""
    mine = {**NODE, "MYDATA": "/data", "PMI_RANK": "0"}
    assert environment.variables_of_ranks({"X": "1"}, mine) == ["HOME", "MYDATA", "PATH", "X"]
