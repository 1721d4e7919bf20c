"""`ambs ensemble`: evaluations that are best together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.shared.options import AsJson, Database, OneCampaign
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.records.stored_ranges import LARGEST_COUNT

if TYPE_CHECKING:
    from ambs_hpc.api.kept_files.campaign_ensemble import CampaignEnsemble

Size = Annotated[int, typer.Option("--size", "-k", metavar="K", min=1, help="At most so many evaluations.")]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="log_loss, accuracy or rmse; by default log_loss for probabilities of classes, else rmse.",
    ),
]
Pool = Annotated[
    int,
    typer.Option(
        "--pool", metavar="N", min=1, max=LARGEST_COUNT, help="Choose among the N best evaluations."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write it there; by default CAMPAIGN-ensemble.json."),
]


def ensemble(
    size: Size = 5,
    metric: Metric = None,
    pool: Pool = 100,
    output: Output = None,
    campaign: OneCampaign = None,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Choose evaluations whose mean prediction is best, by the predictions.npz that each has left.

    Greedy selection with replacement on the validation examples. The file that is written holds the chosen
    evaluations, their weights, configurations and folders.

    predictions.npz lies where the evaluation works: arrays `validation` and `validation_labels`, and, to
    see what it is worth on examples that decided nothing, `test` and `test_labels`.
    """
    from ambs_hpc import queue
    from ambs_hpc.api.choices import only_campaign
    from ambs_hpc.api.kept_files.campaign_ensemble import campaign_ensemble
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import print_json

    with queue.reading(open_engine(db)) as connection:
        chosen = only_campaign(connection, campaign)
        found = campaign_ensemble(connection, chosen, size, metric=metric, pool=pool)
    file = output or Path(f"{chosen.name}-ensemble.json")
    told = _write_file(file, found)
    if as_json:
        print_json({**told, "file": str(file)})
        return
    _print(found)
    write(f"Wrote {file}\n")


def _write_file(file: Path, found: CampaignEnsemble) -> dict[str, Any]:
    import json
    from dataclasses import asdict

    from ambs_hpc.reporting.whole_file import write_whole

    told = asdict(found)
    write_whole(file, json.dumps(told, indent=2) + "\n")
    return told


def _print(found: CampaignEnsemble) -> None:
    from ambs_hpc.api.kept_files.campaign_ensemble import words_of
    from ambs_hpc.cli.shared.output import cell, print_table

    columns = ["id", "weight", "objective", f"validation {found.metric}", "test", "configuration"]
    rows: list[tuple[object, ...]] = [
        (one.id, one.weight, one.objective, one.validation, one.test, dict(one.configuration))
        for one in found.members
    ]
    print_table(columns, rows)
    tested = "" if found.test is None else f", test {cell(found.test)}"
    write(f"ensemble of {len(rows)}: {found.metric} on validation {cell(found.validation)}{tested}\n")
    alone = "" if found.best.test is None else f", test {cell(found.best.test)}"
    write(f"best alone, evaluation {found.best.id}: validation {cell(found.best.validation)}{alone}\n")
    if len(rows) == 1:
        write("No other evaluation makes it better: one alone is as good as any ensemble of these.\n")
    if found.test is None and any(one.test is not None for one in found.members):
        write("There is no test score: its members have not all predicted the same test examples.\n")
    for one in found.members:
        if one.note:
            write(f"evaluation {one.id}: {cell(one.note)}\n")
    if found.left_out:
        left_out = sum(map(len, found.left_out.values()))
        write(f"Chosen from {found.candidates}; left out {left_out}: {cell(words_of(found.left_out))}\n")
