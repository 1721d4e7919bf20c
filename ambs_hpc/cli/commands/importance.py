"""`ambs importance`: which parameters the objective depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ambs_hpc.cli.shared.options import AsJson, Database, OneCampaign
from ambs_hpc.cli.shared.terminal import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ambs_hpc.insight.functional_anova import Importance, VarianceShare

POORLY_EXPLAINED = 0.3  # of the variance: below this the forest has learned next to nothing
IDLE = 0.01  # a parameter that explains less than this may be given up

Best = Annotated[
    float | None,
    typer.Option(
        "--best",
        metavar="SHARE",
        help="Among good results: worse ones than this share, as 0.2, count as equally bad.",
    ),
]
Top = Annotated[
    int, typer.Option("--top", metavar="N", min=0, max=20, help="Interactions of the N most important ones.")
]


Objective = Annotated[
    str | None,
    typer.Option("--objective", metavar="NAME", help="Of several objectives this one; by default the first."),
]


def importance(
    campaign: OneCampaign = None,
    objective: Objective = None,
    best: Best = None,
    top: Top = 5,
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Tell which parameters the objective depends on, alone and in pairs (functional ANOVA of a forest)."""
    from dataclasses import asdict

    from ambs_hpc import queue
    from ambs_hpc.api.choices import only_campaign
    from ambs_hpc.api.learned_rows import LearnedRows
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.cli.shared.output import print_json
    from ambs_hpc.insight.functional_anova import MOST_ROWS, importance_of

    _check_best(best)
    with queue.reading(open_engine(db)) as connection:
        chosen = only_campaign(connection, campaign)
        goals = queue.goals_of_stored(chosen)
        name = goals.chosen(objective)
        is_first = name == goals.names[0]
        sampled = queue.sampled_results(connection, chosen.id, MOST_ROWS, with_metrics=not is_first)
    if not is_first:
        known = [(row, goals.value(name, None, row.metrics)) for row in sampled.results]
        results = [row._replace(objective=value) for row, value in known if value is not None]
        sampled = sampled._replace(results=results)
    learned = LearnedRows(chosen)
    rows = learned.of(sampled.results)
    objectives = [row.objective for row in rows]
    if best is not None:
        objectives = _capped(objectives, best, goals.directions[name])
    configurations = [row.configuration for row in rows]
    found = importance_of(learned.space, configurations, objectives, top=top)
    outside = len(sampled.results) - len(rows)
    if as_json:
        told = {"campaign": chosen.name, "results": sampled.number, "outside_space": outside, "best": best}
        explained = found.explained if found.explained == found.explained else None
        print_json({**told, **asdict(found), "explained": explained, "objective": name})
        return
    if goals.has_several:
        write(f"objective {name} of {', '.join(goals.names)}; another one by --objective NAME\n")
    others = [one for one in dict.fromkeys((*goals.names, *goals.metrics)) if one != name]
    _write(found, chosen.name, sampled.number, outside, others)


def _check_best(best: float | None) -> None:
    from ambs_hpc.errors import UsageError

    if best is not None and not 0.0 < best <= 1.0:
        raise UsageError(f"--best {best:g}: give a share of the results above 0 and up to 1, such as 0.2.")


def _capped(objectives: list[float], share: float, direction: str) -> list[float]:
    """The objectives, none worse than the worst of the best `share` of them."""
    if not objectives:
        return objectives
    ranked = sorted(objectives, reverse=direction == "maximize")
    worst = ranked[max(round(share * len(ranked)), 1) - 1]
    better = min if direction == "minimize" else max
    return [better(one, worst) for one in objectives]


def _write(found: Importance, name: str, number: int, outside: int, others: Sequence[str]) -> None:
    """`others`: what counts beside the one objective, other objectives and what is constrained."""
    from ambs_hpc.cli.shared.output import cell, print_table

    sampled = f" of {number}" if found.rows < number else ""
    write(f"campaign {cell(name)}: importance from {found.rows}{sampled} results\n")
    if outside:
        write(f"{outside} results lie outside of the space as it is now, and are left out.\n")
    if found.explained != found.explained:
        write("All results are equal: nothing depends on anything.\n")
        return
    print_table(("parameter", "share", "+/-"), map(_cells, found.parameters))
    pairs = [one for one in found.pairs if one.share >= IDLE]
    if pairs:
        print_table(("interaction", "share", "+/-"), map(_cells, pairs))
    rest = 1.0 - sum(one.share for one in (*found.parameters, *found.pairs))
    write(f"further interactions: {max(rest, 0.0):.0%}\n")
    write(f"The forest explains {max(found.explained, 0.0):.0%} of results that it has not seen.\n")
    if found.explained < POORLY_EXPLAINED:
        write("That is little: these shares mean little before there are more results, or less noise.\n")
        return
    idle = [one.names[0] for one in found.parameters if one.share < IDLE]
    idle = [one for one in idle if not any(one in pair.names for pair in found.pairs if pair.share >= IDLE)]
    if not idle or len(idle) == len(found.parameters):
        return
    told = f"Next to no effect: {cell(', '.join(idle))}"
    if others:
        write(f"{told}; of what else counts ({cell(', '.join(others))}) this says nothing.\n")
    else:
        write(f"{told}. To search without one, at a value of your choice:\n")
        write(f"  ambs space {cell(name)} --pin {cell(idle[-1])}=VALUE --dry-run\n")


def _cells(one: VarianceShare) -> tuple[str, str, str]:
    return " x ".join(one.names), f"{one.share:.1%}", f"{one.std:.1%}"
