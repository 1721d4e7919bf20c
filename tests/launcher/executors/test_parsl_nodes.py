"""The program of a pool on one node ends when it is told to, and when nobody can tell it any more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ambs_hpc.launcher.executors.parsl import node_main
from ambs_hpc.launcher.executors.parsl.node_main import Ending, _wait_until_fit
from ambs_hpc.launcher.executors.parsl.worker import DESCRIPTION, Worker
from ambs_hpc.launcher.supervisor.messages import ProbeOrder, StartRequest

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
STORM = "import os, sys, time\nend = time.monotonic() + 0.3\n"
STORM += "while time.monotonic() < end: os.kill(int(sys.argv[1]), int(sys.argv[2]))"


@pytest.mark.timeout(20)
def test_signals_inside_each_other_do_not_hang_it() -> None:
    """Launch commands and schedulers send several, again and again."""
    ending = Ending()
    before = [signal.signal(number, lambda *_: ending.set()) for number in SIGNALS]
    try:
        storms = [
            subprocess.Popen([sys.executable, "-S", "-c", STORM, str(os.getpid()), str(int(number))])
            for number in SIGNALS
        ]
        assert ending.wait(10.0)
        assert [storm.wait(10) for storm in storms] == [0, 0, 0]
        assert ending.wait(0.0)
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def test_an_unfit_node_ends_with_its_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its launcher was killed, and the next one has removed what it left."""
    monkeypatch.setattr(node_main, "UNFIT_SECONDS", 0.05)
    pool = tmp_path / "pool"
    pool.mkdir()
    order = ProbeOrder("here", str(tmp_path), gpus=99, is_binding=True)
    looks: list[object] = []

    def tell(*told: object) -> None:
        looks.append(told)
        if len(looks) == 3:
            pool.rmdir()

    monkeypatch.setattr(node_main, "tell_of_node", tell)
    _wait_until_fit(order, pool, Ending())
    assert len(looks) == 3


@pytest.mark.parametrize(("binds", "bound"), [(True, [4]), (False, [])])
def test_workers_bind_nothing_to_guessed_cores(tmp_path: Path, *, binds: bool, bound: list[int]) -> None:
    """Of a part of a node that the scheduler shares without confining us."""
    description = {"slots": [{"cores": [4, 5], "gpus": []}], "gpu_variable": "X"}
    (tmp_path / DESCRIPTION).write_text(json.dumps(description))
    worker = Worker(tmp_path, "n1", 0, binds=binds)
    request = StartRequest(1, 1, {}, str(tmp_path / "1"), ["true"], cores=[0])
    assert worker._placed(request).cores == bound
