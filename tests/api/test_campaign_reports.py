"""The curve of an evaluation, read from Python."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from sqlalchemy import Engine

from ambs_hpc import open_campaign
from ambs_hpc.errors import NotFound
from ambs_hpc.queue import NewReport, add_reports, claim, transaction
from tests.queue import stock


@pytest.fixture
def reported(any_engine: Engine) -> tuple[str, list[int]]:
    """The URL, and evaluations of two campaigns, of which the first has reported."""
    with transaction(any_engine) as connection:
        for name in ("one", "two"):
            stock.evaluations(connection, stock.campaign(connection, name=name, uid=name).id, 1)
        one, two = claim(connection, stock.launcher(connection), 2)
        told = ((3, 0.5, {"loss": 0.1}), (9, 0.25, {}))
        add_reports(
            connection, [NewReport(one.id, 1, one.token, step, value, 60.0, m) for step, value, m in told]
        )
    return any_engine.url.render_as_string(hide_password=False), [one.id, two.id]


def test_reports_are_rows_by_step(reported: tuple[str, list[int]]) -> None:
    """All with the same columns, metrics behind the others."""
    url, (first, second) = reported
    at = datetime(1970, 1, 1, 0, 1, tzinfo=timezone.utc)
    same = {"attempt": 1, "at": at, "thinned": 0}
    with open_campaign(url, "one") as campaign:
        assert campaign.reports(first, as_frame=False) == [
            {"step": 3, "objective": 0.5, **same, "m:loss": 0.1},
            {"step": 9, "objective": 0.25, **same, "m:loss": None},
        ]
        with pytest.raises(NotFound, match="of campaign 'two', not 'one'"):
            campaign.reports(second)
    with open_campaign(url, "two") as campaign:
        assert campaign.reports(second, as_frame=False) == []


def test_reports_are_a_frame_where_pandas_is(reported: tuple[str, list[int]]) -> None:
    """Times are times, also where there is none."""
    url, (first, second) = reported
    with open_campaign(url, "one") as campaign:
        table = campaign.reports(first)
    assert list(table["step"]) == [3, 9]
    with open_campaign(url, "two") as campaign:
        empty = campaign.reports(second)
    assert list(empty.columns) == ["step", "objective", "attempt", "at", "thinned"]
    assert all(str(one["at"].dtype).endswith(", UTC]") for one in (table, empty))
