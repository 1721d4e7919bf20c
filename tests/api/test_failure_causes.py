"""What looking for the causes of failures costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from ambs_hpc.api import failure_causes as module
from ambs_hpc.problem import build_space
from ambs_hpc.problem.space import space_to_json
from ambs_hpc.queue import claim, fail, open_database, transaction
from tests.queue import stock


def test_rules_are_looked_for_in_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that spin on small matrices took a fifth of a report's time, on cores of others."""
    engine = open_database(f"sqlite:///{tmp_path}/q.db")
    space = space_to_json(build_space({"lr": (0.0, 1.0), "layers": (0, 9)}))
    with transaction(engine) as connection:
        campaign = stock.campaign(connection, max_failures=1, problem={"space": space})
        stock.evaluations(connection, campaign.id, 1)
        launcher = stock.launcher(connection)
        fail(connection, launcher, [stock.failure(one) for one in claim(connection, launcher, 1)])
    seen: list[int] = []
    count = lambda *_: seen.extend(one["num_threads"] for one in threadpool_info())  # noqa: E731 (short)
    monkeypatch.setattr(module, "_cause", count)
    assert np.ones(2) @ np.ones(2) == 2  # its pool is loaded
    with threadpool_limits(2):
        module.failure_causes(engine, campaign, 1)
    assert set(seen) == {1}
