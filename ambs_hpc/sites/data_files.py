"""The folders of site files and script templates: beside the package in a checkout, inside it otherwise."""

from __future__ import annotations

from pathlib import Path

from ambs_hpc.errors import AmbsError

PACKAGE = Path(__file__).resolve().parent.parent


def site_configs_folder() -> Path:
    """The folder of the site files that come with this program."""
    return _folder("site_configs")


def job_templates_folder() -> Path:
    """The folder of the script templates that come with this program."""
    return _folder("job_templates")


def _folder(name: str) -> Path:
    places = [PACKAGE / "data" / name, PACKAGE.parent / name]
    for place in places:
        if place.is_dir():
            return place
    looked = " nor in ".join(map(str, places))
    raise AmbsError(f"The folder {name} is neither in {looked}. The installation is damaged: install again.")
