"""A sweep of Hydra as a campaign: created or gone on with, run here or submitted, its best written down."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from hydra.errors import CompactHydraException
from omegaconf import OmegaConf
from sqlalchemy import make_url

from ambs_hpc import Campaign, Command, Problem, Resources
from ambs_hpc.api.choices import chosen_database
from ambs_hpc.api.interrupts import RunInterrupted
from ambs_hpc.errors import AmbsError, UsageError
from ambs_hpc.identity import user_name
from ambs_hpc.integrations.hydra.application import evaluation_command
from ambs_hpc.integrations.hydra.parameters import SweptParameters, read_parameters
from ambs_hpc.integrations.hydra.settings import SweeperSettings
from ambs_hpc.launcher.command_line import filled
from ambs_hpc.problem.space import default_configuration
from ambs_hpc.queue import list_allocations, open_database, reading
from ambs_hpc.sites import refresh

logger = logging.getLogger(__name__)

EXIT_STOPPED = 3  # as `ambs run` ends
RESULTS = "optimization_results.yaml"  # the name that Hydra's other sweepers give it


def run_sweep(hydra_context: Any, config: Any, arguments: Sequence[str]) -> None:
    """Search until the budget is spent; `optimization_results.yaml` is in the sweep's folder afterwards.

    The campaign is found by its name in its database, so that the same command goes on where an earlier one
    was ended, by whatever.

    Args:
        hydra_context, config: of Hydra; what is asked for stands under `hydra.sweeper`.
        arguments: the overrides of the command line, without those of Hydra itself.

    Raises:
        CompactHydraException: it cannot be done as asked.
        SystemExit: it was stopped before it was done.
    """
    settings = cast("SweeperSettings", OmegaConf.to_object(config.hydra.sweeper))
    logging.getLogger("alembic").setLevel(logging.WARNING)  # Hydra shows what libraries say of themselves
    try:
        _refuse_password(settings.db)
        parameters = read_parameters(settings.params, arguments, hydra_context.config_loader)
        problem = _problem(settings, parameters, config)
        _check_composition(problem, parameters, hydra_context, config)
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(config, folder / "multirun.yaml")
        with _campaign(settings, problem) as campaign:
            if _has_ended(settings, campaign):
                _write_results(campaign, parameters, folder / RESULTS)
    except AmbsError as error:
        raise CompactHydraException(f"ambs: {error}") from error
    except RunInterrupted as error:
        sys.stderr.write("ambs: stopped before it was done; the same command goes on.\n")
        raise SystemExit(EXIT_STOPPED) from error


def _refuse_password(db: str | None) -> None:
    """Refuse a database URL with a password: Hydra writes its configuration into the folder of every run."""
    if db and "://" in db and make_url(db).password is not None:
        raise UsageError(
            "hydra.sweeper.db: has a password, which Hydra would write into files. Set AMBS_DB in the "
            "environment, or start the server by `ambs db start`, and leave hydra.sweeper.db out"
        )


def _problem(settings: SweeperSettings, parameters: SweptParameters, config: Any) -> Problem:
    if "BasicLauncher" not in str(config.hydra.launcher._target_):
        raise UsageError(
            "hydra/launcher is not used: launchers of ambs start evaluations. Leave it out, and say "
            "hydra.sweeper.slots=8, or hydra.sweeper.submit.nodes=2 hydra.sweeper.submit.time=1h"
        )
    command = evaluation_command(
        sys.modules["__main__"],
        sys.argv[1:],
        list(config.hydra.overrides.hydra),
        parameters.placeholders,
    )
    return Problem(
        name=settings.name or config.hydra.job.name,
        space=parameters.space,
        objective=Command(command),
        direction=settings.direction,
        resources=Resources(**asdict(settings.resources)),
        time_limit_seconds=settings.time_limit_seconds,
        starting_points=[parameters.stored(point) for point in settings.starting_points],
        max_failures=settings.max_failures,
        max_interruptions=settings.max_interruptions,
    )


def _check_composition(
    problem: Problem, parameters: SweptParameters, hydra_context: Any, config: Any
) -> None:
    """Compose one configuration, so that a wrong key is told before anything is stored."""
    point = default_configuration(problem.configuration_space)
    overrides = filled(parameters.placeholders, point)
    hydra_context.config_loader.load_sweep_config(master_config=config, sweep_overrides=overrides)


def _campaign(settings: SweeperSettings, problem: Problem) -> Campaign:
    if settings.max_evaluations is None and settings.max_minutes is None:
        raise UsageError("hydra.sweeper.max_evaluations: say how many evaluations, in total, end the sweep")
    return Campaign(
        problem,
        settings.db,
        method=settings.method,
        options=settings.options,
        seed=settings.seed,
        runs=settings.runs,
    )


def _has_ended(settings: SweeperSettings, campaign: Campaign) -> bool:
    """Run the campaign, or have it run; whether it has ended."""
    if settings.submit.nodes is None:
        campaign.run(settings.max_evaluations, max_minutes=settings.max_minutes, slots=settings.slots)
        return True
    now = campaign.status()
    wanted = settings.max_evaluations
    if wanted is not None and now.ended >= wanted + now.added and not now.in_flight:
        return True
    _submit(settings, campaign)
    if settings.submit.wait:
        return campaign.wait()
    logger.info(
        "the same command with hydra.sweeper.submit.wait=true waits for the end; `ambs status` shows it"
    )
    return False


def _submit(settings: SweeperSettings, campaign: Campaign) -> None:
    """Submit allocations with launcher and search, unless some of this campaign are there already."""
    wanted = settings.submit
    alive = _live_allocations(settings)
    if alive:
        logger.info("allocations wait or run already, so none are submitted: %s", ", ".join(alive))
        return
    report = campaign.submit(
        cast("int", wanted.nodes),
        wanted.time,
        max_evaluations=settings.max_evaluations,
        site=wanted.site,
        queue=wanted.queue,
        project=wanted.project,
        chain=wanted.chain,
    )
    for one in report.allocations:
        logger.info("submitted to %s: %s", report.site, one.scheduler_id)


def _live_allocations(settings: SweeperSettings) -> list[str]:
    """Allocations of this database that have not ended; what a scheduler does not say now counts as alive."""
    engine = open_database(chosen_database(settings.db), create=False)
    try:
        for unanswered in refresh(engine, user_name(), time.time()).unheard:
            logger.warning("%s", unanswered)
        with reading(engine) as connection:
            return [one.scheduler_id or one.state for one in list_allocations(connection, over=False)]
    finally:
        engine.dispose()


def _write_results(campaign: Campaign, parameters: SweptParameters, file: Path) -> None:
    leading = campaign.best()
    found = {
        "name": "ambs",
        "best_params": parameters.plain(leading.configuration),
        "best_value": leading.objective,
        "campaign": campaign.name,
        "database": campaign.database,
        "evaluation": leading.id,
    }
    temporary = file.with_name(f".{file.name}")
    OmegaConf.save(OmegaConf.create(found), temporary)
    temporary.replace(file)
    logger.info("best objective %s, evaluation %d: %s", leading.objective, leading.id, found["best_params"])
