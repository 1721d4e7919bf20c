"""One bench for all tests of the fault machine, because making its database takes longer than a seed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator

import pytest

from ambs_hpc.simulate.faults import FaultBench, fault_bench


@pytest.fixture(scope="session")
def bench() -> Iterator[FaultBench]:
    with fault_bench() as one:
        yield one


@pytest.fixture(scope="session")
def injected() -> Counter[str]:
    """The faults that the seeds have injected so far, by kind."""
    return Counter()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Programs warn of every fault."""
    caplog.set_level(logging.CRITICAL + 1)
