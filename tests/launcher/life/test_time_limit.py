"""When a launcher has to have ended, by two limits of which one moves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ambs_hpc.launcher.life.launcher_settings import LauncherSettings
from ambs_hpc.launcher.life.time_limit import TimeLimit
from ambs_hpc.launcher.node_pool import NodePool

GRANTED = LauncherSettings(node_pool=NodePool((), "", seconds_left=3600.0), notice_seconds=300.0)


def test_the_end_of_an_allocation_moves_and_a_limit_of_our_own_does_not() -> None:
    """`--max-minutes` is a wish, the walltime a fact."""
    limit, bounded = TimeLimit(GRANTED, 100.0), TimeLimit(replace(GRANTED, max_minutes=90), 100.0)
    assert [limit.deadline, bounded.deadline] == [3400.0, 3400.0]
    limit.moved_seconds = bounded.moved_seconds = 3600.0
    assert [limit.deadline, bounded.deadline] == [7000.0, 5200.0]
    limit.moved_seconds = bounded.moved_seconds = -1800.0
    assert [limit.deadline, bounded.deadline] == [1600.0, 1600.0]
    assert TimeLimit(LauncherSettings(), 100.0).deadline == float("inf")


@pytest.mark.parametrize(
    ("moved_seconds", "grace_seconds"), [(0.0, 300.0), (-1800.0, 300.0), (-3000.0, 200.0), (-3400.0, 10.0)]
)
def test_the_notice_is_no_longer_than_what_is_left(moved_seconds: float, grace_seconds: float) -> None:
    """Else the scheduler would kill all before it is over, and nobody would record how it ended."""
    limit = TimeLimit(GRANTED, 0.0)
    limit.moved_seconds = moved_seconds
    assert limit.grace_seconds(max(400.0, limit.deadline)) == grace_seconds
