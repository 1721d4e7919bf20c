"""What is expected of the next evaluation decides whether it may still start."""

from __future__ import annotations

import pytest

from ambs_hpc.launcher.runtime_estimate import RunTimeBounds, RuntimeEstimate, run_time_bounds


def test_little_seen_is_trusted_little() -> None:
    """The first few may be quick by chance."""
    times = RuntimeEstimate()
    assert times.expected(RunTimeBounds(60.0)) == 60.0
    times.note(5.0)
    assert times.expected(RunTimeBounds(60.0)) == 60.0
    times.note(90.0)
    assert times.expected(RunTimeBounds(60.0)) == 90.0


@pytest.mark.parametrize(("number", "expected"), [(10, 9.0), (100, 90.0), (200, 180.0)])
def test_nine_of_ten_end_in_time(number: int, expected: float) -> None:
    """The floor no longer counts, and neither do outliers."""
    assert (
        RuntimeEstimate(float(index) for index in range(1, number + 1)).expected(RunTimeBounds(1e6))
        == expected
    )


def test_only_the_latest_count() -> None:
    """A search moves from quick configurations to slow ones."""
    times = RuntimeEstimate([1.0] * 1000)
    for _ in range(200):
        times.note(50.0)
    assert times.expected(RunTimeBounds()) == 50.0


def test_short_allocations_expect_less() -> None:
    """A trial of five minutes must start something too."""
    assert run_time_bounds(6 * 3600.0) == RunTimeBounds(60.0, 5.4 * 3600.0)
    assert run_time_bounds(300.0) == RunTimeBounds(30.0, 270.0)


def test_one_that_took_too_long_stops_no_campaign() -> None:
    """A launcher that has just begun starts another; after ten, what most took is believed."""
    bounds = run_time_bounds(3600.0)
    assert RuntimeEstimate([20.0, 90_000.0]).expected(bounds) < 3600.0
    assert RuntimeEstimate([90_000.0] * 10).expected(bounds) == 90_000.0
