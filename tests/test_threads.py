"""The search takes one core, whatever the environment says."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import numpy, scipy.linalg
from threadpoolctl import threadpool_info
from ambs_hpc.threads import one_thread
counts = lambda: sorted(pool["num_threads"] for pool in threadpool_info())
before = counts()
with one_thread():
    print(set(counts()))
print(before == counts())
"""


def test_libraries_use_one_thread_inside_and_what_they_had_afterwards() -> None:
    """Small matrices on all cores cost six times the processor time; a user's own work keeps its threads."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["{1}", "True"]
