"""Options of a launcher, which `ambs launch` takes and `ambs submit` passes to it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.launcher.executors.names import ExecutorName

if TYPE_CHECKING:
    from ambs_hpc.sites import Site

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


@dataclass(frozen=True, slots=True)
class LauncherOptions:
    """The options of an allocation's launcher, apart from campaign and database."""

    notice: float | None = None
    with_search: Path | None = None
    max_evaluations: int | None = None
    executor: ExecutorName = "auto"
    keep_going: bool = False

    def arguments(self) -> list[str]:
        """The options as arguments of `ambs launch`."""
        given = {
            "--notice": self.notice,
            "--with-search": self.with_search and self.with_search.absolute(),
            "--max-evaluations": self.max_evaluations,
            "--executor": None if self.executor == "auto" else self.executor,
        }
        words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
        return words + ["--keep-going"] * self.keep_going


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


def refuse_search_on_service_node(site: Site, problem: Path | None) -> None:
    """Check that no search is asked for on a shared service node.

    Raises:
        UsageError: the site runs scripts on a node that all its users share.
    """
    from ambs_hpc.errors import UsageError

    if problem is not None and site.script_host == "mom":
        raise UsageError(
            f"{site.name} runs scripts on a service node that all its users share, so no search runs there. "
            f"Leave --with-search out, and start on a login node: ambs search {problem}"
        )


def refuse_notice_without_time(notice: float | None, seconds: float | None) -> None:
    """Check that the notice leaves time for evaluations.

    Args:
        notice: seconds from TERM to the end.
        seconds: total time of the launcher; None without a limit.

    Raises:
        UsageError: the notice is not shorter than the whole time.
    """
    from ambs_hpc.errors import UsageError

    if notice is not None and seconds is not None and notice >= seconds:
        raise UsageError(
            f"--notice {notice:g} leaves nothing of the {seconds:g} seconds that there are, so no evaluation "
            "would start. Ask for more time, or give less notice."
        )
