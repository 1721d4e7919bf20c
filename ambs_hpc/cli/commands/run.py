"""`ambs run`: search and launcher together on this machine, until the budget is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ambs_hpc.cli.shared.early_stop import told_when_stopped
from ambs_hpc.cli.shared.options import AsJson, Database, ProblemFile
from ambs_hpc.cli.shared.tried_objective import NoCheck
from ambs_hpc.search import DEFAULT_METHOD, METHODS

MaxEvaluations = Annotated[
    int | None, typer.Option("--max-evaluations", metavar="N", help="Total number of evaluations.")
]
MaxMinutes = Annotated[float | None, typer.Option("--max-minutes", metavar="M", help="Stop after this time.")]
Slots = Annotated[
    int | None, typer.Option("--slots", metavar="K", help="Evaluations at once; by default as many as fit.")
]
_METHOD_NAMES = ", ".join(f"{one} (default)" if one == DEFAULT_METHOD else one for one in METHODS)
Method = Annotated[str | None, typer.Option("--method", help=f"{_METHOD_NAMES}, optuna:TPE, ...")]
Option = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="NAME=VALUE", help="Option of the method; repeatable."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of the search; by default 0.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the campaign; by default the problem's.")]
From = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="SOURCE",
        help="Start warm from another problem's results: a campaign, a database (FILE or URL, #NAME for one "
        "campaign), or a .csv or .json file; repeatable.",
    ),
]
HopelessAfter = Annotated[
    int,
    typer.Option(
        "--hopeless-after",
        min=1,
        metavar="N",
        help="Stop when the first N evaluations have failed alike and none has succeeded.",
    ),
]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Never stop for --hopeless-after.")]
RunRoot = Annotated[
    Path, typer.Option("--runs", metavar="DIR", help="Folder for the folders of all attempts.")
]

Priority = Annotated[
    int | None,
    typer.Option("--priority", metavar="P", help="Among all campaigns of the database, higher runs first."),
]
Revise = Annotated[
    bool, typer.Option("--revise", help="Take over a changed space; what fits of the campaign is kept.")
]
Was = Annotated[
    list[str] | None,
    typer.Option(
        "--was",
        metavar="NAME=VALUE",
        help="With which value evaluations without a new or removed parameter run; '*' for any; repeatable.",
    ),
]


def run(
    problem: ProblemFile,
    max_evaluations: MaxEvaluations = None,
    max_minutes: MaxMinutes = None,
    slots: Slots = None,
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, show the plan, run nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Search on this machine, from the first proposal to the best configuration.

    The same command with the same name continues where it stopped, however it was ended; changed limits,
    resources and the like hold for all that has not started. Ctrl-C once lets running evaluations end; twice
    returns them to the queue.
    """
    from ambs_hpc.campaign import SearchSettings

    settings = SearchSettings(
        *(name, method, parse_options(option), seed, max_evaluations, max_minutes, slots, runs),
        priority=priority,
        revise=revise,
        was=parse_was(was),
        sources=tuple(from_ or ()),
    )
    if dry_run:
        from ambs_hpc.cli.shared.dry_run import print_dry_run

        print_dry_run(problem, settings, db, tries=not no_check, as_json=as_json)
        return
    with told_when_stopped():
        from ambs_hpc.cli.shared.hopeless_end import SearchWatch
        from ambs_hpc.cli.shared.run_command import run_campaign

        watch = SearchWatch(None if keep_going else hopeless_after, tries=not no_check)
        raise typer.Exit(run_campaign(problem, settings, db, watch, as_json=as_json))


def parse_options(options: list[str] | None) -> dict[str, object]:
    """The options of NAME=VALUE pairs; a value that is not JSON is taken as text.

    Raises:
        UsageError: a pair has no `=`, or a name has two values.
    """
    import json

    parsed: dict[str, object] = {}
    for name, value in _named_values("--option", options, "kappa=1.96").items():
        try:
            parsed[name] = json.loads(value)
        except (ValueError, RecursionError):
            parsed[name] = value
    return parsed


def parse_was(pairs: list[str] | None) -> dict[str, str]:
    """The texts of NAME=VALUE pairs.

    Raises:
        UsageError: a pair has no `=`, or a name has two values.
    """
    return _named_values("--was", pairs, "dropout=0.1")


def _named_values(option: str, pairs: list[str] | None, example: str) -> dict[str, str]:
    from ambs_hpc.errors import UsageError

    parsed: dict[str, str] = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{option} {pair}: write NAME=VALUE, for instance {example}.")
        if parsed.setdefault(name, value) != value:
            raise UsageError(f"{option} {pair}: {name} has the value {parsed[name]} already. Give one.")
    return parsed
