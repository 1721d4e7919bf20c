"""Every test of the queue ends with a look at what its verbs recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ambs_hpc.queue import reading
from tests.queue.histories import illegal_histories


@pytest.fixture(autouse=True)
def legal_histories(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test that uses `any_engine`, each evaluation's events are a legal walk to its state.

    A module of tests that write states without the verbs sets `WRITES_AROUND_THE_VERBS`.
    """
    engine = request.getfixturevalue("any_engine") if "any_engine" in request.fixturenames else None
    yield
    if engine is not None and not getattr(request.module, "WRITES_AROUND_THE_VERBS", False):
        with reading(engine) as connection:
            assert illegal_histories(connection) == []
