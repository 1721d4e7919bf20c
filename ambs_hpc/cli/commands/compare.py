"""`ambs compare`: campaigns beside each other, in a table and a figure."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambs_hpc.cli.shared.options import AsJson
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.hints import call_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ambs_hpc.problem.goals import Goals
    from ambs_hpc.queue import EndedRun
    from ambs_hpc.records import Campaign
    from ambs_hpc.reporting.comparison import ComparedCampaign, ComparedGroup

    Found = Sequence[tuple[Campaign, ComparedCampaign]]


def _note_databases(databases: list[str] | None) -> list[str] | None:
    call_with(databases[0] if databases and len(databases) == 1 else None)
    return databases


Names = Annotated[list[str] | None, typer.Argument(metavar="[CAMPAIGN]...", help="By default all.")]
Databases = Annotated[
    list[str] | None,
    typer.Option(
        "--db",
        metavar="URL",
        callback=_note_databases,
        help="Database, a file or a URL; repeat it for several.",
    ),
]
Figure = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Draw it: .png, .pdf or .svg.")
]
SHOWN_DIFFERENCES = 3  # of two spaces, in a line
MOST_RESULTS = 10_000  # of which it is asked whether they lie in the space of now

Objective = Annotated[
    str | None,
    typer.Option(
        "--objective",
        metavar="NAME",
        help="Of several objectives this one, or `hypervolume` of all; by default the first.",
    ),
]
HYPERVOLUME = "hypervolume"  # what all objectives come to; an objective of that name goes before


def compare(
    names: Names = None,
    output: Figure = None,
    objective: Objective = None,
    db: Databases = None,
    as_json: AsJson = False,
) -> None:
    """Compare campaigns: best so far against evaluations and node-hours.

    Campaigns whose names differ only in the number of a seed at their end (net-1, net-2; net_seed3) are one
    line: the median over them, with the range. Imported results are left out. A node-hour is an hour of a
    whole node, or of the share of one that a slot of the launcher is. A figure needs the extra `figures`.
    """
    from ambs_hpc.cli.shared.output import print_json, writing
    from ambs_hpc.reporting.comparison import compare_campaigns, comparison_json, with_volumes
    from ambs_hpc.reporting.comparison_figure import draw_comparison

    found = _found(names or [], list(db or [""]), objective)
    compared = [one for _, one in found]
    if compared[0].costs is None:
        direction, differences = _direction(found, objective), _differences(found, of_one=True)
    else:
        compared, reference = with_volumes(compared)
        direction, differences = "maximize", _differences(found, of_one=False)
        differences.insert(0, _reference_words(found, reference.tolist()))
    groups = compare_campaigns(compared, direction)
    if output is not None:
        with writing(output):
            draw_comparison(groups, direction, output)
    if as_json:
        print_json({"direction": direction, "differences": differences, "groups": comparison_json(groups)})
        return
    _print(groups)
    for line in differences:
        write(f"ambs: {line}\n", err=True)
    if output is not None:
        write(f"Wrote {output}\n")


def _found(names: Sequence[str], databases: Sequence[str], objective: str | None) -> Found:
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import open_engine
    from ambs_hpc.errors import NotFound, nearest

    stored: list[tuple[str, Campaign, ComparedCampaign]] = []
    known: list[str] = []
    for place, db in enumerate(databases, start=1):
        with queue.reading(open_engine(db or None)) as connection:
            here = queue.list_campaigns(connection)
            known += [one.name for one in here]
            where = _short_name(db, place) if len(databases) > 1 else ""
            asked = [one for one in here if not names or one.name in names]
            _check_goals([*(one for _, one, _ in stored), *asked], objective)
            stored += [(where, one, _compared(connection, one, objective)) for one in asked]
    for name in names:
        if name not in known:
            listed = nearest(name, set(known)) if known else "There is none yet."
            raise NotFound(f"There is no campaign {name!r}. {listed}")
    if not stored:
        raise NotFound("There is no campaign yet: ambs run PROBLEM.")
    order = {name: place for place, name in enumerate(names)}
    stored.sort(key=lambda one: order.get(one[1].name, 0))
    return [(campaign, compared) for campaign, compared in _labelled(stored)]


def _short_name(db: str, place: int) -> str:
    """What tells a database from another, without a password."""
    return f"database {place}" if "://" in db else db


def _compared(connection: object, campaign: Campaign, objective: str | None) -> ComparedCampaign:
    import numpy as np

    from ambs_hpc import queue
    from ambs_hpc.reporting.comparison import ComparedCampaign, name_of_seeds

    goals = queue.goals_of_stored(campaign)
    is_volume = _is_volume(goals, objective)
    name = goals.chosen(None if is_volume else objective)
    runs = queue.ended_runs(connection, campaign.id, with_metrics=not goals.is_plain)  # type: ignore[arg-type]  # a Connection
    objectives = [_value(goals, name, one) for one in runs]
    node_hours = np.array([one.node_seconds / 3600 for one in runs], dtype=float)
    spent = queue.attempted_node_seconds(connection, campaign.id) / 3600  # type: ignore[arg-type]  # a Connection
    outside, results = _outside(connection, campaign)
    return ComparedCampaign(
        label=campaign.name,
        group=name_of_seeds(campaign.name),
        objectives=np.array(objectives, dtype=float),
        node_hours=node_hours,
        later_hours=max(0.0, spent - float(node_hours.sum())),
        imported=queue.marks_of(connection, campaign.id).imported,  # type: ignore[arg-type]  # a Connection
        failures=sum(one.objective is None for one in runs),
        outside=outside,
        results=results,
        costs=np.array([_costs(goals, one) for one in runs]).reshape(len(runs), -1) if is_volume else None,
    )


def _outside(connection: Any, campaign: Campaign) -> tuple[int, int]:
    """How many results lie outside of the space that is searched now, and how many there are."""
    if "was" not in campaign.definition.problem:  # never revised
        return 0, 0
    from ambs_hpc.api.learned_rows import LearnedRows
    from ambs_hpc.queue import sampled_results

    results = sampled_results(connection, campaign.id, MOST_RESULTS, imported=False).results
    return len(results) - len(LearnedRows(campaign).of(results)), len(results)


def _is_volume(goals: Goals, objective: str | None) -> bool:
    return objective == HYPERVOLUME and goals.has_several and HYPERVOLUME not in goals.names


def _check_goals(campaigns: Sequence[Campaign], objective: str | None) -> None:
    """Volumes of different objectives are different things.

    Raises:
        UsageError: they are.
    """
    from ambs_hpc.errors import UsageError
    from ambs_hpc.queue import goals_of_stored

    goals = [goals_of_stored(one) for one in campaigns]
    if any(_is_volume(one, objective) for one in goals) and any(
        dict(one.directions) != dict(goals[0].directions) for one in goals
    ):
        told = "; ".join(
            f"{one.name}: {', '.join(each.names)}" for one, each in zip(campaigns, goals, strict=True)
        )
        raise UsageError(f"--objective {HYPERVOLUME}: these campaigns have different objectives: {told}.")


def _costs(goals: Goals, run: EndedRun) -> list[float]:
    """All objectives of a run, to be minimised; NaN where it failed, or is not known to keep constraints."""
    signs = [-1.0 if one == "maximize" else 1.0 for one in goals.directions.values()]
    return [sign * _value(goals, name, run) for sign, name in zip(signs, goals.names, strict=True)]


def _reference_words(found: Found, reference: Sequence[float]) -> str:
    from ambs_hpc.cli.shared.output import cell
    from ambs_hpc.queue import goals_of_stored

    goals = goals_of_stored(found[0][0])
    signs = [-1.0 if one == "maximize" else 1.0 for one in goals.directions.values()]
    worst = ", ".join(
        f"{name} {cell(sign * one)}" for name, sign, one in zip(goals.names, signs, reference, strict=True)
    )
    return f"hypervolume of what is better than the worst of all these results: {worst}."


def _value(goals: Goals, name: str, run: EndedRun) -> float:
    """An objective of a run; NaN where it failed, or is not known to keep the constraints."""
    value = goals.value(name, run.objective, run.metrics)
    is_kept = value is not None and goals.feasibility(run.objective, run.metrics).verdict == "yes"
    return value if value is not None and is_kept else float("nan")


def _labelled(stored: Sequence[tuple[str, Campaign, ComparedCampaign]]) -> Found:
    """Names that several databases have are told apart; another method is another group."""
    from collections import Counter
    from dataclasses import replace

    times = Counter(campaign.name for _, campaign, _ in stored)
    methods: dict[str, str] = {}
    labelled = []
    for where, campaign, compared in stored:
        suffix = f" in {where}" if times[campaign.name] > 1 else ""
        method = campaign.definition.method
        group = f"{compared.group}{suffix}"
        if methods.setdefault(group, method) != method:
            group = f"{group} ({method})"
        labelled.append((campaign, replace(compared, label=f"{campaign.name}{suffix}", group=group)))
    return labelled


def _direction(found: Found, objective: str | None) -> str:
    from ambs_hpc.errors import UsageError
    from ambs_hpc.queue import goals_of_stored

    goals = {one.name: goals_of_stored(one) for one, _ in found}
    directions = {name: one.directions[one.chosen(objective)] for name, one in goals.items()}
    if len(set(directions.values())) > 1:
        told = ", ".join(f"{name} is {direction}d" for name, direction in directions.items())
        raise UsageError(f"Campaigns of different directions cannot be compared: {told}.")
    return next(iter(directions.values()))


def _differences(found: Found, *, of_one: bool) -> list[str]:
    """What may make the comparison meaningless, a sentence each.

    Args:
        of_one: one objective is compared, of however many there are.
    """
    from ambs_hpc.queue import goals_of_stored

    first = found[0][0]
    differences = []
    for campaign, compared in found:
        if compared.outside:
            differences.append(
                f"{compared.outside} of {compared.results} results of {compared.label} lie outside of the "
                f"space that it searches now, and count here: ambs space {quote(campaign.name)}."
            )
        goals = goals_of_stored(campaign)
        if goals.has_several and of_one:
            of = ", ".join(goals.names)
            differences.append(
                f"{campaign.name} has several objectives ({of}): one is compared, see --objective."
            )
    for other, _ in found[1:]:
        for what, remedy in (
            ("space", "the best values of other spaces say nothing of the method"),
            ("objective", "the values may mean something else"),
        ):
            one, two = first.definition.problem.get(what), other.definition.problem.get(what)
            told = _space_words(one, two) if what == "space" else _words(one, two)
            if told is not None:
                both = f"{first.name} and {other.name} have different {what}s"
                differences.append(f"{both}{told and f' ({told})'}: {remedy}.")
    return differences


def _space_words(one: Any, two: Any) -> str | None:
    """How two spaces differ; None where the order of parameters, a default or a note is all."""
    from ambs_hpc.problem.space_differences import space_differences

    try:
        differences = space_differences(one, two)
    except (KeyError, TypeError):  # none that we have written
        return _words(one, two)
    told = [change.words for change in differences]
    more = [f"{len(told) - SHOWN_DIFFERENCES} more"] if len(told) > SHOWN_DIFFERENCES else []
    return "; ".join([*told[:SHOWN_DIFFERENCES], *more]) if told else None


def _words(one: object, two: object) -> str | None:
    return None if json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True) else ""


def _print(groups: Sequence[ComparedGroup]) -> None:
    from statistics import median

    from ambs_hpc.cli.shared.output import cell, print_table
    from ambs_hpc.reporting.comparison import common_reach, value_at

    evaluations, hours = common_reach(groups)
    has_bounds = any(any(one.infeasible) for one in groups)
    columns = ["campaign", "seeds", "evaluations", "failed", *["infeasible"] * has_bounds]
    columns += ["node-hours", "imported", "best", "range"]
    columns += [f"best at {evaluations}", f"best at {cell(hours)} node-hours"]
    rows = []
    for one in groups:
        best = [value for value in one.best if value == value]
        spread = f"{cell(min(best))} .. {cell(max(best))}" if len(one.campaigns) > 1 and best else ""
        middle = median(one.best) if len(best) == len(one.best) else None
        at = [value_at(one.by_evaluations, evaluations), value_at(one.by_node_hours, hours)]
        rows.append(
            (
                one.label,
                len(one.campaigns),
                median(one.evaluations),
                median(one.failures),
                *[median(one.infeasible)] * has_bounds,
                median(one.node_hours),
                max(one.imported) or "",
                middle,
                spread,
                *(None if value != value else value for value in at),
            )
        )
    print_table(columns, rows)
