"""Campaigns are stored whole, and have at most one live search."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ambs_hpc.clock import ManualClock
from ambs_hpc.errors import CampaignConflict, NotFound
from ambs_hpc.queue import (
    create_campaign,
    find_campaign,
    get_campaign,
    is_search_alive,
    leave_search,
    list_campaigns,
    search_heartbeat,
    take_search,
    transaction,
)
from tests.queue import stock

ME, OTHER = "login1:100:5555", "login2:200:6666"


def test_a_campaign_comes_back_as_it_was_stored(any_engine: Engine) -> None:
    """The search is rebuilt from it alone."""
    with transaction(any_engine) as connection:
        made = create_campaign(connection, stock.CAMPAIGN)
        assert made.definition == stock.CAMPAIGN
        assert find_campaign(connection, "digits") == made
        assert get_campaign(connection, made.id) == made
        assert list_campaigns(connection) == [made]
        assert find_campaign(connection, "letters") is None
        with pytest.raises(NotFound):
            get_campaign(connection, made.id + 1)


def test_a_name_is_given_once(any_engine: Engine) -> None:
    """Two campaigns of one name could not be told apart."""
    with transaction(any_engine) as connection:
        stock.campaign(connection)
        with pytest.raises(CampaignConflict, match="digits"):
            stock.campaign(connection, seed=8)


@pytest.mark.parametrize(
    ("age_seconds", "gone", "is_taken"),
    [
        (1.0, True, True),
        (1.0, None, False),
        (1.0, False, False),
        (100.0, None, True),
        (100.0, False, False),
    ],
)
def test_one_live_search_a_campaign(
    any_engine: Engine, age_seconds: float, gone: bool | None, is_taken: bool
) -> None:
    """A second one would propose everything twice; a dead one must not keep the campaign."""
    clock = ManualClock()
    with transaction(any_engine.execution_options(clock=clock)) as connection:
        campaign_id = stock.campaign(connection).id
        rule = {"stale_after_seconds": 60.0, "is_gone": {ME: None, OTHER: gone}.__getitem__}
        assert take_search(connection, campaign_id, OTHER, **rule)
        clock.sleep(age_seconds)
        assert take_search(connection, campaign_id, ME, **rule) is is_taken
        assert search_heartbeat(connection, campaign_id, OTHER) is not is_taken
        assert take_search(connection, campaign_id, ME if is_taken else OTHER, **rule)


def test_a_search_that_left_makes_room(any_engine: Engine) -> None:
    """Launchers ask whether more may come."""
    clock = ManualClock()
    with transaction(any_engine.execution_options(clock=clock)) as connection:
        campaign_id = stock.campaign(connection).id
        rule = {"stale_after_seconds": 60.0, "is_gone": lambda owner: False}
        assert not is_search_alive(connection, campaign_id, 60.0)
        take_search(connection, campaign_id, OTHER, **rule)
        assert is_search_alive(connection, campaign_id, 60.0)
        assert is_search_alive(connection, None, 60.0)
        leave_search(connection, campaign_id, ME)
        assert not take_search(connection, campaign_id, ME, **rule)
        leave_search(connection, campaign_id, OTHER)
        assert not is_search_alive(connection, None, 60.0)
        assert take_search(connection, campaign_id, ME, **rule)
        clock.sleep(61.0)
        assert not is_search_alive(connection, campaign_id, 60.0)
