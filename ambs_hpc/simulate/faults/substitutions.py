"""What the real programs take from the machine they run on comes from the virtual one during a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from ambs_hpc.launcher.supervisor.messages import AttemptReport
from ambs_hpc.simulate.faults.fault_kinds import SWEEP_SECONDS
from ambs_hpc.simulate.faults.fault_machine import FaultMachine


@contextmanager
def substituted(machine: FaultMachine) -> Iterator[None]:
    """Identities, tokens, outcome files, schedulers and intervals are the machine's within."""

    def read_outcome(folder: str, attempt: int, token: str | None = None) -> AttemptReport | None:
        return machine.disk.read(folder, attempt, token, machine.now())

    settings = machine.settings
    substitutes: dict[str, object] = {
        "ambs_hpc.identity.this_process": machine.this_process,
        "ambs_hpc.identity.is_gone": machine.is_gone,
        "ambs_hpc.identity.secrets": SimpleNamespace(token_hex=machine.token_hex),
        "ambs_hpc.launcher.recovery.read_outcome": read_outcome,
        "ambs_hpc.launcher.recovery.refresh": machine.scheduler.refresh,
        "ambs_hpc.launcher.recovery.threading": SimpleNamespace(Thread=ThreadInTurn),
        "ambs_hpc.timing.LAUNCHER_HEARTBEAT_SECONDS": settings.heartbeat_seconds,
        "ambs_hpc.timing.SWEEP_SECONDS": SWEEP_SECONDS,
        "ambs_hpc.launcher.lease.exchange_pace.LAST_ASK_SECONDS": settings.idle_seconds,
    }
    with ExitStack() as stack:
        for name, substitute in substitutes.items():
            stack.enter_context(mock.patch(name, substitute))
        yield


class ThreadInTurn:
    """A thread whose work is done at its start, because only one actor runs at a time."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...], daemon: bool) -> None:
        self._target, self._args = target, args

    def start(self) -> None:
        """Do the work."""
        self._target(*self._args)

    def is_alive(self) -> bool:
        """It has ended when it has started."""
        return False

    def join(self) -> None:
        """It has ended."""
