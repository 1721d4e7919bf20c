"""Sources and packages that have changed since a campaign's results, in words."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ambs_hpc.provenance.comparison_words import facts_differences
from ambs_hpc.provenance.facts import installed_packages, source_digests
from ambs_hpc.queue import counts, provenance_of, reading
from ambs_hpc.states import State

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ambs_hpc.problem.problem_file import LoadedProblem
    from ambs_hpc.records import Campaign

FILES_SECONDS = 2.0


def changed_sources(engine: Engine, campaign: Campaign, loaded: LoadedProblem) -> str:
    """How sources and packages differ from those of the results until now; "" where they do not.

    The problem file counts only where the objective is in it: what else changes of it is a revision.
    """
    with reading(engine) as connection:
        has_results = counts(connection, campaign.id)[State.DONE] > 0
        uses = provenance_of(connection, campaign.id, 1) if has_results else []
    if not uses:
        return ""
    before = uses[-1].facts
    packages = installed_packages(sys.path)
    now: dict[str, object] = {
        **before,
        "files": source_digests(loaded.directory, FILES_SECONDS),
        "python": platform.python_version(),
        "packages": packages,
        "ambs_hpc": packages.get("ambs-hpc", "not installed"),
    }
    module = str(campaign.definition.objective.get("function", "")).partition(":")[0]
    own = {} if module == loaded.file.stem else {loaded.file.name: ""}
    told = facts_differences(*({**one, "files": {**_files(one), **own}} for one in (before, now)))
    if not told:
        return ""
    return (
        f"not what the results until now ran with: {'; '.join(told)}. New results join them in one model; "
        "--name begins a campaign of its own."
    )


def _files(facts: Mapping[str, object]) -> Mapping[str, object]:
    files = facts.get("files")
    return files if isinstance(files, Mapping) else {}
