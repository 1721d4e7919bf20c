"""The settings in a campaign folder's `ambs.yml`: site, project, database, script."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from ambs_hpc.errors import SiteInvalid, nearest
from ambs_hpc.sites.notify_settings import EVENTS, Notify, wrong_notify
from ambs_hpc.sites.yaml_file import read_yaml

FILE = "ambs.yml"
HEAD = """# The defaults for the options of commands in this campaign folder.
# `ambs site show NAME` prints a site; a file NAME.yml here with `extends: SITE` changes one.
"""


class FolderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Settings of a campaign folder.

    Args:
        site: name of the site, or of a site file in this folder.
        project: project that pays for allocations.
        queue: queue for allocations; empty takes the site's default.
        database: as for --db; empty takes a private server of this folder, or ambs.db without one. It never
            contains a password: that belongs in ~/.pgpass.
        preamble: lines of shell for scripts, after those of the site.
        environment: environment variables of scripts.
        template: the folder's own script template.
        max_node_hours: of all allocations from this folder, at their full request while they are not over;
            none for no limit.
        notify: who is told of what happens.
    """

    site: str = ""
    project: str = ""
    queue: str = ""
    database: str = ""
    preamble: list[str] = []
    environment: dict[str, str] = {}
    template: str = ""
    max_node_hours: Annotated[float, msgspec.Meta(gt=0.0)] | None = None
    notify: Notify = Notify()


def read_folder(folder: Path, *, only_ours: bool = False) -> FolderSettings:
    """The settings of a folder; all of them are empty when it has no `ambs.yml`.

    Args:
        only_ours: refuse a file that others can write.

    Raises:
        SiteInvalid: the file has an error.
    """
    file = folder / FILE
    if not file.is_file():
        return FolderSettings()
    plain: Any = read_yaml(file, only_ours=only_ours) or {}
    if isinstance(plain, dict):
        for key in plain:
            if key not in FolderSettings.__struct_fields__:
                hint = nearest(str(key), FolderSettings.__struct_fields__)
                raise SiteInvalid(file, _line(file, str(key)), str(key), f"unknown key. {hint}")
        _refuse_unknown_notify(file, plain.get("notify"))
    try:
        settings = msgspec.convert(plain, FolderSettings)
    except msgspec.ValidationError as error:
        words, _, where = str(error).partition(" - at `$.")
        key = where.rstrip("`") or "file"
        if key.startswith("notify.events"):
            words = f"{words}. Accepted: {', '.join(EVENTS)}"
        raise SiteInvalid(file, _line(file, re.split(r"[.\[]", key)[0]), key, words) from error
    wrong = wrong_notify(settings.notify)
    if wrong is not None:
        raise SiteInvalid(file, _line(file, "notify"), f"notify.{wrong[0]}", wrong[1])
    return settings


def _refuse_unknown_notify(file: Path, plain: object) -> None:
    for key in plain if isinstance(plain, dict) else ():
        if key not in Notify.__struct_fields__:
            hint = nearest(str(key), Notify.__struct_fields__)
            raise SiteInvalid(file, _line(file, "notify"), f"notify.{key}", f"unknown key. {hint}")


def write_folder(folder: Path, settings: FolderSettings) -> Path:
    """Write `ambs.yml` atomically; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE
    text = HEAD + yaml.safe_dump(msgspec.to_builtins(settings), sort_keys=False)
    temporary = folder / f".{FILE}.{os.getpid()}"
    temporary.write_text(text)
    temporary.replace(file)
    return file


def _line(file: Path, key: str) -> int:
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.startswith(f"{key}:"):
            return number
    return 1
