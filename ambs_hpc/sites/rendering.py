"""Scripts for a scheduler, from templates and values; nothing secret and nothing unquoted gets into one."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ambs_hpc.errors import NotFound, UsageError
from ambs_hpc.sites.data_files import job_templates_folder
from ambs_hpc.sites.profile import Site
from ambs_hpc.sites.request import AllocationRequest
from ambs_hpc.sites.script_safety import (
    holds_secret,
    wrong_directive,
    wrong_environment,
    wrong_name,
    wrong_path,
)

if TYPE_CHECKING:
    import jinja2

SCRIPT_MODE = 0o700
# A leading variable is filled in where the script runs; everything else is quoted.
LEADING_VARIABLE = re.compile(r"\$[\w{][\w./,+@=:~${}-]*\Z")


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What a script starts.

    Args:
        arguments: the launcher's argument vector.
        allocation_id: ours.
        output: path without suffix for what the script prints.
        preamble, environment: the user's own, after the site's.
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
        template: a user's own; else the one of the site's scheduler.

    Raises:
        NotFound: there is no such template.
        UsageError: the template names something that does not exist, or is no template; or what is asked
            for cannot be written down, or is a secret.
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
    """The script is there, whole and executable: schedulers read it later, and never an edited one."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SCRIPT_MODE)
    with os.fdopen(descriptor, "w") as script:
        script.write(text)
        script.flush()
        os.fsync(script.fileno())
    temporary.replace(file)


def _refuse(site: Site, request: AllocationRequest, plan: LaunchPlan) -> None:
    """Whoever did not check the request first still gets no script that says something else."""
    queue = site.queues.get(request.queue or site.default_queue)
    directives = [*site.directives, *(queue.directives if queue is not None else [])]
    if site.scheduler == "cobalt":
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
    """What a template may name."""
    name = request.queue or site.default_queue
    queue = site.queues.get(name)
    filesystems = request.filesystems or tuple(site.filesystems)
    if not (site.filesystems_required or request.filesystems or site.scheduler == "cobalt"):
        filesystems = ()
    own = list(queue.directives) if queue is not None else []
    variables = {**site.environment, **plan.environment, "AMBS_ALLOCATION": str(plan.allocation_id)}
    return {
        "nodes": request.nodes,
        "minutes": request.minutes,
        "walltime": f"{request.minutes // 60:02d}:{request.minutes % 60:02d}:00",
        "queue": name,
        "project": request.project,
        "filesystems": ":".join(filesystems),
        "attributes": ":".join(_attributes(site, request, filesystems)),
        "select": f"{request.nodes}:{site.select}" if site.select else str(request.nodes),
        "by_gpu": queue is not None and queue.unit == "gpu",
        "directives": [] if site.scheduler == "cobalt" else [*site.directives, *own],
        "queue_is_named": not own,
        "output": str(plan.output),
        "folder": shlex.quote(str(request.folder)),
        "preamble": [*site.preamble, *plan.preamble],
        "environment": {key: _quoted(value) for key, value in variables.items()},
        "launch": shlex.join(plan.arguments),
    }


def _attributes(site: Site, request: AllocationRequest, filesystems: Sequence[str]) -> list[str]:
    """Cobalt takes one --attrs: the site's, the file systems, the user's, each key once."""
    if site.scheduler != "cobalt":
        return []
    given = {one.partition("=")[0]: one for one in site.directives}
    if filesystems:
        given["filesystems"] = f"filesystems={','.join(filesystems)}"
    given.update({one.partition("=")[0]: one for one in request.attributes})
    return list(given.values())


def _quoted(value: str) -> str:
    """For the shell; a site's $USER and the like stay to be filled in there."""
    return f'"{value}"' if LEADING_VARIABLE.match(value) else shlex.quote(value)
