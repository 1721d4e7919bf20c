"""A claim with what is started for it, as executors take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ambs_hpc.launcher.supervisor.messages import StartRequest
from ambs_hpc.records import Claim


class Prepared(NamedTuple):
    """What `Executor.start` takes."""

    claim: Claim
    request: StartRequest

    @property
    def folder(self) -> str:
        return self.request.folder


def prepared(
    claim: Claim,
    arguments: list[str] | None,
    function: str | None,
    directory: str,
    folder: str,
    environment: Mapping[str, str],
) -> Prepared:
    """As `EvaluationSpec` makes it."""
    request = StartRequest(
        id=claim.id,
        attempt=claim.attempt,
        configuration=dict(claim.configuration),
        folder=folder,
        arguments=arguments,
        function=function,
        module_directory=directory if function else "",
        environment=environment,
        threads=claim.resources.cores if function else 0,
        has_ranks=claim.resources.needs_launch_command,
        time_limit_seconds=claim.time_limit_seconds,
    )
    return Prepared(claim, request)
