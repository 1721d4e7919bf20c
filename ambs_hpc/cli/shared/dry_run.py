"""`--dry-run`: the plan of a run, after every check that needs no database and no evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import cast

from ambs_hpc.campaign import Revised, SearchSettings, define_campaign, planned_campaign, searcher_for
from ambs_hpc.cli.shared.options import open_engine
from ambs_hpc.cli.shared.output import cell, print_json
from ambs_hpc.cli.shared.source_lines import sources_of_plan
from ambs_hpc.cli.shared.stored_campaign import revised_json, revised_line
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.cli.shared.tried_objective import try_objective
from ambs_hpc.errors import DatabaseError
from ambs_hpc.fidelity import fidelity_from_json
from ambs_hpc.launcher.container_command import preview
from ambs_hpc.problem import load_problem
from ambs_hpc.problem.checkpoint_policy import KEEP_ALL
from ambs_hpc.problem.goals import goals_of
from ambs_hpc.problem.space import space_from_json, space_notes
from ambs_hpc.records import NewCampaign

SHOWN = 3


def print_dry_run(
    problem_file: Path, settings: SearchSettings, db: str | None = None, *, tries: bool, as_json: bool
) -> None:
    """Check the problem and print the plan with the first proposals; nothing is stored or started.

    Where the campaign exists, what would change of it is said too.

    Args:
        tries: import the objective's module for a trial.
    """
    loaded = load_problem(problem_file)
    wanted = define_campaign(loaded, settings)
    if tries:
        try_objective(loaded, is_elsewhere=False)
    revised = _planned(wanted, settings, db)
    found = sources_of_plan(wanted, settings, db)
    definition = wanted if revised is None else revised.campaign.definition  # what would run
    plan = _plan(definition, settings)
    space = space_from_json(cast("Mapping[str, object]", definition.problem["space"]))
    parameters = {name: str(one) for name, one in space.items()}
    notes, first = space_notes(space), []
    if revised is None:  # a campaign that has begun goes on from what it knows
        searcher = searcher_for(wanted, [one.source for one in found])
        first = [dict(proposal.configuration) for proposal in searcher.ask(SHOWN)]
    if as_json:
        plan |= {"from": [one.line for one in found], "parameters": parameters, "notes": notes}
        plan["first_proposals"] = first
        print_json({**plan, **({} if revised is None else {"revision": revised_json(revised)})})
        return
    told = {name: ", ".join(value) if isinstance(value, list) else value for name, value in plan.items()}
    lines = [f"{name.replace('_', ' ')}: {cell(value) or 'none'}" for name, value in told.items()]
    if definition.max_evaluations is None and settings.max_minutes is None:
        lines.append("it runs until Ctrl-C: neither evaluations nor minutes are limited")
    lines += [f"from {cell(one.line)}" for one in found]
    lines += ["parameters", *(f"  {text}" for text in parameters.values())]
    lines += [f"note: {note}" for note in notes]
    if revised is None:
        lines += ["first proposals", *(f"  {cell(one)}" for one in first)]
    else:
        changed = revised_line(revised) if revised.changes else "the campaign exists, and goes on unchanged"
        lines.append(changed)
    write("\n".join([*lines, "Nothing was stored or started.\n"]))


def _plan(definition: NewCampaign, settings: SearchSettings) -> dict[str, object]:
    container = definition.objective.get("container")
    entered, trouble = "", ""
    if isinstance(container, Mapping):
        entered, trouble = preview(container, {}, definition.directory, definition.run_directory)
    return {
        "campaign": definition.name,
        "objective": definition.objective,
        **_goals(definition),
        "resources": definition.problem["resources"],
        "time_limit_seconds": definition.problem["time_limit_seconds"],
        **_fidelity(definition),
        "method": definition.method,
        **({"options": definition.method_options} if definition.method_options else {}),
        "seed": definition.seed,
        "max_evaluations": definition.max_evaluations,
        "max_minutes": settings.max_minutes,
        **({"container": entered or f"not to be started here: {trouble}"} if container else {}),
    }


def _goals(definition: NewCampaign) -> dict[str, object]:
    """The direction, of named objectives each, and the constraints where there are some."""
    constraints = [one.words for one in goals_of(definition.problem, definition.direction).constraints]
    direction = {"direction": definition.problem.get("direction", definition.direction)}
    return {**direction, **({"constraints": constraints} if constraints else {})}


def _fidelity(definition: NewCampaign) -> dict[str, object]:
    fidelity = fidelity_from_json(definition.problem.get("fidelity"))
    if fidelity is None:
        return {}
    checkpoints = definition.problem.get("checkpoints", KEEP_ALL)
    return {"fidelity": {**asdict(fidelity), "rungs": fidelity.rungs()}, "checkpoints": checkpoints}


def _planned(wanted: NewCampaign, settings: SearchSettings, db: str | None) -> Revised | None:
    """What would change of the campaign; None where there is none, or no database that could hold it."""
    try:
        engine = open_engine(db)
    except DatabaseError:
        return None
    return planned_campaign(engine, wanted, settings)
