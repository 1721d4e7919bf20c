"""From a claim to what is started for it; refuses objectives that this user has not registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from ambs_hpc.errors import ObjectiveNotAllowed
from ambs_hpc.launcher import command_line, paths
from ambs_hpc.launcher.supervisor import function_main
from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.launcher.supervisor.outcome import RESULT
from ambs_hpc.launcher.supervisor.progress.report_lines import REPORTS
from ambs_hpc.launcher.supervisor.random_seed import SEED_VARIABLE, seed_of
from ambs_hpc.problem.allow_list import is_allowed, is_run_directory_allowed
from ambs_hpc.problem.checkpoint_policy import KEEP_ALL, kept_best
from ambs_hpc.problem.goals import named_objectives

if TYPE_CHECKING:
    from ambs_hpc.records import Campaign, Claim


class EvaluationSpec:
    """How the evaluations of one campaign are run; what they have in common is found out once."""

    def __init__(self, campaign: Campaign) -> None:
        """
        Raises:
            ObjectiveNotAllowed: this user has not registered the objective.
        """
        definition = campaign.definition
        if not is_run_directory_allowed(definition.run_directory):
            raise ObjectiveNotAllowed(
                f"Campaign {campaign.name!r} would write to {definition.run_directory}, which you have not "
                "registered here. Look at it, then run: ambs allow PROBLEM --runs FOLDER"
            )
        if not is_allowed(definition.objective, definition.directory):
            raise ObjectiveNotAllowed(
                f"Campaign {campaign.name!r} would run {dict(definition.objective)} from "
                f"{definition.directory}, which you have not registered here. Look at it, then run: "
                "ambs allow PROBLEM"
            )
        self.campaign = campaign.name
        self._seed = definition.seed
        limit = definition.problem.get("time_limit_seconds")
        self.time_limit_seconds = None if limit is None else float(str(limit))
        self.may_pause = definition.problem.get("fidelity") is not None
        self.keeps_all_checkpoints = kept_best(definition.problem.get("checkpoints", KEEP_ALL)) is None
        self._run_directory, self._directory = definition.run_directory, definition.directory
        function = definition.objective.get("function")
        self._function = None if function is None else str(function)
        self._is_warm = bool(definition.objective.get("warm", True))
        self._command = _command(definition.objective, definition.directory)
        self._objectives = named_objectives(definition.problem)
        self._container = cast("dict[str, object]", definition.objective.get("container") or {})

    def runs(self, function: str | None, directory: str) -> bool:
        """Whether its evaluations call this function of this folder; None: are commands in a container."""
        is_meant = function is not None or bool(self._container)
        return is_meant and (self._function, self._directory) == (function, directory)

    def checkpoint_folder(self, claim: Claim) -> str:
        """What its $AMBS_CHECKPOINT_DIR names."""
        return paths.checkpoint_folder(self._run_directory, claim.ordinal, claim.configuration)

    def start_request(self, claim: Claim) -> StartRequest:
        """What to start for a claim; where it runs is filled in by the executor."""
        folder = paths.attempt_folder(self._run_directory, claim.ordinal, claim.attempt)
        environment = {
            "AMBS_EVALUATION": str(claim.id),
            "AMBS_ORDINAL": str(claim.ordinal),
            "AMBS_ATTEMPT": str(claim.attempt),
            "AMBS_CAMPAIGN": claim.campaign,
            SEED_VARIABLE: str(seed_of(self._seed, claim.ordinal, claim.attempt)),
            "AMBS_RESULT": f"{folder}/{RESULT}",
            "AMBS_REPORTS": f"{folder}/{REPORTS}",
            "AMBS_CHECKPOINT_DIR": self.checkpoint_folder(claim),
        }
        is_forked = self._function is not None and self._is_warm and not claim.resources.needs_launch_command
        arguments = None if is_forked else command_line.filled(self._command, claim.configuration)
        resources = claim.resources
        return StartRequest(
            id=claim.id,
            attempt=claim.attempt,
            configuration=dict(claim.configuration),
            folder=folder,
            arguments=arguments,
            function=self._function if is_forked else None,
            module_directory=self._directory if is_forked else "",
            environment=environment,
            threads=resources.cores if is_forked else 0,
            reads_request=self._function is not None and not is_forked,
            has_ranks=resources.needs_launch_command,
            time_limit_seconds=claim.time_limit_seconds,
            problem_directory=self._directory,
            container=self._container,
            objectives=self._objectives,
        )


def _command(objective: Mapping[str, object], directory: str) -> list[str]:
    """The entries of the command; for a function, the command that calls it in an interpreter of its own."""
    function = objective.get("function")
    if function is None:
        return command_line.anchored(cast("list[str]", objective["command"]), directory)
    entries = function_main.command(str(function), directory)
    return [entry.replace("{", "{{").replace("}", "}}") for entry in entries]
