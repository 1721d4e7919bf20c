"""Scripts for a scheduler, from templates and values; they contain no secret and no unquoted value."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.schedulers import registered
from ambs_hpc.sites.data_files import job_templates_folder
from ambs_hpc.sites.profile import Site
from ambs_hpc.sites.request import AllocationRequest
from ambs_hpc.sites.script_safety import (
    LEADING_VARIABLE,
    holds_secret,
    wrong_directive,
    wrong_environment,
    wrong_name,
    wrong_path,
)

if TYPE_CHECKING:
    import jinja2

SCRIPT_MODE = 0o700
# By these a script tells its launcher where it came from: what a site file names runs with the user's rights.
SITE_VARIABLE, FOLDER_VARIABLE = "AMBS_SITE", "AMBS_FOLDER"


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """The launcher that a script starts, and its environment.

    Args:
        arguments: the launcher's argument vector.
        allocation_id: number of the allocation in our database.
        output: path without suffix for the script's output.
        preamble, environment: the user's own; they follow those of the site.
    """

    arguments: Sequence[str]
    allocation_id: int
    output: Path
    preamble: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def render_script(
    site: Site, request: AllocationRequest, plan: LaunchPlan, template: Path | None = None
) -> str:
    """The whole script.

    Args:
        template: a user's own template; None takes that of the site's scheduler.

    Raises:
        NotFound: there is no such template.
        UsageError: the template is malformed or names an unknown word; or a value cannot stand in a script,
            or is a secret.
    """
    import jinja2

    _refuse(site, request, plan)
    file = template or job_templates_folder() / f"{site.scheduler}.sh.j2"
    if not file.is_file():
        raise NotFound(f"There is no script template {file}.")
    try:
        text = _environment(file.parent).get_template(file.name).render(_words(site, request, plan))
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", None)
        raise UsageError(f"{file}{f', line {line}' if line else ''}: {error}") from error
    if (line_with := holds_secret(text.splitlines())) is not None:
        raise UsageError(f"A password would stand in the script: {line_with}. Keep it in ~/.pgpass.")
    return text


def write_script(file: Path, text: str) -> None:
    """Write an executable script atomically: schedulers read it later, and must find it unchanged."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SCRIPT_MODE)
    with os.fdopen(descriptor, "w") as script:
        script.write(text)
        script.flush()
        os.fsync(script.fileno())
    temporary.replace(file)


def _refuse(site: Site, request: AllocationRequest, plan: LaunchPlan) -> None:
    """Raise UsageError for values that would change the script's meaning, also for unchecked requests."""
    queue = site.queues.get(request.queue or site.default_queue)
    directives = [*site.directives, *(queue.directives if queue is not None else [])]
    if registered(site.scheduler).has_attributes:
        directives += request.attributes
    wrong = [
        wrong_name("project", request.project),
        wrong_name("queue", request.queue),
        *(wrong_name("filesystems", one) for one in request.filesystems),
        wrong_path("folder", str(request.folder)),
        wrong_path("output", str(plan.output)),
        *(wrong_directive(site.scheduler, one) for one in directives),
        *(words for _, words in wrong_environment({**site.environment, **plan.environment})),
    ]
    for words in filter(None, wrong):
        raise UsageError(f"No script can be written. {words}")


def _environment(folder: Path) -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _words(site: Site, request: AllocationRequest, plan: LaunchPlan) -> dict[str, object]:
    """The words that a template may name, with their values."""
    name = request.queue or site.default_queue
    queue = site.queues.get(name)
    filesystems = request.filesystems or tuple(site.filesystems)
    has_attributes = registered(site.scheduler).has_attributes
    if not (site.filesystems_required or request.filesystems or has_attributes):
        filesystems = ()
    of_queue = list(queue.directives) if queue is not None else []
    own = {SITE_VARIABLE: site.name, FOLDER_VARIABLE: str(request.folder)}
    own["AMBS_ALLOCATION"] = str(plan.allocation_id)
    variables = {**site.environment, **plan.environment, **own}
    return {
        "nodes": request.nodes,
        "minutes": request.minutes,
        "walltime": f"{request.minutes // 60:02d}:{request.minutes % 60:02d}:00",
        "queue": name,
        "project": request.project,
        "filesystems": ":".join(filesystems),
        "attributes": ":".join(_attributes(site, request, filesystems)),
        "select": f"{request.nodes}:{site.select}" if site.select else str(request.nodes),
        "cores": site.node.cores,
        "script_host": site.script_host,
        "left_out": ",".join(request.left_out),
        "processors_of_gpu": 0 if site.node.found else site.node.job_processors // max(1, site.node.gpus),
        "by_gpu": queue is not None and queue.unit == "gpu",
        "directives": [] if has_attributes else [*site.directives, *of_queue],
        "queue_is_named": not of_queue,
        "output": str(plan.output),
        "folder": shlex.quote(str(request.folder)),
        "preamble": [*site.preamble, *plan.preamble],
        "environment": {key: _quoted(value) for key, value in variables.items()},
        "launch": shlex.join(plan.arguments),
    }


def _attributes(site: Site, request: AllocationRequest, filesystems: Sequence[str]) -> list[str]:
    """The attributes of the one option: the site's, the file systems, the user's, each key once."""
    if not registered(site.scheduler).has_attributes:
        return []
    given = {one.partition("=")[0]: one for one in site.directives}
    if filesystems:
        given["filesystems"] = f"filesystems={','.join(filesystems)}"
    given.update({one.partition("=")[0]: one for one in request.attributes})
    return list(given.values())


def _quoted(value: str) -> str:
    """The value quoted for the shell, which still expands a leading variable such as $USER."""
    return f'"{value}"' if LEADING_VARIABLE.match(value) else shlex.quote(value)
