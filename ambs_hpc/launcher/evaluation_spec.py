"""From a lease to work that an executor can start; refuses objectives that this user has not registered."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ambs_hpc.errors import ObjectiveNotAllowed
from ambs_hpc.launcher import command_line, paths
from ambs_hpc.launcher.executors.protocol import Work
from ambs_hpc.launcher.supervisor import function_main, outcome
from ambs_hpc.problem.allow_list import is_allowed

if TYPE_CHECKING:
    from ambs_hpc.records import Campaign, Claim


class Recipe:
    """How the evaluations of one campaign are run; what is the same for all of them is found out once."""

    def __init__(self, campaign: Campaign) -> None:
        """
        Raises:
            ObjectiveNotAllowed: this user has not registered the objective.
        """
        definition = campaign.definition
        if not is_allowed(definition.objective, definition.directory):
            raise ObjectiveNotAllowed(
                f"Campaign {campaign.name!r} would run {dict(definition.objective)} from "
                f"{definition.directory}, which you have not registered here. Look at it, then run: "
                "ambs allow PROBLEM"
            )
        self.campaign = campaign.name
        limit = definition.problem.get("time_limit_seconds")
        self.time_limit_seconds = None if limit is None else float(str(limit))
        self._run_directory, self._directory = definition.run_directory, definition.directory
        function = definition.objective.get("function")
        self._function = None if function is None else str(function)
        self._is_warm = bool(definition.objective.get("warm", True))
        self._command = _command(definition.objective, definition.directory)

    def runs(self, function: str, directory: str) -> bool:
        """Whether its evaluations function_main this function of this folder."""
        return (self._function, self._directory) == (function, directory)

    def work(self, claim: Claim) -> Work:
        """What to start for a lease."""
        folder = paths.attempt_folder(self._run_directory, claim.ordinal, claim.attempt)
        checkpoint = paths.checkpoint_folder(self._run_directory, claim.ordinal)
        environment = {
            "AMBS_EVALUATION": str(claim.id),
            "AMBS_ORDINAL": str(claim.ordinal),
            "AMBS_ATTEMPT": str(claim.attempt),
            "AMBS_CAMPAIGN": claim.campaign,
            "AMBS_RESULT": f"{folder}/{outcome.RESULT}",
            "AMBS_CHECKPOINT_DIR": checkpoint,
        }
        is_forked = self._function is not None and self._is_warm and not claim.resources.needs_launch_command
        arguments = None if is_forked else command_line.filled(self._command, claim.configuration)
        return Work(
            claim,
            arguments,
            self._function if is_forked else None,
            self._directory,
            folder,
            environment,
            needs_request=self._function is not None and not is_forked,
        )


def _command(objective: Mapping[str, object], directory: str) -> list[str]:
    """Entries of the command; of a function, that which calls it in an interpreter of its own."""
    function = objective.get("function")
    if function is None:
        return command_line.anchored(cast("list[str]", objective["command"]), directory)
    cold = [sys.executable, "-m", function_main.__name__, str(function), str(Path(directory))]
    return [entry.replace("{", "{{").replace("}", "}}") for entry in cold]
