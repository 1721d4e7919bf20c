"""A number that no column holds is told as one that is not there, or refused, before a database sees it."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from ambs_hpc import Problem, Resources
from ambs_hpc.campaign.settings import SearchSettings
from ambs_hpc.errors import AmbsError, NotFound
from ambs_hpc.queue import cancel, get_allocation, rerun, show_evaluation, transaction
from ambs_hpc.search import create_searcher

HUGE = (2**63, 10**30)


@pytest.mark.parametrize("number", HUGE)
def test_an_id_that_no_column_holds_is_of_no_row(number: int, any_engine: Engine) -> None:
    """A digit too many in a command is answered in words, and with the same ones by both databases."""
    with transaction(any_engine) as connection:
        with pytest.raises(NotFound, match=f"no evaluation {number}"):
            show_evaluation(connection, number)
        with pytest.raises(NotFound, match=f"no allocation {number}"):
            get_allocation(connection, number)
        assert cancel(connection, ids=[number]) == []
        assert rerun(connection, ids=[number]) == []


def _problem(**fields: object) -> None:
    Problem(
        **{"name": "p", "space": {"x": (0.0, 1.0)}, "objective": "m:f", "direction": "minimize", **fields}
    )  # type: ignore[arg-type]


REFUSED = {
    "cores": lambda: _problem(resources=Resources(cores=2**31)),
    "nodes": lambda: _problem(resources=Resources(nodes=10**30)),
    "max_failures": lambda: _problem(max_failures=2**31),
    "max_interruptions": lambda: _problem(max_interruptions=10**30),
    "max-evaluations": lambda: SearchSettings(max_evaluations=2**31),
    "slots": lambda: SearchSettings(slots=10**13),
    "seed": lambda: create_searcher({"x": (0.0, 1.0)}, direction="minimize", seed=2**63),
}


@pytest.mark.parametrize("field", REFUSED)
def test_a_number_that_no_column_holds_is_refused(field: str) -> None:
    """The error names the field and what is accepted, instead of the database's fault after the trial."""
    with pytest.raises(AmbsError, match=rf"{field}.* to \d+"):
        REFUSED[field]()
