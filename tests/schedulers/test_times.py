"""Durations and dates of three schedulers."""

from __future__ import annotations

import pytest

from ambs_hpc.schedulers.times import duration_seconds, utc_seconds

DURATIONS = {
    "00:10:00": 600,
    "5:00": 300,
    "1:00": 60,
    "1-00:00:00": 86400,
    "01:00:00:00": 86400,
    "1-02": 93600,
    "1-02:30": 95400,
    "1-02:30:05": 95405,
    "600": 600,
    "UNLIMITED": None,
    "N/A": None,
    "": None,
    "INVALID": None,
}
DATES = {
    "2026-11-23T08:09:10": 1795421350.0,
    "Mon Nov 23 08:09:10 2026": 1795421350.0,
    "Mon Nov 23 08:09:10 2026 +0000 (UTC)": 1795421350.0,
    "Mon Nov 23 02:09:10 2026 -0600 (CST)": 1795421350.0,
    "Thu Jan  1 00:00:07 1970": 7.0,
    "N/A": None,
    "None": None,
    "": None,
}


@pytest.mark.parametrize("text", DURATIONS)
def test_durations_are_seconds(text: str) -> None:
    """Slurm's `5:00` are five minutes; no limit is no number."""
    assert duration_seconds(text) == DURATIONS[text]


@pytest.mark.parametrize("text", DATES)
def test_dates_are_seconds_since_1970(text: str) -> None:
    """An end of walltime off by a time zone loses every running evaluation."""
    assert utc_seconds(text) == DATES[text]
