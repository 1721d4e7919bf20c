"""Options of a launcher, which `ambs launch` takes and `ambs submit` passes to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.api.submission import LauncherOptions as LauncherOptions
from ambs_hpc.api.submission import refuse_notice_without_time as refuse_notice_without_time
from ambs_hpc.api.submission import refuse_search_on_service_node as refuse_search_on_service_node
from ambs_hpc.launcher.executors.names import ExecutorName

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.launcher.node_pool import NodePool

Notice = Annotated[
    float | None,
    typer.Option(
        "--notice",
        min=0.0,
        metavar="SECONDS",
        help="TERM so long before the end of time, for checkpoints; by default as --grace.",
    ),
]
ExecutorChoice = Annotated[
    ExecutorName,
    typer.Option(
        "--executor",
        help="process: any shape. parsl: a pool over many nodes, one node an evaluation. auto: one of these. "
        "balsam: through --balsam-site.",
    ),
]
BalsamSiteName = Annotated[
    str, typer.Option("--balsam-site", metavar="NAME", help="Site of your Balsam account.")
]
MOST_GPUS = 1000  # of one machine
Gpus = Annotated[
    str | None,
    typer.Option(
        "--gpus",
        metavar="K|NAMES",
        help="GPUs of this machine: how many, or which, as 0,2 (one: 2,); by default detected.",
    ),
]
WithSearch = Annotated[
    Path | None,
    typer.Option(
        "--with-search",
        metavar="PROBLEM",
        exists=True,
        dir_okay=False,
        help="Run the search of PROBLEM beside the launcher, up to --max-evaluations.",
    ),
]


def gpu_names(text: str | None) -> list[str] | None:
    """The names that the option --gpus gives: "2" is the first two, "0,2" and "GPU-aa,GPU-bb" are themselves.

    Returns:
        None without the option, and [] for "0".

    Raises:
        UsageError: a name is empty, or there is twice the same.
    """
    from ambs_hpc.errors import UsageError

    if text is None:
        return None
    if text.strip().isdecimal():
        if len(text) > 6 or int(text) > MOST_GPUS:
            raise UsageError(f"--gpus {text}: give a whole number from 0 to {MOST_GPUS}, or names, as 0,2.")
        return [str(index) for index in range(int(text))]
    names = [name.strip() for name in text.removesuffix(",").split(",")]
    if len(set(names)) < len(names) or any(not name or name.startswith("-") for name in names):
        raise UsageError(
            f"--gpus {text!r}: give a number, as 2, or names that differ, as 0,2 or GPU-aa,GPU-bb. "
            "A single name that is a number has a comma behind it: 2,"
        )
    return names


def search_command(
    problem: Path | None, max_evaluations: int | None, db: str | None, *, keep_going: bool
) -> list[str]:
    """The command line of `ambs search` for this problem; [] without a problem.

    Raises:
        UsageError: there is a budget without a search.
    """
    from ambs_hpc.errors import UsageError

    if problem is None:
        if max_evaluations is not None:
            raise UsageError("--max-evaluations belongs to a search: give --with-search PROBLEM too.")
        return []
    words = [sys.executable, "-m", "ambs_hpc.cli.main", "search", str(problem)]
    words += ["--beside-launcher", "--no-check"]  # the launcher imports the module itself
    if max_evaluations is not None:
        words += ["--max-evaluations", str(max_evaluations)]
    return words + ["--keep-going"] * keep_going + (["--db", db] if db else [])


def stated_at(engine: Engine, node_pool: NodePool | None) -> float:
    """When this command line was written, by the database's clock: an allocation's when it was submitted."""
    from ambs_hpc.queue import get_allocation, read_now, reading

    allocation_id = None if node_pool is None else node_pool.allocation_id
    with reading(engine) as connection:
        if allocation_id is None:
            return read_now(connection)
        return get_allocation(connection, allocation_id).created_at


def refuse_half_a_balsam(executor: str, site: str) -> None:
    """Check that the executor "balsam" and a Balsam site are given together.

    Raises:
        UsageError: only one of the two is given.
    """
    from ambs_hpc.errors import UsageError

    if (executor == "balsam") != bool(site):
        raise UsageError(
            "Evaluations go through Balsam with both: --executor balsam --balsam-site NAME "
            "(`balsam site ls` lists yours)."
        )


def refuse_what_does_not_go_together(via: str, executor: str, balsam_site: str) -> None:
    """Check the options with which an allocation goes through a site of ours or through Balsam.

    Raises:
        UsageError: one of our allocations would run Balsam's launcher, or the other way round.
    """
    from ambs_hpc.errors import UsageError

    if executor == "balsam":
        raise UsageError(
            "The launcher that hands evaluations to Balsam runs where you are, not in an allocation: "
            "ambs submit --via balsam --balsam-site X, then ambs launch --executor balsam --balsam-site X"
        )
    if bool(balsam_site) != (via == "balsam"):
        raise UsageError("Allocations come through Balsam with both: --via balsam --balsam-site NAME.")
