"""Who a process belongs to where the system does not say: in containers, on nodes without a directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOBODYS_UID = 54321
ROOT = Path(__file__).parent.parent
# Imported first: that user may not be allowed to enter the folder where Python or this package is.
BECOME_NOBODY = f"""
import os
from ambs_hpc import identity
from ambs_hpc.errors import AmbsError
from ambs_hpc.problem.allow_list import allow_list_file
os.setgroups([])
os.setgid({NOBODYS_UID})
os.setuid({NOBODYS_UID})
"""
WHO = "print(identity.user_name())"
LIST = """
try:
    print(allow_list_file())
except AmbsError as error:
    print(error)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without an entry")


def said_by_nobody(program: str, **environment: str) -> str:
    """What a Python program prints as a user without a name, with nothing but these variables."""
    done = subprocess.run(
        [sys.executable, "-c", BECOME_NOBODY + program],
        env={"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@needs_root
def test_a_user_without_a_name_is_a_number() -> None:
    """Slurm takes a number as well."""
    assert said_by_nobody(WHO) == str(NOBODYS_UID)
    assert said_by_nobody(WHO, LOGNAME="ann") == "ann"


@needs_root
def test_a_missing_home_is_told_with_what_to_set() -> None:
    """The list of allowed objectives has to be somewhere."""
    assert "Set HOME, or AMBS_CONFIG_DIR" in said_by_nobody(LIST)
    assert said_by_nobody(LIST, AMBS_CONFIG_DIR="/kept") == "/kept/objectives.allowed"
    assert said_by_nobody(LIST, HOME="/home/x") == "/home/x/.config/ambs_hpc/objectives.allowed"


def test_an_empty_environment_is_enough() -> None:
    """As cron, systemd and `env -i` start programs."""
    done = subprocess.run(
        [sys.executable, "-m", "ambs_hpc.cli.main", "allocations", "--json"],
        env={"PYTHONPATH": str(ROOT)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
