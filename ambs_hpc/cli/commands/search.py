"""`ambs search`: the search alone; launchers elsewhere run what it proposes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ambs_hpc.cli.commands.run import (
    From,
    HopelessAfter,
    KeepGoing,
    MaxEvaluations,
    MaxMinutes,
    Method,
    Name,
    Option,
    Priority,
    Revise,
    RunRoot,
    Seed,
    Was,
    parse_options,
    parse_was,
)
from ambs_hpc.cli.shared.early_stop import told_when_stopped
from ambs_hpc.cli.shared.options import AsJson, Database, ProblemFile
from ambs_hpc.cli.shared.tried_objective import NoCheck

InFlight = Annotated[
    int | None,
    typer.Option(
        "--slots",
        metavar="K",
        help="Evaluations to keep in flight; by default the slots of all live launchers.",
    ),
]


def search(
    problem: ProblemFile,
    max_evaluations: MaxEvaluations = None,
    max_minutes: MaxMinutes = None,
    slots: InFlight = None,
    method: Method = None,
    option: Option = None,
    seed: Seed = None,
    name: Name = None,
    from_: From = None,
    db: Database = None,
    runs: RunRoot = Path("ambs-runs"),
    priority: Priority = None,
    revise: Revise = False,
    was: Was = None,
    hopeless_after: HopelessAfter = 10,
    keep_going: KeepGoing = False,
    no_check: NoCheck = False,
    beside_launcher: Annotated[bool, typer.Option("--beside-launcher", hidden=True)] = False,
    stated_at: Annotated[float | None, typer.Option("--stated-at", hidden=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Propose configurations and learn from what launchers finish, until the budget is spent.

    TERM or Ctrl-C ends it at once; nothing is lost, and the same command continues. On a login node it uses
    few threads and a low priority.
    """
    from ambs_hpc.cli.shared.login_node_limits import limit_on_login_node

    limit_on_login_node(Path.cwd(), os.environ)
    from ambs_hpc.campaign import SearchSettings
    from ambs_hpc.cli.shared.hopeless_end import SearchWatch
    from ambs_hpc.cli.shared.search_campaign import search_campaign

    settings = SearchSettings(
        *(name, method, parse_options(option), seed, max_evaluations, max_minutes, slots, runs),
        priority=priority,
        revise=revise,
        was=parse_was(was),
        sources=tuple(from_ or ()),
        stated_at=stated_at,
    )
    watch = SearchWatch(None if keep_going else hopeless_after, not no_check, beside_launcher)
    with told_when_stopped():
        raise typer.Exit(search_campaign(problem, settings, db, watch, as_json=as_json))
