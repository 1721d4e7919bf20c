"""`ambs tell`: results of elsewhere, for the search to learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.commands.run import Method, Name, Option, RunRoot, Seed
from ambs_hpc.cli.shared.options import AsJson, Database

if TYPE_CHECKING:
    from ambs_hpc.campaign import SearchSettings

CampaignOrProblem = Annotated[
    str,
    typer.Argument(
        metavar="CAMPAIGN", help="Name of the campaign, or its problem file: it is then made if need be."
    ),
]
Source = Annotated[
    str | None, typer.Argument(metavar="[FILE]", help="A .csv or .json file; - for the standard input.")
]
Objective = Annotated[
    str | None, typer.Option("--objective", metavar="COLUMN", help="Column of the objective.")
]
Maps = Annotated[
    list[str] | None, typer.Option("--map", metavar="OLD=NEW", help="New name of a parameter; repeatable.")
]
Ignored = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="NAME", help="A parameter there that does not matter; repeatable."),
]
Negate = Annotated[
    bool | None,
    typer.Option("--negate/--no-negate", help="Turn the sign of every objective, or leave it as it is."),
]


def tell(
    campaign: CampaignOrProblem,
    source: Source = None,
    objective: Objective = None,
    maps: Maps = None,
    ignore: Ignored = None,
    negate: Negate = None,
    optuna: Annotated[
        str | None, typer.Option("--optuna", metavar="URL", help="An Optuna storage instead of a file.")
    ] = None,
    study: Annotated[str | None, typer.Option("--study", help="Name of the Optuna study.")] = None,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Tell the rest where rows are refused; by default nothing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, store nothing.")] = False,
    name: Name = None,
    method: Method = None,
    option: Option = None,
    seed: Seed = None,
    runs: RunRoot = Path("ambs-runs"),
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Tell a campaign results of elsewhere: our export, DeepHyper's results.csv, any table, an Optuna study.

    They are learned by the search, now or when it starts, and count against no budget. Told twice, they are
    stored once. --name, --method, --option, --seed and --runs go with a problem file, as in `ambs run`.
    """
    from ambs_hpc.campaign import SearchSettings
    from ambs_hpc.cli.commands.run import parse_options
    from ambs_hpc.cli.shared.told_source import ToldSource
    from ambs_hpc.errors import UsageError

    if (source is None) == (optuna is None):
        raise UsageError("Give one source: ambs tell CAMPAIGN FILE, or ambs tell CAMPAIGN --optuna URL.")
    settings = SearchSettings(name, method, parse_options(option), seed, run_root=runs)
    _check_settings(campaign, settings)
    ToldSource(
        source=source or optuna or "",
        objective=objective,
        renamed=_renamed(maps),
        study=study,
        ignored=tuple(ignore or ()),
        negate=negate,
    ).tell(campaign, settings, db, skip_refused=skip_refused, dry_run=dry_run, as_json=as_json)


def _check_settings(campaign: str, settings: SearchSettings) -> None:
    from ambs_hpc.errors import UsageError

    given = (settings.name, settings.method, settings.seed, settings.method_options or None)
    if not campaign.endswith(".py") and any(one is not None for one in given):
        raise UsageError(
            "--name, --method, --option and --seed go with a problem file: ambs tell PROBLEM.py FILE."
        )


def _renamed(maps: list[str] | None) -> dict[str, str]:
    from ambs_hpc.errors import UsageError

    renamed: dict[str, str] = {}
    for one in maps or []:
        old, equals, new = one.rpartition("=")
        if not (equals and old and new):
            raise UsageError(f"--map {one}: write OLD=NEW, for instance --map learning_rate=lr.")
        if renamed.setdefault(old, new) != new:
            raise UsageError(f"--map {one}: {old} is {renamed[old]} already. Give one new name.")
    return renamed
