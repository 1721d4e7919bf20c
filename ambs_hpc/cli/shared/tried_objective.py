"""The trial of an objective by a command, and the option that leaves it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ambs_hpc.cli.shared.terminal import echo

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from sqlalchemy import Engine

    from ambs_hpc.problem.problem_file import LoadedProblem

NoCheck = Annotated[
    bool,
    typer.Option("--no-check", help="Do not try to import the objective's module before anything is spent."),
]


def try_objective(loaded: LoadedProblem, *, is_elsewhere: bool) -> None:
    """Make sure that the problem's function can be called, as far as its module can be imported here.

    Commands, and what runs in containers, are not tried.

    Args:
        is_elsewhere: evaluations run on other machines: a library or a device that is missing on this one is
            only told on stderr.

    Raises:
        ProblemError: the function is missing or does not fit, or its module is wrong.
    """
    _try(
        loaded.problem.objective_json,
        str(loaded.directory),
        loaded.problem.configuration_space,
        str(loaded.file),
        is_elsewhere=is_elsewhere,
    )


def try_waiting(engine: Engine, campaign: str | None) -> None:
    """The same for the campaigns whose evaluations an allocation would run; only what this user registered.

    Raises:
        ProblemError: as `try_objective`.
    """
    from ambs_hpc import queue
    from ambs_hpc.cli.shared.options import named_campaign
    from ambs_hpc.problem.allow_list import is_allowed
    from ambs_hpc.problem.space import space_from_json
    from ambs_hpc.states import State
    from ambs_hpc.timing import STALE_AFTER_SECONDS

    with queue.reading(engine) as connection:
        only = named_campaign(connection, campaign)
        chosen = [
            one
            for one in ([only] if only else queue.list_campaigns(connection))
            if queue.counts(connection, one.id)[State.READY]
            or queue.is_search_alive(connection, one.id, STALE_AFTER_SECONDS)
        ]
    for one in chosen:
        definition = one.definition
        if is_allowed(definition.objective, definition.directory):  # a row alone makes nothing run here
            space = space_from_json(cast("Mapping[str, object]", definition.problem["space"]))
            where = f"campaign {one.name}"
            _try(definition.objective, definition.directory, space, where, is_elsewhere=True)


def _try(
    objective: Mapping[str, object],
    directory: str,
    space: ConfigurationSpace,
    where: str,
    *,
    is_elsewhere: bool,
) -> None:
    from ambs_hpc.launcher.trial.objective_trial import TrialWords, try_function

    words = TrialWords(
        "--no-check skips this trial",
        lambda said: echo(f"ambs: {said}", err=True),
        lambda said: echo(f"warning: {said}", err=True),
    )
    try_function(objective, directory, space, where, words, is_elsewhere=is_elsewhere)
