"""Options of a launcher that take more than one form."""

from __future__ import annotations

import pytest

from ambs_hpc.cli.shared.launcher_options import gpu_names
from ambs_hpc.errors import UsageError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (None, None),
        ("0", []),
        ("2", ["0", "1"]),
        ("2,", ["2"]),
        ("0, 2", ["0", "2"]),
        ("GPU-5a1f", ["GPU-5a1f"]),
        ("GPU-5a1f,MIG-77c0", ["GPU-5a1f", "MIG-77c0"]),
    ],
)
def test_gpus_are_a_number_or_names(text: str | None, names: list[str] | None) -> None:
    """A number alone has always been how many."""
    assert gpu_names(text) == names


@pytest.mark.parametrize("text", ["", ",", "0,,1", "1,1", "-1", "0,-1"])
def test_gpus_that_cannot_be_meant_are_refused(text: str) -> None:
    """The same GPU twice would be given to two evaluations at once."""
    with pytest.raises(UsageError, match="0,2 or GPU-aa,GPU-bb"):
        gpu_names(text)
