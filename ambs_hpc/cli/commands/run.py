"""`ambs run`: search and launcher together on this machine, until the budget is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, Database, ProblemFile

MaxEvaluations = Annotated[
    int | None, typer.Option("--max-evaluations", metavar="N", help="Evaluations that shall end, in all.")
]
MaxMinutes = Annotated[float | None, typer.Option("--max-minutes", metavar="M", help="Stop after this time.")]
Slots = Annotated[
    int | None, typer.Option("--slots", metavar="K", help="Evaluations at once; else what fits.")
]
Method = Annotated[
    str | None, typer.Option("--method", help="ambs (default), classic, random, lhs, sobol, optuna:TPE, ...")
]
Option = Annotated[
    list[str] | None, typer.Option("--option", "-o", metavar="NAME=VALUE", help="Of the method; repeatable.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the search; 0 if not given.")]
Name = Annotated[str | None, typer.Option("--name", help="Of the campaign; else the problem's.")]
RunRoot = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where every attempt gets its folder.")]


def run(
    problem: ProblemFile,
    max_evaluations: MaxEvaluations = None,
    max_minutes: MaxMinutes = None,
    slots: Slots = None,
    method: Method = None,
    option: Option = None,
    seed: Seed = None,
    name: Name = None,
    db: Database = None,
    runs: RunRoot = Path("ambs-runs"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all, show the plan, run nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Search on this machine, from the first proposal to the best configuration.

    The same command with the same name goes on where it was, after any kind of death. Ctrl-C once lets
    running evaluations end; twice gives them back to the queue.
    """
    from ambs_hpc.campaign import SearchSettings

    settings = SearchSettings(
        name, method, parse_options(option), seed, max_evaluations, max_minutes, slots, runs
    )
    if dry_run:
        from ambs_hpc.cli.shared.dry_run import print_dry_run

        print_dry_run(problem, settings, as_json=as_json)
        return
    from ambs_hpc.cli.shared.run_campaign import run_campaign

    raise typer.Exit(run_campaign(problem, settings, db, as_json=as_json))


def parse_options(options: list[str] | None) -> dict[str, object]:
    """NAME=VALUE pairs, values as JSON where they are JSON and as text otherwise.

    Raises:
        UsageError: a pair has no `=`.
    """
    import json

    from ambs_hpc.errors import UsageError

    parsed: dict[str, object] = {}
    for option in options or []:
        name, equals, value = option.partition("=")
        if not equals:
            raise UsageError(f"--option {option}: write NAME=VALUE, for instance kappa=1.96.")
        try:
            parsed[name] = json.loads(value)
        except ValueError:
            parsed[name] = value
    return parsed
