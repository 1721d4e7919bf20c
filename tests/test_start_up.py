"""Start-up matters on a parallel file system: nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "ambs_hpc.cli.main": {
        "numpy",
        "scipy",
        "sklearn",
        "sqlalchemy",
        "ConfigSpace",
        "rich",
        "textual",
        "jinja2",
        "matplotlib",
    },
    "ambs_hpc.launcher.lifecycle": {
        "numpy",
        "scipy",
        "sklearn",
        "ConfigSpace",
        "rich",
        "matplotlib",
        "typer",
    },
    "ambs_hpc.launcher.supervisor.__main__": {
        "numpy",
        "sqlalchemy",
        "subprocess",
        "asyncio",
        "typing_extensions",
    },
}


@pytest.mark.parametrize("module", HEAVY)
def test_module_starts_without_what_it_does_not_need(module: str) -> None:
    """`ambs --help`, a launcher and the process that starts evaluations stay light."""
    program = f"import sys, {module}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & HEAVY[module]
