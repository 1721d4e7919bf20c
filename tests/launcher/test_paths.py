"""Where an evaluation's files lie."""

from __future__ import annotations

from ambs_hpc.launcher.paths import attempt_folder, checkpoint_folder, run_directory_of


def test_attempts_of_an_evaluation_share_a_checkpoint() -> None:
    """A later attempt goes on from what an earlier one wrote."""
    folder = checkpoint_folder("/runs/c", 12345, {"lr": 0.1, "layers": 3})
    assert folder == checkpoint_folder("/runs/c", 12345, {"layers": 3, "lr": 0.1})
    assert folder.startswith("/runs/c/012/012345-checkpoint-")


def test_another_configuration_has_another_checkpoint() -> None:
    """A database that went back to an older copy gives the same ordinal to another configuration."""
    assert checkpoint_folder("/runs/c", 1, {"lr": 0.1}) != checkpoint_folder("/runs/c", 1, {"lr": 0.2})


def test_the_run_directory_is_found_from_an_attempt() -> None:
    """Messages about a campaign lie there."""
    assert run_directory_of(attempt_folder("/runs/c", 7, 2)) == "/runs/c"
