"""Who gets which variables: pure functions, tried on recorded environments."""

from __future__ import annotations

from ambs_hpc.launcher import environment

NODE = {
    "PATH": "/usr/bin",
    "HOME": "/home/u",
    "CUDA_VISIBLE_DEVICES": "0,1,2,3",
    "ZE_AFFINITY_MASK": "0.0",
    "PGPASSWORD": "secret",
    "AMBS_DB": "postgresql://u:secret@h/d",
}


def test_gpus_of_the_node_and_passwords_are_not_inherited() -> None:
    """An evaluation sees its own GPUs only, and nobody's password."""
    assert environment.inherited_environment(NODE) == {"PATH": "/usr/bin", "HOME": "/home/u"}


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


def test_launch_commands_pass_where_programs_are() -> None:
    """Some pass no environment by themselves."""
    assert environment.forwarded_variables(["X"], NODE) == ["X", "PATH", "HOME"]
