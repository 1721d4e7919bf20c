"""Which executor a launcher uses, and why."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ambs_hpc.identity import ProcessIdentity, is_gone, this_process
from ambs_hpc.launcher.executors.names import ExecutorName
from ambs_hpc.launcher.executors.node_log import NodeLog
from ambs_hpc.launcher.executors.process import ProcessExecutor
from ambs_hpc.launcher.executors.protocol import Executor
from ambs_hpc.launcher.executors.report_log import ReportLog
from ambs_hpc.launcher.node_pool import NodePool
from ambs_hpc.launcher.packing import Node, Packing
from ambs_hpc.queue import counts, list_campaigns
from ambs_hpc.records import Resources
from ambs_hpc.states import State

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ambs_hpc.launcher.executors.balsam.executor import BalsamExecutor

logger = logging.getLogger(__name__)

POOLS = "parsl"  # begins the names of folders
MANY_NODES = 8  # above, a launch command for each node costs too much


def shapes_waiting(connection: Connection, only: Sequence[int] | None) -> set[Resources]:
    """The shapes of waiting evaluations; of all campaigns when none waits."""
    served = [one for one in list_campaigns(connection) if only is None or one.id in only]
    waiting = [one for one in served if counts(connection, one.id).get(State.READY, 0)]
    problems = [one.definition.problem for one in waiting or served]
    return {Resources(**cast("dict[str, Any]", one["resources"])) for one in problems if "resources" in one}


def choose(node_pool: NodePool, shapes: Collection[Resources]) -> tuple[ExecutorName, str]:
    """Choose the executor for these nodes and evaluations; return its name and the reason."""
    nodes = len(node_pool.nodes)
    if any(shape.needs_launch_command for shape in shapes):
        return "process", "some evaluations are MPI programs"
    if nodes == 1:
        return "process", "there is one node"
    if find_spec("parsl") is None:
        return "process", "Parsl is not installed"
    if not node_pool.packs:
        return "parsl", "the launch command cannot share a node"
    if node_pool.most_at_once is not None and node_pool.most_at_once < nodes:
        return "parsl", f"at most {node_pool.most_at_once} launch commands may run on {nodes} nodes"
    if len(shapes) > 1:
        return "process", f"evaluations have {len(shapes)} shapes"
    if nodes > MANY_NODES:
        return "parsl", f"{nodes} nodes are more than {MANY_NODES}"
    return "process", f"{nodes} nodes are not more than {MANY_NODES}"


def make_executor(
    name: ExecutorName,
    packing: Packing,
    node_pool: NodePool,
    grace_seconds: float,
    slots: int | None,
    log: NodeLog | None = None,
    report_log: ReportLog | None = None,
) -> Executor:
    """The executor `name`, "process" or "parsl".

    Args:
        slots: at most so many evaluations at once.
        log: is told what happens on nodes.
        report_log: is told what evaluations report.

    Raises:
        UsageError: Parsl is not installed.
    """
    if name == "process":
        return ProcessExecutor(packing, node_pool, grace_seconds, log, report_log)
    from ambs_hpc.launcher.executors.parsl.executor import ParslExecutor

    folder = node_pool.folder or Path(tempfile.gettempdir())
    return ParslExecutor(packing, node_pool, grace_seconds, _own_folder(folder), slots, log, report_log)


def balsam_executor(
    site_name: str, grace_seconds: float, slots: int | None, report_log: ReportLog
) -> tuple[BalsamExecutor, Packing]:
    """The executor that hands evaluations to a Balsam site, and one node of that site.

    Raises:
        AmbsError: Balsam's client is not installed, nobody is logged in, or there is no such site.
    """
    from ambs_hpc.launcher.executors.balsam.executor import BalsamExecutor
    from ambs_hpc.launcher.executors.balsam.link import BalsamLink
    from ambs_hpc.schedulers.balsam.service import BalsamService, node_shape

    service = BalsamService()
    site = service.site(site_name)
    cores, gpus = node_shape(site)
    node = Node(site.name, tuple(range(cores)), tuple(str(index) for index in range(gpus)))
    link = BalsamLink(service, site)
    executor = BalsamExecutor(link, site.name, Packing([node]), grace_seconds, slots, report_log)
    return executor, Packing([node])


def _own_folder(folder: Path) -> Path:
    """The folder for this launcher's pools; what killed launchers of this host left beside it is removed."""
    for left in folder.glob(f"{POOLS}-*:*:*"):
        with contextlib.suppress(ValueError):
            if is_gone(ProcessIdentity.parse(left.name.removeprefix(f"{POOLS}-"))):
                shutil.rmtree(left, ignore_errors=True)
    return folder / f"{POOLS}-{this_process()}"


def chosen(
    name: ExecutorName, node_pool: NodePool, connection: Connection, only: Sequence[int] | None
) -> ExecutorName:
    """The name itself, or the executor that "auto" stands for here."""
    if name != "auto":
        return name
    found, reason = choose(node_pool, shapes_waiting(connection, only))
    logger.info("executor=%s because %s", found, reason)
    return found
