"""Every test of the queue ends with a look at what its verbs recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from ambs_hpc.queue import reading
from tests.queue.histories import illegal_histories


@pytest.fixture
def any_engine(any_engine: Engine, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on which, after the test, each evaluation's events are a legal walk to its state.

    A module of tests that write states without the verbs sets `WRITES_AROUND_THE_VERBS`.
    """
    yield any_engine
    if not getattr(request.module, "WRITES_AROUND_THE_VERBS", False):
        with reading(any_engine) as connection:
            assert illegal_histories(connection) == []
