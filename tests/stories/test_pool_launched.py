"""A pool of workers through the mpiexec of MPICH, and through a pretended aprun that cannot share a node."""

from __future__ import annotations

import pytest

from tests.databases import wait_until
from tests.stories.kill_story import orphans_in
from tests.stories.test_launch_commands import LoginNode, _json, login, pytestmark, told
from tests.stories.test_pool import processes_of

__all__ = ["login", "pytestmark"]

EVALUATIONS = 24


@pytest.mark.parametrize("login", ["pbs", "cobalt"], indirect=True)
def test_pool_through_a_launch_command(login: LoginNode) -> None:
    """One start of the launch command, evaluations on all nodes under their own names, none of it left."""
    executor = [] if login.fake.family == "cobalt" else ["--executor", "parsl"]  # which is chosen for aprun
    search = login.start(
        "search", "small.py", "--method", "random", "--slots", "8", "--max-evaluations", "24"
    )
    try:
        wait_until(lambda: (login.folder / "ambs.db").exists() and len(told(login)) > 4, 60)
        login.ambs("submit", "-n", "4", "-t", "10", *executor)
        assert search.wait(90) == 0, "".join(map(str, search.communicate()))
    finally:
        search.kill()
        search.communicate()
    rows = told(login)
    assert [row["state"] for row in rows] == ["DONE"] * EVALUATIONS
    assert [_json(row["metrics"])["host"] for row in rows] == [row["node"] for row in rows]
    assert len({row["node"] for row in rows}) == 4
    assert len(list((login.folder / "ambs-allocations").glob("parsl-*"))) == 1
    login.ambs("allocations", "cancel", "1")
    wait_until(lambda: login.states()[0] in ("ENDED", "VANISHED"), 60)
    wait_until(lambda: orphans_in(login.folder / "ambs-runs") == [], 20)
    wait_until(lambda: processes_of(login.folder / "ambs-allocations") == [], 60)
