"""What this machine has, by what it was given."""

from __future__ import annotations

import pytest

from ambs_hpc.launcher.machine import visible_gpus


@pytest.mark.parametrize(
    ("value", "gpus"),
    [
        ("-1", ()),
        ("NoDevFiles", ()),
        ("", ()),
        ("0,-1,1", ("0",)),
        ("0, 1", ("0", "1")),
        ("GPU-aa,MIG-bb", ("GPU-aa", "MIG-bb")),
    ],
)
def test_hidden_gpus_are_no_gpus(value: str, gpus: tuple[str, ...]) -> None:
    """An evaluation that needs one must not be started without."""
    assert visible_gpus(value) == gpus
