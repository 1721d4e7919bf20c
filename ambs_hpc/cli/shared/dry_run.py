"""`--dry-run`: the plan of a run, after every check that needs no database and no evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ambs_hpc.campaign import SearchSettings, define_campaign, searcher_for
from ambs_hpc.cli.shared.objective_trial import try_objective
from ambs_hpc.cli.shared.output import cell, print_json
from ambs_hpc.cli.shared.terminal import write
from ambs_hpc.launcher.container_command import preview
from ambs_hpc.problem import load_problem
from ambs_hpc.problem.space import space_notes

SHOWN = 3


def print_dry_run(problem_file: Path, settings: SearchSettings, *, tries: bool, as_json: bool) -> None:
    """Check the problem and print the plan with the first proposals; nothing is stored or started.

    Args:
        tries: import the objective's module for a trial.
    """
    loaded = load_problem(problem_file)
    wanted = define_campaign(loaded, settings)
    if tries:
        try_objective(loaded, is_elsewhere=False)
    first = [dict(proposal.configuration) for proposal in searcher_for(wanted).ask(SHOWN)]
    container = wanted.objective.get("container")
    entered, trouble = "", ""
    if isinstance(container, Mapping):
        entered, trouble = preview(container, {}, wanted.directory, wanted.run_directory)
    plan: dict[str, object] = {
        "campaign": wanted.name,
        "objective": wanted.objective,
        "direction": wanted.direction,
        "resources": wanted.problem["resources"],
        "time_limit_seconds": wanted.problem["time_limit_seconds"],
        "method": wanted.method,
        "seed": wanted.seed,
        "max_evaluations": wanted.max_evaluations,
        "max_minutes": settings.max_minutes,
        **({"container": entered or f"not to be started here: {trouble}"} if container else {}),
    }
    parameters = {name: str(one) for name, one in loaded.problem.configuration_space.items()}
    notes = space_notes(loaded.problem.configuration_space)
    if as_json:
        print_json({**plan, "parameters": parameters, "notes": notes, "first_proposals": first})
        return
    lines = [f"{name.replace('_', ' ')}: {cell(value) or 'none'}" for name, value in plan.items()]
    lines += ["parameters", *(f"  {text}" for text in parameters.values())]
    lines += [f"note: {note}" for note in notes]
    lines += ["first proposals", *(f"  {cell(one)}" for one in first)]
    write("\n".join([*lines, "Nothing was stored or started.\n"]))
