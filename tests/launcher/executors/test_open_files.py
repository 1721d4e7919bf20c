"""Many supervisors need many open files; evaluations keep the limit that they would have had."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from ambs_hpc.launcher.executors.open_files import allow_supervisors

PROGRAM = """
import resource, subprocess, sys
from ambs_hpc.launcher.executors.open_files import allow_supervisors
prefix = allow_supervisors(500)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
print(subprocess.run([*prefix, "sh", "-c", "ulimit -n"], capture_output=True, text=True).stdout.strip())
"""


def test_few_supervisors_change_nothing() -> None:
    """Most machines allow a thousand open files."""
    assert allow_supervisors(1) == ()


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit (util-linux) sets the limits")
def test_many_supervisors_raise_the_limit_of_the_launcher_alone() -> None:
    """A program that closes all files that it could have takes long with many."""
    limited = ["prlimit", "--nofile=256:4096", sys.executable, "-c", PROGRAM]
    said = subprocess.run(limited, capture_output=True, text=True, check=True).stdout.split()
    assert said == ["1628", "256"]
