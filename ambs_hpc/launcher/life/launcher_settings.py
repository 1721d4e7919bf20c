"""What a launcher is told at its beginning, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ambs_hpc.launcher.database_wait import once_it_answers, wait_seconds
from ambs_hpc.launcher.executors.names import ExecutorName
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.tally import Tally

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class LauncherSettings:
    """What the command line says about a launcher.

    Args:
        campaigns: names of those to serve; empty serves all.
        slots: evaluations at once, sharing processors if need be; None: as many as fit.
        gpus: names of this machine's GPUs; None looks for them.
        max_minutes: time limit of this launcher; evaluations that cannot end within it are not started.
        grace_seconds: between TERM and KILL.
        notice_seconds: at the time limit TERM comes this much earlier, so that evaluations can write
            checkpoints; None takes the grace.
        idle_exit_seconds: end after this time with nothing to do and no live search.
        parent_pipe: descriptor whose end says that our parent died; we stop then.
        search: command of a search that is to run beside; empty for none.
        node_pool: the nodes to use; None for this machine.
        executor: how evaluations are started; "auto" chooses by nodes and evaluations.
        balsam_site: whose launchers start them when the executor is "balsam".
        wait_seconds: for a database or campaign that is not there yet; None: in an allocation until its end.
    """

    campaigns: Sequence[str] = ()
    slots: int | None = None
    gpus: Sequence[str] | None = None
    max_minutes: float | None = None
    grace_seconds: float = 10.0
    notice_seconds: float | None = None
    idle_exit_seconds: float = 10.0
    parent_pipe: int | None = None
    search: Sequence[str] = ()
    node_pool: NodePool | None = None
    executor: ExecutorName = "auto"
    balsam_site: str = ""
    wait_seconds: float | None = None

    def once_it_answers(self, call: Callable[[], Result]) -> Result:
        """As `database_wait.once_it_answers`, for as long as this launcher may wait at its start."""
        is_in_allocation = self.node_pool is not None and self.node_pool.allocation_id is not None
        seconds = wait_seconds(self.wait_seconds, is_in_allocation=is_in_allocation)
        return once_it_answers(call, seconds=seconds)

    @property
    def last_seconds(self) -> float:
        """Between TERM and KILL at the time limit."""
        return self.grace_seconds if self.notice_seconds is None else self.notice_seconds


@dataclass(frozen=True, slots=True)
class LauncherEnd:
    """How a launcher ended."""

    tally: Tally
    # "idle", "drained", "stopped", "time limit", "parent died", "no node left", HOPELESS, ALLOCATION_OVER
    reason: str
