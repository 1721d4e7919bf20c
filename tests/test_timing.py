"""Periods that a user may change are checked before anything relies on them."""

from __future__ import annotations

import pytest

from ambs_hpc.errors import UsageError
from ambs_hpc.timing import HAND_STARTED_SILENCE_SECONDS, hand_started_silence_seconds


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [({}, HAND_STARTED_SILENCE_SECONDS), ({"AMBS_GIVE_UP_MINUTES": "2.5"}, 150.0)],
)
def test_silence_is_an_option(environment: dict[str, str], seconds: float) -> None:
    """Minutes in the environment, seconds for programs."""
    assert hand_started_silence_seconds(environment) == seconds


@pytest.mark.parametrize("text", ["soon", "1", "-5", "nan", "inf"])
def test_silence_of_the_living_is_not_enough(text: str) -> None:
    """Less than a living launcher may be silent would let others take what it runs."""
    with pytest.raises(UsageError, match="AMBS_GIVE_UP_MINUTES"):
        hand_started_silence_seconds({"AMBS_GIVE_UP_MINUTES": text})
